"""What a plan will cost, or what is left of it, said before the first item is enqueued."""

from __future__ import annotations

from haulier.app.site import LiveSite
from haulier.cli.counts import are, counted
from haulier.cli.output import say
from haulier.runs.expect import expected_range
from haulier.runs.ledger import Ledger
from haulier.runs.records import Seal
from haulier.runs.run import Run

ASSUMED_SECONDS = 0.5
"""A request's time where none was measured yet."""


async def say_plan(site: LiveSite, run: Run, seal: Seal) -> None:
    """Items, the requests that they take at least, and the hours, by what the enumeration's own requests took."""
    more = f"{counted(seal.repeated, 'equal one')} more {'was' if seal.repeated == 1 else 'were'} given"
    repeated = f" ({more}, and {are(seal.repeated)} kept once)" if seal.repeated else ""
    say(f"  {counted(seal.items, 'item')} in {counted(len(seal.shards), 'shard')}{repeated}")
    await _say_promised(site, run)
    _say_cost(site, seal.items)


async def say_rest(site: LiveSite, run: Run, _seal: Seal) -> None:
    """The same of a run that was left: of its items those that have not ended."""
    ledger = Ledger(site.lake, run.paths)
    try:
        await ledger.refresh()
        progress = await ledger.progress()
    finally:
        ledger.close()
    say(f"  {progress.missing:,} of {counted(progress.planned - progress.split, 'item')} {are(progress.missing)} left")
    await _say_promised(site, run)
    if progress.missing:
        _say_cost(site, progress.missing)


async def _say_promised(site: LiveSite, run: Run) -> None:
    promised = await expected_range(site.lake, run)
    for stream, (count, _) in promised.items():
        say(f"  {stream}: the API promises {counted(count, 'record')}")


def _say_cost(site: LiveSite, items: int) -> None:
    in_flight = site.app.api.highest_in_flight
    seconds = site.meter.mean_seconds
    measured = "measured" if seconds is not None else "assumed"
    each = ASSUMED_SECONDS if seconds is None else seconds
    span = _span(items * each / in_flight)
    say(
        f"  at least {counted(items, 'request')}: {span} or more, {in_flight} in flight, {each:.2g} s each ({measured})"
    )


def _span(seconds: float) -> str:
    """A span of time as people say it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6_000 else f"{seconds / 3600:.1f} hours"
