"""``haulier latest``: where the newest complete snapshot is, and a line for each reader."""

from __future__ import annotations

import click

from haulier.app.app import App
from haulier.app.loading import load_app
from haulier.app.site import Options, open_site
from haulier.cli.event_loop import run_loop
from haulier.cli.options import json_option, options_of, place_options, source_argument
from haulier.cli.output import emit, set_up_output
from haulier.cli.reader_lines import reader_lines
from haulier.errors import UnavailableError
from haulier.runs.newest import latest_complete


@click.command("latest")
@source_argument
@click.argument("stream", required=False)
@json_option
@place_options
def command(source: str, stream: str | None, as_json: bool, lake: str | None, queue: str | None) -> int:
    """Print the folder of STREAM's newest complete snapshot. With one stream in SOURCE its name can be left out."""
    set_up_output(as_json)
    app = load_app(source)
    if stream is None and len(app.streams) != 1:
        raise click.UsageError(f"Which stream? {app.name} has: {', '.join(app.streams)}.")
    (chosen,) = app.selected([stream] if stream is not None else app.streams)
    return run_loop(_latest(app, chosen, as_json, options_of(lake, queue)))


async def _latest(app: App, stream: str, as_json: bool, options: Options) -> int:
    async with open_site(app, options, writes=False) as site:
        found = await latest_complete(site.lake, app.name, stream)
        if found is None:
            raise UnavailableError(
                f"No complete run of {app.name} has the stream {stream} yet. Start one with: haulier run SOURCE"
            )
        run, verdict = found
        path = site.lake.locate(run.paths.bronze(stream))
        lines = reader_lines(path)
        if as_json:
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
            )
            return 0
        click.echo(path)
        for reader, line in lines.items():
            click.echo(f"  {reader.replace('_', ', '):13} {line}")
        return 0
