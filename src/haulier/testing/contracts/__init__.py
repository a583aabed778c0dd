"""Contract suites for queues, lakes and shared rows: test classes to subclass."""
