"""Shipped for users' tests: contract suites, a sandbox API with faults, and real parts on loopback."""
