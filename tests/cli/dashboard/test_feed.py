"""The looks at a run, told to its tabs."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.exceptions import HTTPException

from haulier.app.open_source import Options, open_source
from haulier.app.source_loader import load_app
from haulier.cli.dashboard.feed import MOST_TABS, RunFeeds
from haulier.cli.dashboard.run_list import RunList
from haulier.cli.dashboard.views import CLOSED_SECONDS, LATE_SECONDS, RunViews
from haulier.errors import LakeUnavailableError
from haulier.lake.seam import Lake
from haulier.runs.past_runs import PastRunsReader
from haulier.runs.poison.index import PoisonFilter
from haulier.runs.state import RunState
from haulier.testing.clock import MovedClock
from tests.cli.conftest import Place
from tests.cli.dashboard.conftest import put_run
from tests.cli.dashboard.rig import typed


async def test_a_look_that_fails_is_told_and_made_again(made: Path, numbers: Place) -> None:
    """A record that cannot be read shows as a problem, in the words of the command, until it can be; between looks a
    heartbeat tells how old the last one is. The looks end with the last tab."""
    run_id = put_run(made, numbers)
    (record,) = (numbers.lake / f"_haulier/numbers/runs/{run_id}/poison/number-2").iterdir()
    whole = record.read_bytes()
    record.write_bytes(whole[:20])
    async with open_source(load_app(str(numbers.toml)), Options(), writes=False) as source, asyncio.timeout(30):
        views = RunViews(source)
        feeds = RunFeeds(views, heartbeat_seconds=0.02)
        async with (
            contextlib.aclosing(feeds.events(run_id)) as first,
            contextlib.aclosing(feeds.events(run_id)) as second,
        ):
            for events in (first, second):
                assert await anext(events) == b"retry: 2000\n\n"
                name, told = await news_of(events)
                assert name == "problem"
                assert "is not a record that haulier wrote" in told["error"]
            async with views.held(run_id) as view:
                with contextlib.suppress(LakeUnavailableError):
                    await view.look()
                    raise AssertionError("the same problem, of the same look")
            name, told = event_of(await anext(first))
            assert (name, told["age_seconds"] >= 0) == ("heartbeat", True)
            record.write_bytes(whole)
            feeds.wake(run_id)
            for events in (first, second):
                name, told = await news_of(events)
                assert (name, told["state"], told["poisoned"]) == ("status", "partial", 2)
            name, told = event_of(await anext(second))
            assert (name, told["age_seconds"] < 5) == ("heartbeat", True)
        tasks = [task for task in asyncio.all_tasks() if "_follow" in repr(task)]
        assert tasks == [], "nobody looks any more"
        async with views.held(run_id) as view:
            assert view.users == 1
        views.close()


async def test_a_look_that_takes_long_is_late(made: Path, numbers: Place) -> None:
    """At a closed run, too: its tabs are told how old that is which they show, and that the next look is late."""
    run_id = put_run(made, numbers)
    async with open_source(load_app(str(numbers.toml)), Options(), writes=False) as opened, asyncio.timeout(30):
        clock, lake = MovedClock(), FrozenLake(opened.lake)
        views = RunViews(replace(opened, clock=clock, lake=cast(Lake, lake)))
        feeds = RunFeeds(views, heartbeat_seconds=0.02)
        async with contextlib.aclosing(feeds.events(run_id)) as events:
            await anext(events)
            assert (await news_of(events))[0] == "status"
            assert event_of(await anext(events))[1]["is_late"] is False
            lake.is_free.clear()
            feeds.wake(run_id)
            clock.advance(CLOSED_SECONDS + LATE_SECONDS + 10.0)
            name, told = event_of(await anext(events))
            assert (name, told["is_late"], told["age_seconds"] >= 20.0) == ("heartbeat", True, True)
            lake.is_free.set()
            while event_of(await anext(events))[1]["is_late"]:
                pass
        views.close()


class FrozenLake:
    """Answers no listing for as long as it is not free."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self.is_free = asyncio.Event()
        self.is_free.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lake, name)

    async def names(self, folder: str) -> list[str]:
        await self.is_free.wait()
        return await self._lake.names(folder)


async def test_a_click_during_a_look_is_seen_by_the_next_one(made: Path, numbers: Place) -> None:
    """What is under way may have read before the click: the next look is due at once, of a run and of the list."""
    run_id = put_run(made, numbers)
    async with open_source(load_app(str(numbers.toml)), Options(), writes=False) as source, asyncio.timeout(30):
        views, runs = RunViews(source), RunList(source)
        async with views.held(run_id) as view:
            looking = asyncio.create_task(view.look())
            await asyncio.sleep(0)
            view.expire()
            await looking
            assert view.wait_seconds == 0.0
            await view.look()
            assert view.wait_seconds > 0.0
        listing = asyncio.create_task(runs.look(None, 20))
        await asyncio.sleep(0)
        runs.expire()
        before = await listing
        assert (await runs.look(None, 20)) is not before
        after = await runs.look(None, 20)
        assert (await runs.look(None, 20)) is after
        runs.close()
        views.close()


async def test_a_final_verdict_is_read_once(made: Path, numbers: Place) -> None:
    """A list of two hundred runs costs what may have changed."""
    run_id = put_run(made, numbers)
    assert typed(numbers, "poison discard", "--all", "--why", "a test").code == 0
    async with open_source(load_app(str(numbers.toml)), Options(), writes=False) as source:
        reader = PastRunsReader(source.lake, source.clock, source.app.name)
        (before,) = await reader.look(None, 20)
        assert before.state is RunState.COMPLETE
        shutil.rmtree(numbers.lake / f"_haulier/numbers/runs/{run_id}/closings")
        assert await reader.look("full", 5) == [before]
        reader.close()


