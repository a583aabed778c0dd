"""``haulier verify``: what the manifest says, held against the lake, object by object."""

from __future__ import annotations

import click
import msgspec

from haulier.app.app import App
from haulier.app.loading import load_app
from haulier.app.site import Options, open_site
from haulier.cli.commands.status import say_status
from haulier.cli.event_loop import run_loop
from haulier.cli.failures import failure_facts, read_failures
from haulier.cli.options import json_option, options_of, place_options, run_option, source_argument
from haulier.cli.output import emit, say, set_up_output
from haulier.cli.pick_run import pick_run
from haulier.cli.plurals import are, counted
from haulier.cli.report import exit_code_of_verdict, say_verdict, verdict_document
from haulier.runs.status import run_status
from haulier.runs.verify import verify_run


@click.command("verify")
@source_argument
@run_option
@json_option
@place_options
def command(source: str, run_id: str | None, as_json: bool, lake: str | None, queue: str | None) -> int:
    """Reread every object of SOURCE's newest run, and hold it against the manifest. A drained run is closed first.

    Where a stream has a `key`, the records of the whole run are compared by it. Exit code 0: complete, every object is
    what the manifest says, and no two records share a key.
    """
    set_up_output(as_json)
    return run_loop(_verify(load_app(source), run_id, as_json, options_of(lake, queue)))


async def _verify(app: App, run_id: str | None, as_json: bool, options: Options) -> int:
    async with open_site(app, options) as site:
        run = await pick_run(site, run_id)
        verdict = await site.closer.close(run)
        failures = await read_failures(site, run.run_id)
        if verdict is None or verdict.verdict in ("superseded", "cancelled"):
            status = await run_status(site.lake, site.queue, run)
            if as_json:
                emit(msgspec.to_builtins(status) | failure_facts(failures))
            else:
                say_status(status, None, failures)
            return 4 if verdict is None else 1
        seen = await verify_run(site.lake, run, verdict, app.keys)
        say_verdict(site, run, verdict, failures)
        reread = (seen.objects, "object"), (seen.records, "record"), (seen.bytes, "byte")
        say("  reread   " + ", ".join(counted(count, noun) for count, noun in reread))
        for finding in seen.findings:
            say(f"  {finding}")
        if as_json:
            emit(verdict_document(site, run, verdict, failures) | {"verified": seen})
        if seen.is_sound:
            compared = [f"{stream} by {' and '.join(map(repr, app.keys[stream]))}" for stream in seen.doubled]
            say("  Every object is what the manifest says.")
            if compared:
                say(f"  No two records share a key: {', '.join(compared)}.")
            return exit_code_of_verdict(verdict)
        if seen.damaged:
            say(f"haulier: {counted(seen.damaged, 'object')} {are(seen.damaged)} not what the manifest says.")
        for stream, doubled in seen.doubled.items():
            if doubled:
                say(f"haulier: {counted(doubled, 'record')} of {stream} with a key that an earlier record has too.")
        if seen.lacking:
            say(f"haulier: {counted(seen.lacking, 'record')} without the key that the source declares.")
        return 1
