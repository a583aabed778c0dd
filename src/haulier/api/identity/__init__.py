"""Credentials, and the servers and proxies that are trusted with them."""
