"""Streams whose records are documents of a search server."""
