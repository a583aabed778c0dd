"""``haulier repair``."""

from __future__ import annotations

import click

from haulier.app.open_source import open_source
from haulier.app.run_start import require_shared_queue
from haulier.cli.command_lines import typed_command
from haulier.cli.options import open_run_option
from haulier.cli.output import emit, say
from haulier.cli.pick_run import pick_only_open_run
from haulier.cli.source_command import SourceCall, source_command
from haulier.plurals import are, count_of, were
from haulier.runs.repair import Repaired, Repairer


@source_command(
    "repair",
    open_run_option,
    click.option("--dry-run", "is_dry_run", is_flag=True, help="Only say what would be sent."),
)
async def command(call: SourceCall, run_id: str | None, is_dry_run: bool) -> int:
    """Send the items of SOURCE's open run that its queue has lost: those of its plan that have not ended and are
    not on the queue.

    Workers do so by themselves after some minutes. A queue that cannot show all that it holds gets every item that has
    not ended: one that is there twice is looked up in the lake, and comes to one object.
    """
    async with open_source(call.app, call.options, writes=not is_dry_run, tells=not is_dry_run) as source:
        require_shared_queue(source)
        run = await pick_only_open_run(source, run_id)
        found = await Repairer(source.closer).repair(run, is_dry_run=is_dry_run)
        if call.as_json:
            emit(
                {
                    "state": "open",
                    "run_id": run.run_id,
                    "missing": found.missing,
                    "sent": 0 if is_dry_run else found.sent,
                    "lost": found.sent,
                    "is_exact": found.is_exact,
                }
            )
        say(_words(run.run_id, found, is_dry_run=is_dry_run))
        if found.sent and not is_dry_run:
            say(f"Work them with: {typed_command('work', call.source, call.options)}")
        return 0


def _words(run_id: str, found: Repaired, *, is_dry_run: bool) -> str:
    items = count_of(found.sent, "item")
    if not found.missing:
        return f"Every item of run {run_id} has ended: nothing is to be sent."
    if not found.sent:
        return (
            f"{count_of(found.missing, 'item')} of run {run_id} {are(found.missing)} still on the queue: none is lost."
        )
    what = (
        f"{items} of run {run_id} would be sent" if is_dry_run else f"{items} of run {run_id} {were(found.sent)} sent"
    )
    if found.is_exact:
        return f"{what}: not ended, and not on the queue."
    return (
        f"{what}: all that have not ended, since this queue cannot show what it holds. One that is still on it costs a "
        "look in the lake; one that is worked at this moment may be asked for twice."
    )
