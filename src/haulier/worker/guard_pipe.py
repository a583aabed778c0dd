"""The pipe between a worker and the subprocess of a suspect item (crash guard).

The subprocess produces, the worker writes. A frame is its length in four bytes, then msgpack.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Literal

import msgspec

from haulier.api.errors import Action, ApiError, Fault, MovedError, Shape
from haulier.api.records.item_counts import ItemCounts
from haulier.errors import ItemError, RunSpentError, UnavailableError, UsageError
from haulier.items.codec import decode_payload
from haulier.items.feed_start import FeedEnd
from haulier.lake.seam import Bytes
from haulier.queues.envelope import decode
from haulier.runs.records import Drift, PlannedItem, RequestNote
from haulier.runs.run import load_run
from haulier.telemetry.names import ISOLATE, RUN_ID
from haulier.telemetry.seam import SpanKind
from haulier.worker.deadline import GateWaitError
from haulier.worker.deps import WorkerDeps
from haulier.worker.dispatch import produce
from haulier.worker.held_items import HeldItems
from haulier.worker.trace import trace_of


class LoneMessage(msgspec.Struct, frozen=True):
    """Stands on the subprocess's standard input."""

    body: bytes
    """The message. Its trace is the span of the worker that waits for the item."""
    deliveries: int


class StartFrame(msgspec.Struct, frozen=True, tag="start"):
    """The item begins: if the subprocess dies from now on, the item did that."""


class PageFrame(msgspec.Struct, frozen=True, tag="page"):
    records: list[bytes]


class HeldFrame(msgspec.Struct, frozen=True, tag="held"):
    """The item waits for a job, or because a person holds the source: its deadline stands still."""


class EndFrame(msgspec.Struct, frozen=True, tag="end"):
    """The processor ran to its end."""

    records: int
    encoded: bool
    children: list[tuple[str, str, str, bytes]]
    requests: int
    drift: Drift | None
    added: tuple[str, ...] = ()
    counts: ItemCounts = msgspec.field(default_factory=ItemCounts)
    unseen: str = ""
    feed: FeedEnd | None = None


class ErrorFrame(msgspec.Struct, frozen=True, tag="error"):
    """The processor failed: this is no crash."""

    error_class: str
    text: str
    trace: str
    fate: Literal["item", "usage", "spent", "unavailable", "gate"] = "item"
    """Only the item's own failure is charged (G4)."""
    action: str | None = None
    status: int | None = None
    excerpt: str = ""
    retry_after_seconds: float | None = None
    fault: Fault | None = None
    body: bytes = b""
    shape: Shape = Shape.NONE
    reason: str = ""
    likeness: tuple[str, ...] = ()
    request: RequestNote | None = None
    """The last one."""
    run_id: str = ""
    max_requests: int = 0
    """With ``run_id``, of a run that has spent them."""
    has_moved: bool = False
    """A `MovedError`, after which an item restarts more often."""


Frame = StartFrame | PageFrame | HeldFrame | EndFrame | ErrorFrame

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)


class FailedAloneError(ItemError):
    """The processor failed while the item ran alone in a process. A note holds the traceback.

    To do: correct the processor; `haulier poison show SOURCE KEY` has the traceback.
    """


async def read_frame(reader: asyncio.StreamReader) -> Frame | None:
    """None where the pipe ends, within a frame or not."""
    try:
        length = int.from_bytes(await reader.readexactly(4), "big")
        return _decoder.decode(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, msgspec.DecodeError):
        return None


def frame_bytes(frame: Frame) -> bytes:
    body = _encoder.encode(frame)
    return len(body).to_bytes(4, "big") + body


