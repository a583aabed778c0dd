"""Retries and the newest failure of a run, told alike by bar, status, closing words and JSON."""

from __future__ import annotations

import asyncio
import contextlib
import re
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from haulier.api.scope.failures import NO_FAILURES, OTHER, Failures
from haulier.api.scope.row import decode
from haulier.app.open_source import LiveSource, OpenSource, scope_name
from haulier.errors import HaulierError

READ_SECONDS = 5.0
"""They are words beside a verdict, or the last ones of a worker: an outage of the lake is not waited for."""
_FAILED_REQUEST: Final = re.compile(r"([A-Z]+) (https?://\S+): (.+)")


async def read_failures(source: OpenSource, run_id: str) -> Failures:
    """Read what the workers noted; nothing if their queue is not at hand, or does not answer soon."""
    with contextlib.suppress(HaulierError, TimeoutError):
        async with asyncio.timeout(READ_SECONDS):
            if isinstance(source, LiveSource):
                await source.client.scope.tell_failures()
            return decode(await source.rows.read(scope_name(source.app))).failures.get(run_id, NO_FAILURES)
    return NO_FAILURES


def failure_lines(failures: Failures, *, is_complete: bool = False, said: str = "") -> list[str]:
    """Write lines for people, without a cause if the run is complete, or if it was ``said`` already, even of another
    request.
    """
    by_word = ", ".join(f"{count:,} {word}" for word, count in _by_word(failures).items())
    lines = [f"  retries  {failures.retries:,}: {by_word}"] if failures.retries else []
    found = _FAILED_REQUEST.fullmatch(failures.newest)
    cause = failures.newest if found is None else found[3]
    if cause and not is_complete and cause not in " ".join(said.split()):
        lines.append(f"  failure  {_time(failures):%Y-%m-%dT%H:%M:%SZ}, the newest: {failures.newest}")
    return lines


def failure_facts(failures: Failures) -> dict[str, Any]:
    """Give the facts to programs, under stable names."""
    newest = {"at": _time(failures), "cause": failures.newest} if failures.newest else None
    return {"retries": failures.retries, "retries_by_cause": _by_word(failures), "newest_failure": newest}


def _by_word(failures: Failures) -> dict[str, int]:
    """The most first; what an older worker noted has no word."""
    known = dict(failures.by_word)
    rest = failures.retries - sum(known.values()) + known.pop(OTHER, 0)
    ordered = dict(sorted(known.items(), key=lambda one: (-one[1], one[0])))
    return ordered | ({OTHER: rest} if rest > 0 else {})


def newest_on_one_line(failures: Failures, width: int) -> str:
    """Time and cause; empty without a failure."""
    if not failures.newest:
        return ""
    at = f"{_time(failures):%H:%M:%SZ}"
    return f"{at}, {short_cause(failures, width - len(at) - 2)}"


def short_cause(failures: Failures, width: int) -> str:
    """Cut the newest cause to one line of ``width``: first what happened, then the request."""
    found = _FAILED_REQUEST.fullmatch(failures.newest)
    said = failures.newest
    if found is not None and len(said) > width:
        url = urlsplit(found[2])
        said = f"{found[3]} ({found[1]} {url.path}{'?' if url.query else ''}{url.query})"
    return said if len(said) <= width else said[: max(0, width - 4)] + " ..."


def _time(failures: Failures) -> datetime:
    return datetime.fromtimestamp(failures.at, UTC)
