"""``haulier cancel``: end a run for good, without its rest."""

from __future__ import annotations

import click

from haulier.app.app import App
from haulier.app.loading import load_app
from haulier.app.site import Options, open_site
from haulier.cli.event_loop import run_loop
from haulier.cli.options import json_option, options_of, place_options, run_option, source_argument
from haulier.cli.output import emit, say, set_up_output
from haulier.cli.pick_run import pick_run


@click.command("cancel")
@source_argument
@run_option
@json_option
@place_options
def command(source: str, run_id: str | None, as_json: bool, lake: str | None, queue: str | None) -> int:
    """Close SOURCE's newest run as cancelled. Its objects stay where they are, and no complete snapshot counts them.

    Exit code 0: it is cancelled; 2: it had ended otherwise before, and nothing was changed.
    """
    set_up_output(as_json)
    return run_loop(_cancel(load_app(source), run_id, as_json, options_of(lake, queue)))


async def _cancel(app: App, run_id: str | None, as_json: bool, options: Options) -> int:
    async with open_site(app, options) as site:
        run = await pick_run(site, run_id)
        verdict = await site.closer.end(run, "cancelled")
        if as_json:
            emit({"state": verdict.verdict, "run_id": run.run_id})
        if verdict.verdict != "cancelled":
            say(f"haulier: Run {run.run_id} is {verdict.verdict} already; nothing was changed.")
            return 2
        say(f"Run {run.run_id} is cancelled. Workers complete what is left of it unworked.")
        return 0
