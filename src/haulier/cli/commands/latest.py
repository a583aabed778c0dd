"""``haulier latest``."""

from __future__ import annotations

import click

from haulier.app.open_source import open_source
from haulier.cli.output import emit, say
from haulier.cli.reader_lines import reader_lines
from haulier.cli.source_command import SourceCall, source_command
from haulier.errors import UnavailableError
from haulier.plurals import are, count_of
from haulier.runs.newest_runs import latest_complete
from haulier.runs.strays import late_objects


@source_command("latest", click.argument("stream", required=False))
async def command(call: SourceCall, stream: str | None) -> int:
    """Print the folder of STREAM's newest complete snapshot. STREAM can be left out if SOURCE has only one."""
    app = call.app
    if stream is None and len(app.streams) != 1:
        raise click.UsageError(f"Source {app.name!r} has several streams. Name one of: {', '.join(app.streams)}.")
    (stream,) = app.selected([stream] if stream is not None else app.streams)
    async with open_source(app, call.options, writes=False) as source:
        found = await latest_complete(source.lake, app.name, stream)
        if found is None:
            raise UnavailableError(
                f"No complete run of {app.name} has the stream {stream} yet. Start one with: haulier run SOURCE"
            )
        run, verdict = found
        path = source.lake.locate(run.paths.bronze(stream))
        late = [source.lake.locate(each) for each in await late_objects(source.lake, run, verdict, stream)]
        # A line that reads the whole folder would read those as well.
        lines = {} if late else reader_lines(path)
        if call.as_json:
            emit(
                {
                    "state": verdict.verdict,
                    "run_id": run.run_id,
                    "stream": stream,
                    "path": path,
                    "records": verdict.streams.get(stream, 0),
                    "snapshot_time": run.file.snapshot_time,
                    "readers": lines,
                }
                | ({"late_objects": late} if late else {})
            )
            return 0
        click.echo(path)
        if late:
            say(
                f"{count_of(len(late), 'object')} in this folder {are(len(late))} not in the manifest of the run, and "
                f"no part of it: {', '.join(late)}. Read the other objects alone."
            )
        for reader, line in lines.items():
            click.echo(f"  {reader.replace('_', ', '):13} {line}")
        return 0
