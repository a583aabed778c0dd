"""Poison, for a person: what it died of, and which of it is meant."""
