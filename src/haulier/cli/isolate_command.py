"""The subprocess in which a suspect item runs alone (crash guard). Started by a worker; nobody types it."""

from __future__ import annotations

import asyncio
import os
import sys

import click
import msgspec

from haulier.app.app import App
from haulier.app.loading import load_app
from haulier.app.site import Options, open_live
from haulier.cli.loop import run_loop
from haulier.cli.options import options_of, place_options, source_argument
from haulier.cli.output import set_up_output
from haulier.worker.alone import Job, work_alone


@click.command("isolate", hidden=True)
@source_argument
@click.argument("descriptor", type=int)
@place_options
def command(source: str, descriptor: int, lake: str | None, queue: str | None) -> int:
    """Work the item on standard input and write what it yields to DESCRIPTOR."""
    set_up_output()
    return run_loop(_isolate(load_app(source), descriptor, options_of(lake, queue)))


async def _isolate(app: App, descriptor: int, options: Options) -> int:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    length = int.from_bytes(await reader.readexactly(4), "big")
    job = msgspec.msgpack.decode(await reader.readexactly(length), type=Job)
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(loop=loop), os.fdopen(descriptor, "wb")
    )
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    async with open_live(app, options) as site:
        working = asyncio.ensure_future(work_alone(site.parts(), job, writer))
        # The worker holds the other end of standard input for as long as it lives.
        orphaned = asyncio.ensure_future(reader.read())
        await asyncio.wait({working, orphaned}, return_when=asyncio.FIRST_COMPLETED)
        orphaned.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait([working])
            return 4
        await working
    writer.close()
    return 0
