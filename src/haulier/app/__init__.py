"""A source: what it declares, and how its parts are wired to a queue, a lake and an API."""
