"""``haulier clear``: empty a queue; the plan stays."""

from __future__ import annotations

import click

from haulier.app.app import App
from haulier.app.loading import load_app
from haulier.app.site import Options, open_site
from haulier.cli.event_loop import run_loop
from haulier.cli.options import json_option, options_of, place_options, source_argument
from haulier.cli.output import emit, say, set_up_output


@click.command("clear")
@source_argument
@click.option("--poison", is_flag=True, help="Empty the poison queue's copies instead; the records in the lake stay.")
@json_option
@place_options
def command(source: str, poison: bool, as_json: bool, lake: str | None, queue: str | None) -> int:
    """Remove every message of SOURCE's queue. Nothing is lost: `haulier run` and `work` send what is missing again."""
    set_up_output(as_json)
    return run_loop(_clear(load_app(source), poison, as_json, options_of(lake, queue)))


async def _clear(app: App, poison: bool, as_json: bool, options: Options) -> int:
    async with open_site(app, options, writes=False) as site:
        removed = await site.queue.purge(poison=poison)
        if as_json:
            emit({"state": "cleared", "messages": removed})
        say(f"{removed:,} messages were removed. What of an open run is missing is sent again by haulier run or work.")
        return 0
