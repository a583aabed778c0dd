"""State that all workers of a source share about its API."""
