"""Create-only objects and records, spools, and their paths."""
