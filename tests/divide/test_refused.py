"""An answer that is final, and whom it is about: one item, or everybody who asks from now on (G4)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.api.paging.rig import Asked, Reply, serving
from tests.divide.rig import opened, shop

RECORDS, STEP = 1_000, 25
NO = {"error": "no"}
ELSEWHERE = Reply(b"", 302, (("Location", "http://login.example.test/"),))
BY_RULE = Reply({"code": 403}, 200)
RULES = 'rules = [{ at = "code", status_at = "code", action = "retry_later" }]'


def answering(refuses: Callable[[int], Reply | None]) -> Callable[[Asked], Reply]:
    """Whole items in one page each; ``refuses`` may say something else to who asks from a first ID on."""

    def answer(asked: Asked) -> Reply:
        first, end = asked.number("from_id", 1), asked.number("to_id", RECORDS + 1)
        if (refusal := refuses(first)) is not None:
            return refusal
        ids = range(first, min(end, RECORDS + 1))
        return Reply({"items": [{"id": id} for id in ids], "next": None, "total": len(ids)})

    return answer


class Shutting:
    """Answers well for a while, and then nobody any more, until it is opened again."""

    def __init__(self, refusal: Reply, after: int = 10) -> None:
        self._refusal = refusal
        self._left = after

    def open(self) -> None:
        self._left = 1_000_000

    def __call__(self, first: int) -> Reply | None:
        self._left -= 1
        return self._refusal if self._left < 0 else None


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        *((Reply(NO, status), f"status {status}") for status in (403, 404, 400, 402)),
        (Reply(NO, 413), "status 413"),
        (ELSEWHERE, "another origin"),
        (BY_RULE, "which means 403"),
    ],
    ids=["403", "404", "400", "402", "413", "redirect", "rule"],
)
async def test_g4_who_is_refused_with_everybody_is_not_poisoned(tmp_path: Path, refusal: Reply, said: str) -> None:
    """G4, Failures, `402, 403`: a right is taken away in mid-run, a firewall shuts, the API moves, or asks all to log
    in. The worker stops and says so (exit code 2); nothing is charged or divided, and the run goes on once it is
    mended."""
    refuses = Shutting(refusal)
    more = RULES if refusal is BY_RULE else ""
    async with (
        serving(answering(refuses)) as api,
        opened(shop(tmp_path, api.url, step=STEP, last=RECORDS, more=more), tmp_path) as run,
    ):
        code, reason = await run.work()
        assert code == 2
        assert "now refuses every request, also those that it answered before" in reason
        assert said in reason
        assert run.poison == {}
        assert len(run.divided) <= (12 if refusal.status == 413 else 0)  # What others were answered after, before that.
        # Those in flight at the time, a few that waited, the last good request once more, and a part of each that was
        # divided; not all that are left.
        assert len(api.requests) <= 10 + 18 + len(run.divided)
        refuses.open()
        assert (await run.work())[0] == 0
        assert (await run.verdict()).verdict == "complete"
        assert run.ids == [*range(1, RECORDS + 1)]


@pytest.mark.parametrize("status", [403, 404])
async def test_g4_items_that_are_refused_alone_are_poisoned(tmp_path: Path, status: int) -> None:
    """G4: three ranges among forty are forbidden to us where they begin, the last one too: poison for one record of
    each, after the last good request was answered well again. The worker goes on, and the run closes."""
    forbidden = {101, 501, 976}
    refuses = lambda first: Reply(NO, status) if first in forbidden else None  # noqa: E731
    async with (
        serving(answering(refuses)) as api,
        opened(shop(tmp_path, api.url, step=STEP, last=RECORDS), tmp_path) as run,
    ):
        code, reason = await run.work()
        assert (code, (await run.verdict()).verdict) == (0, "partial"), reason
        assert sorted(run.poison) == sorted(f"items_ids-{first}-{first + 1}" for first in forbidden)
        assert len(run.ids) == RECORDS - 3
        assert len(api.requests) <= RECORDS // STEP + 3 * 20


async def test_what_is_never_small_enough_is_not_about_size(tmp_path: Path) -> None:
    """G4, G5: every request is a 413, whatever it asks for (a `limit` that the API does not take). After six divisions
    the worker stops with exit code 2; nothing is poisoned, and the API is not asked for each ID."""
    async with (
        serving(answering(lambda first: Reply(NO, 413))) as api,
        opened(shop(tmp_path, api.url, step=500, last=RECORDS), tmp_path) as run,
    ):
        code, reason = await run.work()
        assert code == 2
        assert "status 413" in reason
        assert run.poison == {}
        assert len(api.requests) <= 2 * 2**7 + 8
