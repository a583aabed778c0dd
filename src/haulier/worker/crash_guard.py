"""The crash guard (docs/protocol.md#the-crash-guard): an item that five workers died over runs alone in a subprocess,
and its worker witnesses how that ends.

Only a death by a signal or exit code that nobody sent counts against the item.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable

import msgspec

from haulier.errors import HaulierError, ItemError, UnavailableError
from haulier.lake.seam import Spool
from haulier.plurals import count_of
from haulier.queues.envelope import Envelope, encode
from haulier.runs.records import CrashRecord, encode_record
from haulier.runs.run import Run
from haulier.worker.deadline import Awake, DeadlineError, end
from haulier.worker.deps import WorkerDeps
from haulier.worker.dispatch import Produced
from haulier.worker.guard_pipe import (
    EndFrame,
    ErrorFrame,
    Frame,
    HeldFrame,
    LoneMessage,
    PageFrame,
    StartFrame,
    children_of,
    error_of,
    read_frame,
)
from haulier.worker.last_request import NoteRequest

PIPE_BYTES = 1 << 22
LAST_WORDS_SECONDS = 1.0

_ASKED_TO_END = frozenset({-signal.SIGTERM, -signal.SIGINT})


class CrashedError(ItemError):
    """The subprocess of the item died over it; ``crashes`` counts the witnessed deaths.

    To do: look at the processor, and at what the item holds; mostly it is out of memory.
    `haulier poison show SOURCE KEY` has the signal.
    """

    def __init__(self, key: str, exit_code: int, crashes: int) -> None:
        self.crashes = crashes
        super().__init__(
            f"Item {key} ended the process that ran it alone ({_how(exit_code)}); seen {count_of(crashes, 'time')}"
        )


class InterruptedAloneError(HaulierError):
    """Somebody ended the subprocess, which tells nothing of the item."""


async def produce_alone(
    deps: WorkerDeps,
    run: Run,
    envelope: Envelope,
    deliveries: int,
    spool: Spool,
    note_request: NoteRequest = lambda note: None,
) -> Produced:
    """Run one item in a subprocess. Raises what the processor raised, or `CrashedError`."""
    async with _subprocess(deps, LoneMessage(encode(envelope), deliveries)) as (process, reader):
        frame = await read_frame(reader)
        has_started = isinstance(frame, StartFrame)
        if has_started:
            frame = await _within_deadline(deps, reader, spool)
        if process.stdin is not None:
            process.stdin.close()
        exit_code = await process.wait()
    if isinstance(frame, ErrorFrame):
        if frame.request is not None:
            note_request(frame.request)
        raise error_of(frame)
    if isinstance(frame, EndFrame):
        return Produced(
            records=frame.records,
            encoded=frame.encoded,
            children=children_of(frame),
            added=frame.added,
            requests=frame.requests,
            drift=frame.drift,
            counts=frame.counts,
            unseen=frame.unseen,
            feed=frame.feed,
        )
    if exit_code in _ASKED_TO_END or (not has_started and exit_code < 0):
        raise InterruptedAloneError(f"The subprocess of item {envelope.key} was ended from outside ({_how(exit_code)})")
    if not has_started:
        raise UnavailableError(f"No subprocess can be started for item {envelope.key}: it ended ({_how(exit_code)})")
    raise CrashedError(envelope.key, exit_code, await _witness(deps, run, envelope.key, exit_code))


@contextlib.asynccontextmanager
async def _subprocess(deps: WorkerDeps, job: LoneMessage) -> AsyncIterator[tuple[Process, asyncio.StreamReader]]:
    reader = asyncio.StreamReader(limit=PIPE_BYTES)
    async with contextlib.AsyncExitStack() as stack:
        process = await _start(deps, reader, stack)
        # A grandchild may hold the pipe open for longer than the child lives.
        ending = asyncio.ensure_future(_end_with(process, reader))
        stack.push_async_callback(end, ending)
        # Standard input stays open: its end tells the child that its worker died, and the child ends too.
        assert process.stdin is not None
        body = msgspec.msgpack.encode(job)
        process.stdin.write(len(body).to_bytes(4, "big") + body)
        yield process, reader


async def _start(deps: WorkerDeps, reader: asyncio.StreamReader, stack: contextlib.AsyncExitStack) -> Process:
    read_end, write_end = os.pipe()
    pipe = stack.enter_context(os.fdopen(read_end, "rb"))
    try:
        process = await asyncio.create_subprocess_exec(
            *deps.isolate,
            str(write_end),
            stdin=asyncio.subprocess.PIPE,
            pass_fds=(write_end,),
            start_new_session=True,  # Ctrl-C is the worker's; the child ends with the worker.
        )
    except OSError as error:
        raise UnavailableError(f"No subprocess can be started here: {error}") from error
    finally:
        os.close(write_end)
    stack.push_async_callback(_kill, process)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
    stack.callback(transport.close)
    return process


async def _end_with(process: Process, reader: asyncio.StreamReader) -> None:
    await process.wait()
    await asyncio.sleep(LAST_WORDS_SECONDS)
    reader.feed_eof()


async def _kill(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _within_deadline(deps: WorkerDeps, reader: asyncio.StreamReader, spool: Spool) -> Frame | None:
    """Read the frame after the pages. The child keeps the item's deadline; this one is for a child that hangs."""
    settings = deps.settings
    held_at = -math.inf

    def note_held() -> None:
        nonlocal held_at
        held_at = deps.clock.monotonic()

    def is_held() -> bool:
        # The child says so at each look of its own.
        is_child_held = deps.clock.monotonic() - held_at <= 2 * awake.look_seconds
        return is_child_held or deps.client.scope.held is not None

    awake = Awake(deps.clock, settings, is_held)
    copying = asyncio.ensure_future(_copy(reader, spool, note_held))
    try:
        while not copying.done():
            await awake.wait(copying)
            if not copying.done() and awake.seconds >= settings.item_deadline_seconds + settings.lease_seconds:
                raise DeadlineError(f"The item did not end within {settings.item_deadline_seconds:g} s; it ran alone.")
        return copying.result()
    finally:
        await end(copying)


async def _copy(reader: asyncio.StreamReader, spool: Spool, note_held: Callable[[], None]) -> Frame | None:
    while isinstance(frame := await read_frame(reader), PageFrame | HeldFrame):
        if isinstance(frame, HeldFrame):
            note_held()
        else:
            await spool.write(frame.records)
    return frame


async def _witness(deps: WorkerDeps, run: Run, key: str, exit_code: int) -> int:
    number = 1
    while True:
        record = CrashRecord(number=number, key=key, exit_code=exit_code, worker=deps.name, crashed_at=deps.clock.now())
        if await deps.lake.create(run.paths.numbered("crashes", key, number), encode_record(record)):
            return number
        number += 1


def _how(exit_code: int) -> str:
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
