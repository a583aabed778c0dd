"""A status that is final, and whom it is about: one item, or everybody who asks from now on (G4)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.api_pages.rig import Asked, Reply, serving
from tests.divide.rig import opened, shop

RECORDS, STEP = 1_000, 25


def answering(is_refused: Callable[[int], bool], status: int = 403) -> Callable[[Asked], Reply]:
    """Whole items in one page each; those whose first ID is refused get a status instead."""

    def answer(asked: Asked) -> Reply:
        first, end = asked.number("from_id", 1), asked.number("to_id", RECORDS + 1)
        if is_refused(first):
            return Reply({"error": "no"}, status)
        ids = range(first, min(end, RECORDS + 1))
        return Reply({"items": [{"id": id} for id in ids], "next": None, "total": len(ids)})

    return answer


@pytest.mark.parametrize("status", [403, 404, 400, 402])
async def test_g4_who_is_refused_with_everybody_is_not_poisoned(tmp_path: Path, status: int) -> None:
    """G4, 4.1 `402, 403`: a right is taken away in mid-run, a firewall shuts, the API moves. The worker stops and says
    so (exit code 2); nothing is charged, and the run goes on once it is mended."""
    is_shut, answered = False, 0

    def is_refused(first: int) -> bool:
        nonlocal is_shut, answered
        answered += 1
        is_shut = is_shut or answered > 10
        return is_shut

    async with (
        serving(answering(is_refused, status)) as api,
        opened(shop(tmp_path, api.url, step=STEP, last=RECORDS), tmp_path) as run,
    ):
        code, reason = await run.work()
        assert code == 2
        assert "refuses everybody now, also what it answered before" in reason
        assert f"status {status}" in reason
        assert run.poison == {}
        # Those in flight at the time, and the last good request once more.
        assert len(api.requests) <= 10 + 4 + 2
        is_shut, answered = False, -1_000_000
        assert (await run.work())[0] == 0
        assert (await run.verdict()).verdict == "complete"
        assert run.ids == [*range(1, RECORDS + 1)]


@pytest.mark.parametrize("status", [403, 404])
async def test_g4_items_that_are_refused_alone_are_poisoned(tmp_path: Path, status: int) -> None:
    """G4: three items among forty are forbidden to us, the last one too: poison, after the last good request was
    answered well again. The worker goes on, and the run closes."""
    forbidden = {101, 501, 976}
    async with (
        serving(answering(forbidden.__contains__, status)) as api,
        opened(shop(tmp_path, api.url, step=STEP, last=RECORDS), tmp_path) as run,
    ):
        code, reason = await run.work()
        assert (code, (await run.verdict()).verdict) == (0, "partial"), reason
        assert sorted(run.poison) == sorted(f"items_ids-{first}-{first + STEP}" for first in forbidden)
        assert len(run.ids) == RECORDS - 3 * STEP
        assert len(api.requests) <= RECORDS // STEP + 6
