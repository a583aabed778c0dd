"""For which run the present task works: a worker may hold items of several."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_CURRENT: ContextVar[str] = ContextVar("haulier_run", default="")


def current_run() -> str:
    """Empty outside of an item: in a probe, a plan, or a process that works for one run alone."""
    return _CURRENT.get()


@contextlib.contextmanager
def as_current_run(run_id: str) -> Iterator[None]:
    """Also for tasks that are started within."""
    token = _CURRENT.set(run_id)
    try:
        yield
    finally:
        _CURRENT.reset(token)
