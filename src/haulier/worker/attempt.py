"""One delivery of one item, from its message to its outcome: P3 to P8 of docs/protocol.md."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

import msgspec

from haulier.api.errors import Action, ApiError
from haulier.errors import (
    BrokenEnvelopeError,
    HaulierError,
    ItemError,
    LeaseLostError,
    NewerFormatError,
    RunSpentError,
    UsageError,
)
from haulier.items.codec import decode_payload
from haulier.items.workitem import WorkItem
from haulier.lake.seam import Bytes
from haulier.queues.envelope import Envelope, decode
from haulier.runs.records import Receipt, RequestNote
from haulier.runs.run import Run
from haulier.runs.state import RunState
from haulier.telemetry.names import IS_ADOPTED, PUBLISH, RUN_ID
from haulier.telemetry.seam import NO_ATTRIBUTES, Attributes, SpanKind, TraceSpan, no_span
from haulier.worker.blame import UNKNOWN_SECONDS, decide
from haulier.worker.crash_guard import produce_alone
from haulier.worker.dispatch import Produced, Sink, produce, spool_of
from haulier.worker.division import Cause
from haulier.worker.feed_note import note_feed_end
from haulier.worker.first_items import Suspicion
from haulier.worker.inquiry import Inquiry
from haulier.worker.item_count import CANCELLED, count_item
from haulier.worker.item_span import note_cancelled, note_outcome, note_parameters, of_item
from haulier.worker.keeper import HeldLease
from haulier.worker.lookup import adopted_receipt, look_up
from haulier.worker.outcome import GIVE_UP_SECONDS, Done, Empty, Lost, Outcome, Release, Settled, Split
from haulier.worker.outcome_settler import OutcomeSettler
from haulier.worker.publication import publish
from haulier.worker.settings import MAX_DEPTH, SILENT_DELIVERIES
from haulier.worker.worker_state import WorkerState

logger = logging.getLogger("haulier.worker")


class Attempt:
    """Works one lease until it is settled. Raises nothing but cancellation, which hands the item back uncharged."""

    def __init__(self, state: WorkerState, held: HeldLease) -> None:
        self._state = state
        self._deps = state.deps
        self._held = held
        self._settler = OutcomeSettler(state, held)
        self._began_at = self._deps.clock.monotonic()
        self._has_crashed = False
        self._last_request: RequestNote | None = None

    async def run(self) -> None:
        try:
            await self._read()
        except LeaseLostError:
            logger.info("a lease was lost; its item is another worker's")
        except HaulierError as error:
            # Settling itself failed, since queue or lake is away.
            self._state.stop.set(2 if isinstance(error, UsageError) else 4, self._state.redact(str(error)))
        finally:
            if not self._state.batch_settler.has(self._held):
                self._state.keeper.drop(self._held)

    async def _read(self) -> None:
        """One that cannot be read is poison; one that is too new is left to a newer worker."""
        body = self._held.lease.body
        try:
            envelope = decode(body)
        except NewerFormatError as error:
            logger.warning(
                "a newer haulier sent this message; it is left to a newer worker", extra={"error": str(error)}
            )
            await self._settler.hand_back_as_it_is(UNKNOWN_SECONDS)
        except BrokenEnvelopeError as error:
            await self._settler.poison_broken(error)
        else:
            try:
                await self._take(envelope)
            except LeaseLostError:
                raise
            except (asyncio.CancelledError, HaulierError) as error:
                # It is handed back, so that the delivery does not count as a death of the worker (the crash guard).
                # Where the queue is away too, the lease runs out.
                if not self._state.batch_settler.has(self._held):
                    with contextlib.suppress(HaulierError):
                        await self._settler.release(
                            envelope, GIVE_UP_SECONDS if isinstance(error, HaulierError) else 0.0
                        )
                raise

    async def _take(self, envelope: Envelope) -> None:
        """P3: the state of its run decides whether a message is worked."""
        if not envelope.is_of(self._deps.source):
            self._state.note_stray(
                "messages of another source are on this queue, and are put back; give each source a queue of its own",
                envelope.source,
            )
            await self._settler.release(envelope, UNKNOWN_SECONDS)
            return
        run = await self._state.run_cache.get(envelope.run_id)
        if run is None:
            self._state.note_stray(
                "messages of a run that this lake does not have are put back; is the lake the right one?",
                envelope.run_id,
            )
        state = RunState.PLANNING if run is None else await self._state.run_cache.state(run)
        if run is None or state is RunState.PLANNING:
            await self._settler.release(envelope, UNKNOWN_SECONDS)
        elif state.is_closed:
            await self._settler.complete()
        elif state is RunState.CLOSING:
            await self._settler.release(envelope, GIVE_UP_SECONDS)
        else:
            self._deps.require_same_source(run)
            told = NO_ATTRIBUTES
            if self._deps.telemetry.is_on:
                told = of_item(envelope, self._deps.registry, self._held.lease.deliveries)
            with self._deps.client.scope.working_for(run.run_id), self._span_of(run, envelope, told) as span:
                try:
                    envelope, outcome, error = await self._outcome_of(run, envelope, span)
                    self._settler.trace = span.context
                    settled = await self._settler.settle(run, envelope, outcome, error, self._last_request)
                    self._tell(span, told, settled, error)
                except asyncio.CancelledError:
                    note_cancelled(span)
                    count_item(self._deps.messages, told, CANCELLED, self._seconds)
                    raise
                except LeaseLostError as lost:
                    self._tell(span, told, Settled(Lost()), lost)
                    raise
                except HaulierError as away:  # Its message is released, or its lease runs out.
                    self._tell(span, told, Settled(Release(GIVE_UP_SECONDS)), away)
                    raise

    def _tell(self, span: TraceSpan, told: Attributes, settled: Settled, error: Exception | None) -> None:
        """What became of it: settling it may have failed, or come too late."""
        if not self._deps.telemetry.is_on:
            return
        if settled.is_adopted:
            span.set({IS_ADOPTED: True})
        word = note_outcome(span, settled.outcome, error, self._state.redact)
        count_item(self._deps.messages, told, word, self._seconds, settled, error)

    @property
    def _seconds(self) -> float:
        return self._deps.clock.monotonic() - self._began_at

    def _span_of(
        self, run: Run, envelope: Envelope, attributes: Attributes
    ) -> contextlib.AbstractContextManager[TraceSpan]:
        if not self._deps.telemetry.is_on:
            return no_span()
        return self._deps.messages.process(run.run_id, envelope.trace, attributes)

    async def _outcome_of(
        self, run: Run, envelope: Envelope, span: TraceSpan
    ) -> tuple[Envelope, Outcome, Exception | None]:
        """The item boundary: each exception becomes an outcome here. Returns the message in full if it was worked."""
        try:
            found = await self._look_first(run, envelope)
            if found is not None:
                return envelope, found, None
            envelope = await self._state.held_items.in_full(run, envelope)
            if self._deps.telemetry.is_on:
                note_parameters(span, envelope, self._deps.client.redactor)
            return envelope, await self._work(run, envelope, span), None
        except Exception as error:  # noqa: BLE001 - see above; the error is recorded with the outcome
            return envelope, *await self._blame(run, envelope, error)
        finally:
            self._state.first_items.note_left(envelope)

    async def _look_first(self, run: Run, envelope: Envelope) -> Done | Empty | Split | None:
        """P4. It takes no parameters: the file that holds those of a large item may be gone though the item ended."""
        stream = self._deps.registry.get(envelope.kind).stream
        self._state.unknown_since.pop(envelope.kind, None)
        if self._held.lease.deliveries <= 1 and not envelope.resent:
            return None
        refusal = self._deps.client.scope.refusal
        if envelope.releases and run.run_id in self._state.spent and isinstance(refusal, RunSpentError):
            raise refusal  # It comes back until its worker stops: one look in the lake for each time is dear.
        found = await look_up(self._deps.lake, run, stream, envelope.key)
        if found is not None:
            self._state.stats.adopted += 1
            return found
        # A copy that was sent again begins its count of deliveries anew; one crash record of the key suffices.
        self._has_crashed = await self._deps.lake.exists(run.paths.numbered("crashes", envelope.key, 1))
        return None

    async def _work(self, run: Run, envelope: Envelope, span: TraceSpan) -> Done | Empty | Split:
        item = decode_payload(self._deps.registry.get(envelope.kind), bytes(envelope.payload))
        self._state.first_items.note_begun(envelope)
        restarts = 0
        while True:
            try:
                return await self._produce(run, envelope, item, span)
            except ApiError as error:
                # The pages that were read are of no use (a token expired, a total moved): begin at the first page.
                if error.action is not Action.RESTART or restarts >= error.restarts:
                    raise
                restarts += 1

    async def _produce(self, run: Run, envelope: Envelope, item: WorkItem, span: TraceSpan) -> Done | Empty | Split:
        """P5 to P7: the records go to a spool, and the spool becomes the object."""
        deps, key, lease = self._deps, envelope.key, self._held.lease
        started_at = deps.clock.monotonic()
        spool = await spool_of(deps, run, key)
        try:
            if self._runs_alone(envelope):
                message = msgspec.structs.replace(envelope, trace=span.context)
                produced = await produce_alone(deps, run, message, lease.deliveries, spool, self._note_request)
            else:
                is_suspect = bool(envelope.suspect)
                sink = _NotingSink(spool, lambda: self._state.first_items.note_page(envelope.kind))
                produced = await produce(
                    deps,
                    run,
                    item,
                    lease.deliveries,
                    key,
                    sink,
                    is_suspect=is_suspect,
                    note_request=self._note_request,
                )
            if produced.records or produced.children:
                self._state.first_items.note_good(envelope.kind)
            else:
                self._state.first_items.note_empty(envelope.kind)
            seconds = round(deps.clock.monotonic() - started_at, 6)
            if produced.children:
                if envelope.depth >= MAX_DEPTH:
                    raise ItemError(
                        f"Items were divided {MAX_DEPTH} times, one out of another. Does the division never end?"
                    )
                return Split(produced.children, counts=produced.counts)
            if not produced.records:
                await note_feed_end(deps, run, envelope, produced)
                return Empty(produced.requests, seconds, produced.counts)
            path = run.paths.object(type(item).stream, key)
            with deps.telemetry.span(PUBLISH, SpanKind.INTERNAL, {RUN_ID: run.run_id}):
                facts, is_adopted = await publish(
                    deps.lake,
                    run,
                    path,
                    spool,
                    self._held,
                    self._state.keeper,
                    self._state.run_cache,
                    deps.clock,
                    note=lambda facts: note_feed_end(deps, run, envelope, produced, facts.sha256),
                )
        finally:
            await spool.discard()
        if is_adopted:
            return Done(adopted_receipt(key, facts.records, facts.bytes, facts.sha256))
        return Done(_receipt(key, facts.records, facts.bytes, facts.sha256, produced, seconds))

    def _note_request(self, note: RequestNote) -> None:
        self._last_request = note

    def _runs_alone(self, envelope: Envelope) -> bool:
        """See docs/protocol.md#the-crash-guard."""
        # A worker that hands an item back counts that in the message. A queue that cannot replace a message gets a new
        # one instead, and then each earlier delivery of this one ended in silence.
        voluntary_releases = envelope.failures + envelope.releases if self._deps.queue.capabilities.replaces_body else 0
        silent_deliveries = self._held.lease.deliveries - 1 - voluntary_releases
        return silent_deliveries >= SILENT_DELIVERIES or self._has_crashed or envelope.suspect == Cause.CRASH

    async def _blame(self, run: Run, envelope: Envelope, error: Exception) -> tuple[Outcome, Exception]:
        """Returns the outcome, and the error to record for it."""
        try:
            evidence = await Inquiry(self._state, run, envelope, error, self._began_at).gather()
        except RunSpentError as spent:  # What had to be asked takes a request of the run, too.
            error = spent
            evidence = await Inquiry(self._state, run, envelope, error, self._began_at).gather()
        outcome = decide(evidence)
        if isinstance(outcome, Split):
            self._state.first_items.note_divided(envelope)
        if not isinstance(outcome, Release):
            return outcome, error
        if outcome.hold_seconds > 0.0:
            await self._state.stop.or_after(self._deps.clock, outcome.hold_seconds)
        if outcome.stop is not None and evidence.suspicion in {Suspicion.FEW_ITEMS, Suspicion.OF_SIZE}:
            self._state.first_items.note_source_proven_wrong(envelope.kind)
        return outcome, outcome.error or error


class _NotingSink:
    def __init__(self, sink: Sink, note: Callable[[], None]) -> None:
        self._sink = sink
        self._note = note

    async def write(self, records: Sequence[Bytes]) -> None:
        if records:
            self._note()
        await self._sink.write(records)


def _receipt(key: str, records: int, size: int, sha256: str, produced: Produced, seconds: float) -> Receipt:
    return Receipt(
        key=key,
        records=records,
        bytes=size,
        sha256=sha256,
        requests=produced.requests,
        seconds=seconds,
        encoded=produced.encoded,
        added=produced.added,
        drift=produced.drift,
        unseen=produced.unseen,
        hidden=produced.counts.hidden,
        repeated=produced.counts.repeated,
        absent=produced.counts.absent,
        skipped=produced.counts.skipped,
    )
