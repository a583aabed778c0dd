"""Rows that all workers of a source share."""
