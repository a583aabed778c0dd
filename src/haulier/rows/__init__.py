"""Rows that all workers of a source share, behind a seam of their own."""
