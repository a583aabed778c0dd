"""Tools for the tests of users: contract suites, a sandbox API with faults, a proxy with faults, and a fake clock."""
