"""A source: its declaration, and how it is wired to a queue, a lake and an API."""
