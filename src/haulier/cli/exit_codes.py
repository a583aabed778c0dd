"""The exit code that an error stands for."""

from __future__ import annotations

from haulier.errors import HaulierError, ItemError, UnavailableError, UsageError

_AWAY_ACTIONS = frozenset({"pause", "outage"})
"""Actions for a request that is not answered now."""
_FAILED_ACTIONS = frozenset({"retry_later", "retry"})
"""Actions for one that failed, and may be answered tomorrow unless the answer had a wrong shape."""


def exit_code_of(error: HaulierError) -> int:
    """2: a person must change something; 4: try again later; 1: it failed."""
    action = getattr(error, "action", None)  # Of an `ApiError`, whose class is slow to import.
    if action is not None:
        has_shape = bool(getattr(error, "shape", ""))
        return 4 if action in _AWAY_ACTIONS or (action in _FAILED_ACTIONS and not has_shape) else 2
    match error:
        case UsageError() | ItemError():
            return 2
        case UnavailableError():
            return 4
        case _:
            return 1
