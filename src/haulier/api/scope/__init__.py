"""State that all workers of a source share about its API: who is in flight, paused, or out of requests."""
