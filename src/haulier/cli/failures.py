"""What went wrong in a run, in the same words and numbers wherever it is shown: bar, status, closing words, JSON."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from haulier.api.scope.failures import NO_FAILURES, Failures
from haulier.api.scope.row import decode
from haulier.app.open_source import LiveSource, OpenSource, scope_name
from haulier.errors import HaulierError

_ASKED: Final = re.compile(r"([A-Z]+) (https?://\S+): (.+)")
"""A cause that begins with the request that failed."""


async def read_failures(site: OpenSource, run_id: str) -> Failures:
    """What the workers of a run have noted by now; nothing where their queue is not at hand. A lake tells all else."""
    if isinstance(site, LiveSource):
        await site.client.scope.tell_failures()
    with contextlib.suppress(HaulierError):
        return decode(await site.rows.read(scope_name(site.app))).failures.get(run_id, NO_FAILURES)
    return NO_FAILURES


def failure_lines(failures: Failures, *, is_complete: bool = False, said: str = "") -> list[str]:
    """For people, below the other facts of a run; none where nothing failed. Of one that is complete, no cause is left
    to look for. A cause that stands in what was ``said`` above it is not repeated, be it of another request."""
    lines = [f"  retries  {failures.retries:,}"] if failures.retries else []
    found = _ASKED.fullmatch(failures.newest)
    cause = failures.newest if found is None else found[3]
    if cause and not is_complete and cause not in " ".join(said.split()):
        lines.append(f"  failure  {_time(failures):%Y-%m-%dT%H:%M:%SZ}, the newest: {failures.newest}")
    return lines


def failure_facts(failures: Failures) -> dict[str, Any]:
    """For programs. The names stay as they are."""
    newest = {"at": _time(failures), "cause": failures.newest} if failures.newest else None
    return {"retries": failures.retries, "newest_failure": newest}


def short_cause(failures: Failures, width: int) -> str:
    """The newest cause in one line of so many characters: first what happened, then what was asked for."""
    found = _ASKED.fullmatch(failures.newest)
    said = failures.newest
    if found is not None and len(said) > width:
        url = urlsplit(found[2])
        said = f"{found[3]} ({found[1]} {url.path}{'?' if url.query else ''}{url.query})"
    return said if len(said) <= width else said[: max(0, width - 4)] + " ..."


def _time(failures: Failures) -> datetime:
    return datetime.fromtimestamp(failures.at, UTC)
