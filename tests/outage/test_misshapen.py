"""An API that answers everybody with something else for a while, under a good status: no item's fault (G4, G5)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.api.paging.rig import Asked, Reply, serving
from tests.divide.rig import Shop, opened, shop
from tests.harness.virtual_time import VirtualTime
from tests.outage.rig import ANSWER_SECONDS, Failure, Story, live_through
from tests.outage.rig import opened as opened_by_virtual_time

STEP, ITEMS, WELL = 100, 60, 20
BAD_SECONDS = 150.0
LOGIN = b'<html><form><input type="password"></form></html>'

TURNED: dict[str, Reply] = {
    "an error object": Reply({"error": "maintenance"}),
    "a list that is null": Reply({"items": None, "next": None, "total": 0}),
    "no total": Reply({"items": [], "next": None}),
    "HTML": Reply(b"<html><body>Welcome</body></html>"),
    "a maintenance page": Reply(b"<html><body>Down for maintenance</body></html>"),
    "a login page": Reply(LOGIN),
    "an empty body": Reply(b""),
    "half a body": Reply(b'{"items": [{"id": 1'),
    "a conflict": Reply({"error": "locked for an upgrade"}, 423),
}


def good(asked: Asked) -> Reply:
    ids = range(asked.number("from_id", 1), asked.number("to_id", 2))
    return Reply({"items": [{"id": id} for id in ids], "next": None, "total": len(ids)})


def turning(run: Shop, bad: Reply, sent: list[float]) -> Callable[[Asked], Reply]:
    """Well for 20 items, then not for a while. ``sent`` gets the moments of the requests in the bad time."""
    answered, turned_at = 0, 0.0

    def answer(asked: Asked) -> Reply:
        nonlocal answered, turned_at
        now = run.site.clock.monotonic()
        answered += 1
        if answered == WELL + 1:
            turned_at = now
        if answered > WELL and now - turned_at < BAD_SECONDS:
            sent.append(now)
            return bad
        return good(asked)

    return answer


@pytest.mark.parametrize("name", TURNED)
async def test_g4_who_turns_to_another_shape_for_everybody_poisons_nothing(tmp_path: Path, name: str) -> None:
    """G4, G5: items under way are handed back uncharged, a few requests ask whether it is well again, and then all is
    done."""
    sent: list[float] = []
    async with (
        serving(lambda asked: answer(asked)) as api,
        opened(shop(tmp_path, api.url, step=STEP, last=ITEMS * STEP), tmp_path, max_failures=5) as run,
    ):
        answer = turning(run, TURNED[name], sent)
        code, reason = await run.work()
        assert (code, run.poison, run.divided) == (0, {}, {}), reason
        assert (await run.verdict()).verdict == "complete"
        assert run.ids == [*range(1, ITEMS * STEP + 1)]
        assert 0 < len(sent) <= 150


async def test_g4_the_last_item_waits_as_well(tmp_path: Path) -> None:
    """G4: one item alone is left when the API turns, too few to open a breaker: it is asked for less and less often."""
    sent: list[float] = []
    async with (
        serving(lambda asked: answer(asked)) as api,
        opened(shop(tmp_path, api.url, step=STEP, last=(WELL + 1) * STEP), tmp_path, max_failures=5) as run,
    ):
        answer = turning(run, TURNED["an error object"], sent)
        code, reason = await run.work()
        assert (code, run.poison, run.divided) == (0, {}, {}), reason
        assert (await run.verdict()).verdict == "complete"
        assert 0 < len(sent) <= 50


async def test_g4_a_worker_that_comes_in_the_bad_time_waits_as_well(tmp_path: Path) -> None:
    """G4: three items are left, and who takes them was never answered: what is done is asked for again."""
    sent: list[float] = []
    async with (
        serving(lambda asked: answer(asked)) as api,
        opened(shop(tmp_path, api.url, step=STEP, last=3 * STEP), tmp_path, max_failures=5) as run,
    ):
        shut = Reply({"error": "log in"}, 401)
        answer: Callable[[Asked], Reply] = lambda asked: shut if api.requests[1:] else good(asked)  # noqa: E731
        assert (await run.work())[0] == 2
        assert len(run.ids) == STEP
        bad_until = run.site.clock.monotonic() + BAD_SECONDS

        def turned(asked: Asked) -> Reply:
            if (now := run.site.clock.monotonic()) >= bad_until:
                return good(asked)
            sent.append(now)
            return TURNED["an error object"]

        answer = turned
        code, reason = await run.work()
        assert (code, run.poison, run.divided) == (0, {}, {}), reason
        assert (await run.verdict()).verdict == "complete"
        assert 0 < len(sent) <= 60


@pytest.mark.parametrize("bad", [1, 31, 60])
@pytest.mark.parametrize("name", [name for name in TURNED if "page" not in name])
async def test_g4_one_bad_window_among_good_ones_is_its_own(tmp_path: Path, name: str, bad: int) -> None:
    """G4: the first, another or the last one: others are answered well, so it is poisoned after its five tries,
    or divided down to the record that does it."""
    first = (bad - 1) * STEP + 1
    answer = lambda asked: TURNED[name] if asked.number("from_id", 1) == first else good(asked)  # noqa: E731
    async with (
        serving(answer) as api,
        opened(shop(tmp_path, api.url, step=STEP, last=ITEMS * STEP), tmp_path, max_failures=5) as run,
    ):
        code, reason = await run.work()
        assert (code, (await run.verdict()).verdict) == (0, "partial"), reason
        assert len(run.poison) == 1
        assert len(run.ids) == (ITEMS * STEP - 1 if run.divided else (ITEMS - 1) * STEP)
        assert len(api.requests) <= ITEMS + 60


SHAPES = {
    "an error object": Failure(0.05, status=200),
    "HTML": Failure(0.05, status=200, body=b"<html><body>Welcome</body></html>"),
    "a login page": Failure(0.05, status=200, body=LOGIN),
}


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("name", "workers"), [("an error object", 2), ("HTML", 1), ("a login page", 1)])
def test_g4_g5_a_quarter_of_an_hour_of_another_shape(name: str, workers: int, tmp_path: Path) -> None:
    """G4, G5: as an outage is. Some hundred requests are sent into it, and the breaker sees to the rest."""
    time, failure, items = VirtualTime(), SHAPES[name], 500

    async def live() -> Story:
        async with opened_by_virtual_time(time, tmp_path, items=items) as shop:
            return await live_through(shop, failure, workers=workers, after_seconds=10.0, hours=0.25)

    story = time.run(live())
    print(f"{story.into_it} requests into it, {story.at_first} in its first minute; {story.charged} charged")
    assert 0 < story.done_before < items
    assert (story.poison, story.verdict.verdict, story.objects) == ({}, "complete", items)
    assert story.charged <= 40 * workers  # Those under way as it turned: others were answered well a moment before.
    assert story.into_it <= 200 * workers
    assert story.back_after_seconds <= 400.0 + ANSWER_SECONDS
