"""How many workers a fleet has, and how large each is."""

from __future__ import annotations

from haulier.app.app import App

WORKERS = 12
"""Of a fleet whose size is fixed."""
CPU = 0.5
"""Cores of a worker. One that does nothing but wait for answers needs less; parsing and compressing needs more."""
GIBIBYTES = 1.0
"""Memory of a worker: some 100 MiB, and the bodies of its requests in flight."""

MESSAGES_A_WORKER = 10
"""Of a fleet that follows the depth of the queue: 10 workers below 100 messages, and all of them well before 1,000."""
WORKERS_BY_DEPTH = 50


def most_workers(app: App) -> int:
    """The most workers that `in_flight` feeds: a worker beyond has no request to send, and is paid for."""
    return app.api.highest_in_flight
