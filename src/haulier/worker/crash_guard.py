"""The crash guard: an item that five workers died over runs alone in a subprocess, with its worker as the witness.

Only a death that this worker saw, by a signal or exit code that it did not send, counts against the item (protocol,
section 4). Deaths without a witness, pauses and SIGTERM never do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import msgspec

from haulier.errors import ItemError, UnavailableError
from haulier.lake.seam import Spool
from haulier.queues.envelope import Envelope, encode
from haulier.runs.records import CrashRecord, encode_record
from haulier.runs.run import Run
from haulier.worker.alone import EndFrame, ErrorFrame, Frame, Job, PageFrame, children_of, error_of, read_frame
from haulier.worker.dispatch import Produced
from haulier.worker.parts import Parts

PIPE_BYTES = 1 << 22


class CrashedError(ItemError):
    """The subprocess that ran an item alone died over it. ``crashes``: how often that was witnessed."""

    def __init__(self, key: str, exit_code: int, crashes: int) -> None:
        self.crashes = crashes
        how = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
        super().__init__(f"Item {key} ended the process that ran it alone ({how}), for the {crashes}. time")


async def produce_alone(parts: Parts, run: Run, envelope: Envelope, deliveries: int, spool: Spool) -> Produced:
    """Run one item in a subprocess and write what it produces. Raises what the processor raised, or `CrashedError`."""
    read_end, write_end = os.pipe()
    process = None
    try:
        try:
            process = await asyncio.create_subprocess_exec(
                *parts.isolate,
                str(write_end),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(write_end,),
                start_new_session=True,  # Ctrl-C is the worker's; the child ends with the worker.
            )
        finally:
            os.close(write_end)
        if process.stdin is None:
            raise UnavailableError("The subprocess of an item has no standard input")
        # Standard input stays open: its end tells the child that its worker died, and the child ends too.
        process.stdin.write(
            len(job := msgspec.msgpack.encode(Job(encode(envelope), deliveries))).to_bytes(4, "big") + job
        )
        reader = asyncio.StreamReader(limit=PIPE_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(read_end, "rb"))
        try:
            start = await read_frame(reader)
            end = start if isinstance(start, ErrorFrame) else await _copy(reader, spool)
        finally:
            transport.close()
        process.stdin.close()
        exit_code = await process.wait()
    finally:
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if isinstance(end, ErrorFrame):
        raise error_of(end)
    if start is None or exit_code in (-signal.SIGTERM, -signal.SIGINT):
        raise UnavailableError(f"The subprocess for item {envelope.key} ended before the item was worked: {exit_code}")
    if not isinstance(end, EndFrame):
        raise CrashedError(envelope.key, exit_code, await _witness(parts, run, envelope.key, exit_code))
    return Produced(end.records, end.encoded, children_of(end), end.requests, end.drift)


async def _copy(reader: asyncio.StreamReader, spool: Spool) -> Frame | None:
    while isinstance(frame := await read_frame(reader), PageFrame):
        await spool.write(frame.records)
    return frame


async def _witness(parts: Parts, run: Run, key: str, exit_code: int) -> int:
    """Write the next crash record of a key. Returns its number."""
    number = 1
    while True:
        record = CrashRecord(
            number=number, key=key, exit_code=exit_code, worker=parts.name, crashed_at=parts.clock.now()
        )
        if await parts.lake.create(run.paths.numbered("crashes", key, number), encode_record(record)):
            return number
        number += 1
