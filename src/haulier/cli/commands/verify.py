"""``haulier verify``."""

from __future__ import annotations

import click
import msgspec

from haulier.app.open_source import open_source
from haulier.cli.failures import failure_facts, read_failures
from haulier.cli.hints import fill_source
from haulier.cli.options import run_option
from haulier.cli.output import emit, say
from haulier.cli.pick_run import pick_run
from haulier.cli.report import exit_code_of_verdict, say_verdict, verdict_document
from haulier.cli.source_command import SourceCall, source_command
from haulier.cli.status.facts import StatusFacts
from haulier.cli.status.lines import status_lines
from haulier.plurals import are, count_of, have
from haulier.runs.removal import require_standing
from haulier.runs.status import run_status
from haulier.runs.verify import verify_run


@source_command("verify", run_option)
async def command(call: SourceCall, run_id: str | None) -> int:
    """Reread every object of SOURCE's newest run, and compare it with the manifest. A drained run is closed first.

    If a stream has a `key`, the records of the whole run are compared by it. Exit code 0: complete, every object is as
    the manifest says, and no two records share a key.
    """
    async with open_source(call.app, call.options) as source:
        run = await pick_run(source, run_id)
        verdict = await source.closer.close(run)
        failures = await read_failures(source, run.run_id)
        if verdict is None or verdict.verdict in ("superseded", "cancelled"):
            status = await run_status(source.lake, source.queue, run)
            if call.as_json:
                emit(msgspec.to_builtins(status) | failure_facts(failures))
            else:
                for line in status_lines(StatusFacts(status=status, failures=failures)):
                    click.echo(fill_source(line))
            return 4 if verdict is None else 1
        removed = await require_standing(source.lake, run)
        seen = await verify_run(source.lake, run, verdict, call.app.keys, removed)
        say_verdict(source, run, verdict, failures)
        reread = (seen.objects, "object"), (seen.records, "record"), (seen.bytes, "byte")
        say("  reread   " + ", ".join(count_of(count, noun) for count, noun in reread))
        for finding in seen.findings:
            say(f"  {finding}")
        if call.as_json:
            emit(verdict_document(source, run, verdict, failures) | {"verified": seen})
        if seen.is_sound:
            compared = [f"{stream} by {' and '.join(map(repr, call.app.keys[stream]))}" for stream in seen.doubled]
            say("  Every object is as the manifest says.")
            if compared:
                say(f"  No two records share a key: {', '.join(compared)}.")
            return exit_code_of_verdict(verdict)
        if seen.damaged:
            say(f"haulier: {count_of(seen.damaged, 'object')} {are(seen.damaged)} not as the manifest says.")
        for stream, doubled in seen.doubled.items():
            if doubled:
                say(f"haulier: {count_of(doubled, 'record')} of {stream} {have(doubled)} the key of an earlier record.")
        if seen.lacking:
            lacking = f"{count_of(seen.lacking, 'record')} {have(seen.lacking)} no key"
            say(f"haulier: {lacking}, though the source declares one.")
        return 1
