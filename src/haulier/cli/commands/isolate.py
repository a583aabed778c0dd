"""The subprocess in which a worker runs a suspect item alone (crash guard)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import click
import msgspec

from haulier.app.app import App
from haulier.app.open_source import Options, open_live
from haulier.app.source_loader import load_app
from haulier.cli.event_loop import run_unstoppable
from haulier.cli.logs import note_run_of_lines, note_source_of_lines
from haulier.cli.options import fixed_option, options_of, place_options, source_argument
from haulier.cli.output import set_up_output
from haulier.queues.envelope import decode
from haulier.worker.guard_pipe import LoneMessage, work_alone

ORPHANED = 4
ORPHAN_SECONDS = 2.0
"""Time for an item to let go once its worker has died or needs no more."""


@click.command("isolate", hidden=True)
@source_argument
@click.argument("descriptor", type=int)
@place_options
@fixed_option
def command(source: str, descriptor: int, lake: str | None, queue: str | None, is_fixed: bool) -> int:
    """Work the item on standard input and write what it yields to DESCRIPTOR."""
    # Ended by a signal it must look so to the worker: an exit code of Python's, or of ours, could be the item's.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    set_up_output()
    length = int.from_bytes(sys.stdin.buffer.read(4), "big")
    body = sys.stdin.buffer.read(length)
    if len(body) < max(length, 1):
        return ORPHANED  # Its worker died before it had said what to do.
    job = msgspec.msgpack.decode(body, type=LoneMessage)
    app = load_app(source)
    note_source_of_lines(app.name)
    note_run_of_lines(decode(job.body).run_id)
    options = replace(options_of(lake, queue, is_fixed=is_fixed), is_child=True)
    return run_unstoppable(_isolate(app, job, descriptor, options))


async def _isolate(app: App, job: LoneMessage, descriptor: int, options: Options) -> int:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(loop=loop), os.fdopen(descriptor, "wb")
    )
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    async with open_live(app, options) as source:
        working = asyncio.ensure_future(work_alone(source.worker_deps(), job, writer))
        _end_with_worker(lambda: loop.call_soon_threadsafe(working.cancel))
        await asyncio.wait([working])
        if working.cancelled():
            return ORPHANED
        working.result()
    writer.close()
    return 0


def _end_with_worker(let_go: Callable[[], object]) -> None:
    """Watch standard input, which the worker holds open, in a thread: the item may block the event loop."""

    def watch() -> None:
        # Not by sys.stdin, whose lock a daemon thread would hold when Python ends.
        while os.read(0, 4096):
            pass
        with contextlib.suppress(RuntimeError):  # The event loop is closed: it is as good as over.
            let_go()
        time.sleep(ORPHAN_SECONDS)
        os._exit(ORPHANED)

    threading.Thread(target=watch, name="haulier-orphan", daemon=True).start()
