"""``haulier cancel``."""

from __future__ import annotations

from haulier.app.open_source import open_source
from haulier.cli.options import open_run_option
from haulier.cli.output import emit, say
from haulier.cli.pick_run import pick_only_open_run
from haulier.cli.source_command import SourceCall, source_command


@source_command("cancel", open_run_option)
async def command(call: SourceCall, run_id: str | None) -> int:
    """Close SOURCE's open run as cancelled. Its objects stay where they are, and are part of no complete snapshot.

    Where several are open, --run is demanded; a trial is never meant without it, if there is another run. Exit code
    0: it is cancelled; 2: it was already closed in another way, and nothing was changed.
    """
    async with open_source(call.app, call.options) as source:
        run = await pick_only_open_run(source, run_id)
        verdict = await source.closer.end(run, "cancelled")
        if call.as_json:
            emit({"state": verdict.verdict, "run_id": run.run_id})
        if verdict.verdict != "cancelled":
            say(f"haulier: Run {run.run_id} is already {verdict.verdict}; nothing was changed.")
            return 2
        say(f"Run {run.run_id} is cancelled. Workers remove what is left of it from the queue.")
        return 0
