"""C10: a command hears of each verdict, at least once, whoever dies; and once where nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from haulier.queues.seam import Whereabouts
from haulier.runs.closing import Closer
from haulier.runs.records import ToldRecord, VerdictRecord
from haulier.runs.run import Run
from haulier.runs.telling import CLOCKS_APART_SECONDS, TELL_WITHIN, Teller
from haulier.testing.clock import FakeClock
from tests.harness.cuts.calls import Cuts, every_cut
from tests.runs.rig import Place, Process, finish, thing

LIMIT_SECONDS = 60.0


@dataclass
class Command:
    """Stands for the person's command: what it was called with."""

    clock: FakeClock
    called: list[tuple[str, int, str]] = field(default_factory=list)
    before_end: Callable[[], Awaitable[None]] | None = None

    async def call(self, run: Run, verdict: VerdictRecord) -> ToldRecord:
        self.called.append((run.run_id, verdict.number, verdict.verdict))
        if self.before_end is not None:
            await self.before_end()
        return ToldRecord(by="command", ended_at=self.clock.now(), exit_code=0)


@pytest.fixture
def command(place: Place) -> Command:
    return Command(place.clock)


def telling(process: Process, command: Command, whereabouts: Whereabouts = "here") -> Closer:
    """The process's closer, with the command. Other processes are found to be at ``whereabouts``."""
    teller = Teller(
        process.lake,
        process.place.clock,
        process.name,
        process.name,
        lambda mark: whereabouts,
        LIMIT_SECONDS,
        command.call,
    )
    return replace(process.closer, teller=teller)


async def drained(place: Place, *, failing: set[int] | None = None) -> Run:
    process = place.process()
    run = await process.claim()
    await process.enqueue(run, [thing(1), thing(2)])
    place.api.failing = failing or set()
    await process.work(run)
    return run


async def test_c10_each_verdict_is_told_once_and_none_that_was_abandoned(place: Place, command: Command) -> None:
    """Partial, then complete after a redrive; a verdict that stands is not told again by whoever looks at the run."""
    run = await drained(place, failing={1})
    process = place.process()
    closer = telling(process, command)
    for _ in range(2):
        await closer.close(run)
        await closer.tell(run, await verdict_of(closer, run), was_open=True)
    assert command.called == [(run.run_id, 1, "partial")]
    place.api.failing = set()
    await process.redriver.redrive(run)
    await process.work(run)
    await closer.close(run)
    assert command.called[1:] == [(run.run_id, 2, "complete")]


async def test_c10_a_run_that_is_cancelled_is_told_and_one_that_was_closed_before_is_not(
    place: Place, command: Command
) -> None:
    run = await drained(place)
    await place.process().closer.close(run)
    closer = telling(place.process(), command)
    await closer.close(run)
    await closer.end(run, "cancelled")
    assert command.called == [], "who closed it had nobody to tell"
    other = await place.process().claim()
    await closer.end(other, "cancelled")
    assert command.called == [(other.run_id, 1, "cancelled")]


async def test_c10_g1_a_teller_that_is_cut_at_every_step_is_followed_by_the_next(
    place: Place, command: Command
) -> None:
    """Wherever a closer dies, the verdict is told in the end, by itself or by who comes after it; twice only where it
    had called and could not write that down."""
    template = place
    run = await drained(template)
    whole = Cuts()
    counted = template.clone(template.folder.parent / "whole")
    await telling(counted.process(whole), Command(place.clock)).close(run)
    await counted.close()
    for number, cut in enumerate(every_cut(whole)):
        trial = template.clone(template.folder.parent / f"told-{number}")
        heard, cuts = Command(place.clock), Cuts(cut)
        await cuts.run(telling(trial.process(cuts), heard).close(run))
        before = len(heard.called)
        await telling(trial.process(), heard, "gone").close(run)
        assert set(heard.called) == {(run.run_id, 1, "complete")}, cut
        assert len(heard.called) - before <= 1, cut
        await telling(trial.process(), heard, "gone").close(run)
        assert len(heard.called) <= 2, cut
        await trial.close()


async def test_c10_two_closers_at_once_make_one_call(place: Place, command: Command) -> None:
    """The second finds the claim of the first, which lives, while the command runs."""
    run = await drained(place)
    first, second = (telling(place.process(), command) for _ in range(2))

    async def meanwhile() -> None:
        await second.close(run)

    command.before_end = meanwhile
    await asyncio.gather(first.close(run), second.close(run))
    assert command.called == [(run.run_id, 1, "complete")]


async def test_c10_where_nobody_can_see_a_teller_its_time_limit_is_waited_for(place: Place, command: Command) -> None:
    """A teller on another machine died, or has not ended yet: nobody can tell before its time is over."""
    run = await drained(place)
    cuts = Cuts()

    async def die() -> None:
        cuts.is_dead = True

    command.before_end = die
    await cuts.run(telling(place.process(cuts), command).close(run))
    command.before_end = None
    away = telling(place.process(), command, "unknown")
    await away.close(run)
    assert len(command.called) == 1
    place.clock.advance(LIMIT_SECONDS + CLOCKS_APART_SECONDS + 1)
    await away.close(run)
    assert len(command.called) == 2
    await away.close(run)
    assert len(command.called) == 2


async def test_c10_an_old_verdict_is_no_news(place: Place, command: Command) -> None:
    """A teller that died is followed within a week, and not by an alert about last year."""
    run = await drained(place)
    closer = telling(place.process(), command)
    verdict = await finish(place, run)
    place.clock.advance((TELL_WITHIN + timedelta(hours=1)).total_seconds())
    await closer.tell(run, verdict, was_open=True)
    assert command.called == []


async def verdict_of(closer: Closer, run: Run) -> VerdictRecord:
    verdict = await closer.close(run)
    assert verdict is not None
    return verdict