async def test_a_lake_and_a_queue_that_go_away_are_said_and_not_made(made: Path, numbers: Place) -> None:
    """No look takes a lake that was moved for one without runs, nor one that stands empty in its place. Where the
    queue's folder is moved, none is made."""
    run_id = put_run(made, numbers)
    lake, away = numbers.lake, numbers.folder / "away"
    async with open_source(load_app(str(numbers.toml)), Options(), writes=False) as source, asyncio.timeout(30):
        views, runs = RunViews(source), RunList(source)

        async def said() -> set[str]:
            found = set()
            async with views.held(run_id) as view:
                view.expire()
                runs.expire()
                looks = (view.look, view.timeline, view.require_run, partial(runs.look, None, 20))
                for look in (*looks, partial(view.poison, PoisonFilter(), "", 1)):
                    try:
                        await look()
                        found.add("")
                    except LakeUnavailableError as error:
                        found.add(str(error).partition(". ")[0])
            return found

        assert await said() == {""}
        lake.rename(away)
        assert await said() == {f"The lake at {lake} has disappeared"}
        assert not lake.exists()
        lake.mkdir()
        assert await said() == {
            f"Run {run_id} was in the lake and has disappeared",
            "The runs of numbers were in the lake and have disappeared",
        }
        lake.rmdir()
        away.rename(lake)
        assert await said() == {""}
        (numbers.folder / ".haulier").rename(away)
        assert await said() == {""}
        assert (await source.queue.depth()).unsettled == 0
        assert not (numbers.folder / ".haulier").exists()
        runs.close()
        views.close()
    assert typed(numbers, "status").code == 3
    assert not (numbers.folder / ".haulier").exists()


async def test_what_happened_to_an_item_is_told_where_looks_fail(made: Path, numbers: Place) -> None:
    """How a redriven item ended stands in the lake, whatever else cannot be read."""
    run_id = put_run(made, numbers)
    assert typed(numbers, "poison redrive", "number-2").code == 0
    account = numbers.lake / f"_haulier/numbers/runs/{run_id}"
    (account / "poison/number-4/1.json").write_text("{")
    outcomes = account / "outcomes"
    async with open_source(load_app(str(numbers.toml)), Options(), writes=False) as source:
        views = RunViews(source)
        async with views.held(run_id) as view:
            assert await view.item_state("number-2") == "missing"
            with pytest.raises(LakeUnavailableError, match="is not a record that haulier wrote"):
                await view.look()
            shutil.copy(outcomes / "number-5.json", outcomes / "number-2.json")
            view.expire()
            assert await view.item_state("number-2") == "empty"
        views.close()


async def test_a_run_that_was_taken_away_is_not_shown_as_another(made: Path, numbers: Place) -> None:
    """Its folder, or that of its closings, is renamed below a dashboard: a look fails, until it is back."""
    run_id = put_run(made, numbers)
    account = numbers.lake / f"_haulier/numbers/runs/{run_id}"
    async with open_source(load_app(str(numbers.toml)), Options(), writes=False) as source:
        views = RunViews(source)
        async with views.held(run_id) as view:
            for moved in (account, account / "closings"):
                view.expire()
                assert (await view.look()).document["state"] == "partial"
                moved.rename(numbers.folder / "away")
                view.expire()
                with pytest.raises(LakeUnavailableError, match=f"un {run_id} .* in the lake and ha.* disappeared"):
                    await view.look()
                (numbers.folder / "away").rename(moved)
        views.close()


async def test_a_lake_that_may_be_away_is_hinted_at(made: Path, numbers: Place) -> None:
    """No run in the lake, and a queue that was in use: it is not taken for a new source without a word."""
    put_run(made, numbers)
    numbers.lake.rename(numbers.folder / "away")
    hint = "Its queue has been in use: if there was a run, the lake was moved, or its disk is not mounted."
    for command in ("status", "runs", "latest"):
        said = typed(numbers, command)
        assert said.code == {"status": 2, "runs": 0, "latest": 4}[command], said
        assert hint in " ".join(said.err.split())
    async with open_source(load_app(str(numbers.toml)), Options(), writes=False) as source:
        runs = RunList(source)
        assert json.loads(await runs.look(None, 20))["hint"].strip() == hint
        runs.close()
    assert not numbers.lake.exists()
    shutil.rmtree(numbers.folder / ".haulier")
    assert "in use" not in typed(numbers, "runs").err


async def test_no_more_tabs_than_are_borne(made: Path, numbers: Place) -> None:
    """The one too many is refused before its stream begins; others go on."""
    run_id = put_run(made, numbers)
    async with (
        open_source(load_app(str(numbers.toml)), Options(), writes=False) as source,
        contextlib.AsyncExitStack() as stack,
    ):
        views = RunViews(source)
        feeds = RunFeeds(views)
        for _ in range(MOST_TABS):
            await feeds.require(run_id)
            events = await stack.enter_async_context(contextlib.aclosing(feeds.events(run_id)))
            await anext(events)
        with contextlib.suppress(HTTPException):
            await feeds.require(run_id)
            raise AssertionError("one too many")
        await feeds.end()
        views.close()


async def news_of(events: AsyncGenerator[bytes]) -> tuple[str, Any]:
    while (seen := event_of(await anext(events)))[0] == "heartbeat":
        pass
    return seen


def event_of(piece: bytes) -> tuple[str, Any]:
    name, _, data = piece.decode().removeprefix("event: ").partition("\ndata: ")
    return name, json.loads(data)
