"""``haulier status``."""

from __future__ import annotations

import click

from haulier.app.open_source import open_source
from haulier.cli.hints import fill_source
from haulier.cli.options import shown_run_option
from haulier.cli.output import emit
from haulier.cli.pick_run import pick_newest_open_run
from haulier.cli.report import exit_code_of_state
from haulier.cli.source_command import SourceCall, source_command
from haulier.cli.status.lines import status_lines
from haulier.cli.status.reader import StatusReader
from haulier.cli.status.watch import watch
from haulier.runs.lost_queue import require_queue


@source_command(
    "status",
    shown_run_option,
    click.option("--watch", "is_watching", is_flag=True, help="Look again and again, until the run is closed."),
)
async def command(call: SourceCall, run_id: str | None, is_watching: bool) -> int:
    """Show the state of a run of SOURCE: what is planned, done, poisoned and missing, and the state of its API.

    Changes nothing. Without --run it is the newest open run, or else the newest; a trial only if there is no other
    run. Exit code: that of the run that is shown (0 complete, 3 poison, 1 failed, 4 not finished).
    """
    async with open_source(call.app, call.options, writes=False) as source:
        run = await pick_newest_open_run(source, run_id)
        await require_queue(source.lake, source.queue, call.app.name)
        reader = StatusReader(source, run, is_watching=is_watching)
        try:
            if is_watching:
                return await watch(source, reader, as_json=call.as_json)
            facts = await reader.look()
        finally:
            reader.close()
        if call.as_json:
            emit(facts.document())
        else:
            for line in status_lines(facts):
                click.echo(fill_source(line))
        return exit_code_of_state(facts.status.state, facts.status.reasons)