class PipeSpool:
    """A spool to the processor, which sends its records up the pipe."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def write(self, records: Iterable[Bytes]) -> None:
        self._writer.write(frame_bytes(PageFrame([bytes(record) for record in records])))
        await self._writer.drain()


async def work_alone(deps: WorkerDeps, job: LoneMessage, writer: asyncio.StreamWriter) -> None:
    envelope = decode(job.body)
    run = await load_run(deps.lake, deps.source, envelope.run_id)
    requests: list[RequestNote] = []
    try:
        if run is None:
            raise UnavailableError(f"Run {envelope.run_id} is not in the lake")
        deps.require_same_source(run)
        envelope = await HeldItems(deps.lake).in_full(run, envelope)
        deps.client.scope.note_run(run.run_id)
        writer.write(frame_bytes(StartFrame()))
        await writer.drain()
        item = decode_payload(deps.registry.get(envelope.kind), bytes(envelope.payload))
        sink, is_suspect = PipeSpool(writer), bool(envelope.suspect)
        with deps.telemetry.span(ISOLATE, SpanKind.INTERNAL, {RUN_ID: run.run_id}, parent=envelope.trace):
            produced = await produce(
                deps,
                run,
                item,
                job.deliveries,
                envelope.key,
                sink,
                is_suspect=is_suspect,
                note_request=requests.append,
                note_held=lambda: writer.write(frame_bytes(HeldFrame())),
            )
        children = [(child.key, child.stream, child.kind, bytes(child.payload)) for child in produced.children]
        frame: Frame = EndFrame(
            records=produced.records,
            encoded=produced.encoded,
            children=children,
            requests=produced.requests,
            drift=produced.drift,
            added=produced.added,
            counts=produced.counts,
            unseen=produced.unseen,
            feed=produced.feed,
        )
    except Exception as error:  # noqa: BLE001 - the item boundary of the subprocess; the worker decides
        frame = msgspec.structs.replace(error_frame(error), request=requests[-1] if requests else None)
    writer.write(frame_bytes(frame))
    await writer.drain()


def error_frame(error: Exception) -> ErrorFrame:
    trace, name, text = trace_of(error), type(error).__name__, str(error)
    if isinstance(error, ApiError):
        return ErrorFrame(
            error_class=name,
            text=text,
            trace=trace,
            action=error.action.name,
            status=error.status,
            excerpt=error.excerpt,
            retry_after_seconds=error.retry_after_seconds,
            fault=error.fault,
            body=error.body,
            shape=error.shape,
            reason=error.reason,
            likeness=error.likeness,
            has_moved=isinstance(error, MovedError),
        )
    match error:
        case RunSpentError():
            return ErrorFrame(name, text, trace, "spent", run_id=error.run_id, max_requests=error.requests)
        case UsageError():
            return ErrorFrame(name, text, trace, "usage")
        case UnavailableError():
            return ErrorFrame(name, text, trace, "unavailable")
        case GateWaitError():
            return ErrorFrame(name, text, trace, "gate")
        case _:
            return ErrorFrame(name, text, trace)


def error_of(frame: ErrorFrame) -> Exception:
    if frame.has_moved:
        return MovedError(frame.text)
    if frame.action is not None:
        return ApiError(
            frame.text,
            action=Action[frame.action],
            status=frame.status,
            excerpt=frame.excerpt,
            retry_after_seconds=frame.retry_after_seconds,
            fault=frame.fault,
            body=frame.body,
            shape=frame.shape,
            reason=frame.reason,
            likeness=frame.likeness,
        )
    match frame.fate:
        case "spent":
            return RunSpentError(frame.run_id, frame.max_requests)
        case "usage":
            return UsageError(frame.text)
        case "unavailable":
            return UnavailableError(frame.text)
        case "gate":
            return GateWaitError(frame.text)
        case "item":
            error = FailedAloneError(f"{frame.error_class}: {frame.text}")
            error.add_note(frame.trace)
            return error


def children_of(frame: EndFrame) -> tuple[PlannedItem, ...]:
    return tuple(
        PlannedItem(key=key, stream=stream, kind=kind, payload=msgspec.Raw(payload))
        for key, stream, kind, payload in frame.children
    )
