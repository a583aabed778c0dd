"""Contract suites: what every queue and every lake keeps, as test classes to subclass."""
