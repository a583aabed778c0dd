"""Shortens the traceback of a failed item to the user's own lines."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

from haulier.api.errors import ApiError
from haulier.errors import HaulierError

_OURS = f"{Path(__file__).resolve().parents[1]}/"


def trace_of(error: BaseException | None) -> str:
    """Say where in a processor an exception came from; empty where the API's answer is the failure, or no processor had
    a part in it. A fault of haulier's own keeps all lines, for a report."""
    if error is None or isinstance(error, ApiError):
        return ""
    whole = traceback.TracebackException.from_exception(error)
    stacks = [(each, _without_ours(each.stack)) for each in _chain(whole)]
    if not any(stack for _, stack in stacks):
        return "".join(getattr(error, "__notes__", ())) if isinstance(error, HaulierError) else _text(whole)
    for each, stack in stacks:
        each.stack = stack
    return _text(whole)


def _text(whole: traceback.TracebackException) -> str:
    return "".join(whole.format())


def _without_ours(stack: traceback.StackSummary) -> traceback.StackSummary:
    return traceback.StackSummary.from_list([frame for frame in stack if not frame.filename.startswith(_OURS)])


def _chain(whole: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    yield whole
    for other in (whole.__cause__, whole.__context__, *(whole.exceptions or ())):
        if other is not None:
            yield from _chain(other)
