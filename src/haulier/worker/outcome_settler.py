"""Writes an outcome down before its lease is let go (P6, P7, P8, C6)."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Awaitable, Callable
from typing import assert_never

import msgspec

from haulier.api.errors import Action, ApiError
from haulier.api.records.item_counts import ItemCounts
from haulier.errors import LakeUnavailableError, QueueUnavailableError, RunSpentError, SweptError, UsageError
from haulier.queues.envelope import Envelope, encode
from haulier.runs.lane import is_first_lane
from haulier.runs.plan import children_in
from haulier.runs.records import (
    COUNT_FOLDERS,
    ChildList,
    OutcomeRecord,
    PoisonRecord,
    RequestNote,
    decode_record,
    encode_record,
)
from haulier.runs.run import Run
from haulier.runs.send import envelope_of
from haulier.runs.state import closing_in_force
from haulier.worker.blame import RETRY_CAP_SECONDS
from haulier.worker.bodies import keep_body
from haulier.worker.division import is_final_refusal, suspect_by
from haulier.worker.keeper import HeldLease
from haulier.worker.outcome import (
    GIVE_UP_SECONDS,
    Done,
    Empty,
    GiveUp,
    Lost,
    Outcome,
    Poison,
    Release,
    Retry,
    Settled,
    Split,
)
from haulier.worker.publication import require_lease
from haulier.worker.settings import QUEUE_PATIENCE_LEASES
from haulier.worker.trace import trace_of
from haulier.worker.worker_state import WorkerState

TRACEBACK_CHARACTERS = 8_192
SEND_ITEMS = 1_000
AWAY_SECONDS = 1.0
"""Time between two calls to a queue that does not answer."""

logger = logging.getLogger("haulier.worker")


class OutcomeSettler:
    """Each method may raise `LeaseLostError`; nothing of the lease is touched then."""

    def __init__(self, state: WorkerState, held: HeldLease) -> None:
        self._state = state
        self._deps = state.deps
        self._held = held
        self._is_sent_again = False
        self._run_id = ""
        self.trace = ""
        """Context of the span that processed the item; empty where none is recorded."""

    async def settle(
        self,
        run: Run,
        envelope: Envelope,
        outcome: Outcome,
        error: Exception | None,
        request: RequestNote | None = None,
    ) -> Settled:
        """``request`` is the last one of an attempt that failed. Returns what was done, which may be to give up."""
        self._run_id = run.run_id
        try:
            is_ours = await self._settle(run, envelope, outcome, error, request)
        except SweptError:
            await self._give_up(run, envelope, GIVE_UP_SECONDS)
            return Settled(GiveUp(GIVE_UP_SECONDS))
        return Settled(outcome, is_adopted=not is_ours)

    async def _settle(
        self, run: Run, envelope: Envelope, outcome: Outcome, error: Exception | None, request: RequestNote | None
    ) -> bool:
        """False where another attempt had written the same before."""
        state, is_ours = self._state, True
        if error is not None and not isinstance(outcome, Lost | GiveUp):
            is_freed = isinstance(outcome, Release) and outcome.stop is None and not isinstance(error, RunSpentError)
            state.note_failed(error, is_retried=is_freed or isinstance(outcome, Retry))
        match outcome:
            case Done(receipt):
                is_ours = not receipt.adopted
                state.note_good(envelope)
                state.stats.done += 1
                state.stats.records += receipt.records
                state.stats.bytes += receipt.bytes
                state.batch_settler.add(self._held, run, receipt, self.trace)
            case Empty():
                state.note_good(envelope)
                is_ours = await self._write_empty(run, envelope.key, outcome)
                state.stats.empty += 1
                state.batch_settler.add(self._held, run, None, self.trace)
            case Split():
                if error is None:
                    state.note_good(envelope)
                else:
                    await self._note_divided(run, envelope, error)
                is_ours = await self._divide(run, envelope, outcome)
                state.stats.split += 1
                state.batch_settler.add(self._held, run, None, self.trace)
                # At once: whoever takes the parent again sends all its children again. A child that kills its worker
                # in the meantime would do so with each copy of it.
                state.batch_settler.hurry()
            case GiveUp(delay_seconds):
                await self._give_up(run, envelope, delay_seconds)
            case Lost():
                state.keeper.drop(self._held)
            case Retry(delay_seconds):
                state.stats.retried += 1
                state.say("an item failed and is retried", envelope, error)
                await self._keep_body(run, envelope, error)
                envelope = self._noted(envelope, error, "charged")
                await self._let_go(msgspec.structs.replace(envelope, failures=envelope.failures + 1), delay_seconds)
            case Release(delay_seconds, stop):
                state.stats.freed += 1
                if isinstance(error, RunSpentError):
                    state.note_spent(error)
                else:
                    state.say("an item is retried, uncharged", envelope, error)
                if stop is not None:
                    state.stop.set(stop, state.redact(str(error)))
                elif _is_outage(error) and not self._deps.client.scope.has_ever_succeeded:
                    state.stop.note_outage(state.redact(str(error)))
                await self.release(self._noted(envelope, error, "released"), delay_seconds)
            case Poison(reason):
                if envelope.suspect and is_final_refusal(error):
                    state.suspects.note_refused(is_part=True)
                is_ours = await self._poison(run, self._noted(envelope, error, "poisoned"), reason, error, request)
                state.stats.poisoned += 1
                state.batch_settler.add(self._held, run, None, self.trace)
            case _:
                assert_never(outcome)
        return is_ours

    async def release(self, envelope: Envelope, delay_seconds: float) -> None:
        """Hand the item back, uncharged and marked: whoever takes it looks in the lake first."""
        await self._let_go(
            msgspec.structs.replace(envelope, releases=envelope.releases + 1, resent=True), delay_seconds
        )

    async def complete(self) -> None:
        with self._deps.messages.settle(self._run_id, self.trace, 1):
            lease = await self._state.keeper.let_go(self._held)
            await self._while_away(lambda: self._deps.queue.complete([lease]))

    async def poison_broken(self, error: Exception) -> None:
        """Keep the bytes under the source, since no run is named."""
        body = self._held.lease.body
        path = f"_haulier/{self._deps.source}/undecodable/{hashlib.sha256(body).hexdigest()}"
        await self._deps.lake.create(path, body)
        logger.error("a message cannot be read and was poisoned", extra={"path": path, "error": str(error)})
        self._state.stats.poisoned += 1
        try:
            await self._deps.queue.poison(body)
        except UsageError as refusal:  # Of the copy alone. The message would come back and stop each worker.
            logger.error("a poison copy was refused", extra={"path": path, "error": self._state.redact(str(refusal))})
        await self.complete()

    async def hand_back_as_it_is(self, delay_seconds: float) -> None:
        await self._release(self._held.lease.body, delay_seconds)

    async def _release(self, body: bytes, delay_seconds: float) -> None:
        with self._deps.messages.settle(self._run_id, self.trace, 1):
            lease = await self._state.keeper.let_go(self._held)
            await self._while_away(lambda: self._deps.queue.release(lease, body, delay_seconds=delay_seconds))

    async def _let_go(self, envelope: Envelope, delay_seconds: float) -> None:
        queue = self._deps.queue
        if delay_seconds > RETRY_CAP_SECONDS:
            self._deps.client.scope.note_hidden(envelope.run_id, delay_seconds)
        if queue.capabilities.replaces_body:
            await self._release(encode(envelope), delay_seconds)
            return
        # The new message comes first: who dies in between leaves two, and whoever takes one looks in the lake. The
        # other order would leave none.
        await require_lease(self._held, self._state.keeper, self._deps.clock)
        if not self._is_sent_again:  # Where `complete` failed the first time, this is called again.
            body = encode(msgspec.structs.replace(envelope, resent=True))
            await queue.enqueue([body], delay_seconds=delay_seconds, is_first=self._held.lease.is_first)
            self._is_sent_again = True
        await self.complete()

    async def _while_away(self, call: Callable[[], Awaitable[object]]) -> None:
        """Call again while the queue does not answer: to give up would stop the worker, and cost the item a lease."""
        clock, began_at, is_waiting = self._deps.clock, self._deps.clock.monotonic(), False
        while True:
            try:
                await call()
                return
            except QueueUnavailableError as error:
                patience_seconds = QUEUE_PATIENCE_LEASES * self._deps.settings.lease_seconds
                if self._state.stop.event.is_set() or clock.monotonic() - began_at >= patience_seconds:
                    raise
                if not is_waiting:
                    logger.warning("an item waits for the queue", extra={"error": str(error)})
                is_waiting = True
                await self._state.stop.or_after(clock, AWAY_SECONDS)

    async def _write_empty(self, run: Run, key: str, empty: Empty) -> bool:
        """P6: an outcome that stands already is as good. False then."""
        await self._require_fence(run)
        record = self._record(key, "empty", empty.counts, empty.requests, empty.seconds)
        await self._write_counts(run, record)
        return await self._deps.lake.create(run.paths.outcome(key), encode_record(record))

    def _record(
        self, key: str, outcome: str, counts: ItemCounts, requests: int = 0, seconds: float = 0.0
    ) -> OutcomeRecord:
        return OutcomeRecord(
            key=key,
            outcome=outcome,
            requests=requests,
            seconds=seconds,
            hidden=counts.hidden,
            present=counts.present,
            absent=counts.absent,
            skipped=counts.skipped,
            worker=self._deps.name,
            ended_at=self._deps.clock.now(),
        )

    async def _write_counts(self, run: Run, record: OutcomeRecord) -> None:
        """Before outcome or child list, behind which nobody works the item again."""
        for folder in COUNT_FOLDERS:
            if count := getattr(record, folder):
                await self._deps.lake.create(run.paths.numbered(folder, record.key, count), encode_record(record))

    async def _require_fence(self, run: Run) -> None:
        """P6. An unknown lease has no end that could fence: its attempt may wake in a run that was closed long ago."""
        await require_lease(self._held, self._state.keeper, self._deps.clock)
        if self._held.is_unknown and await self._state.run_cache.is_closing(run):
            raise SweptError(f"Run {run.run_id} is being closed")

    async def _note_divided(self, run: Run, envelope: Envelope, error: Exception) -> None:
        self._state.say("an item failed and is divided", envelope, error)
        if is_final_refusal(error):
            self._state.suspects.note_refused(is_part=bool(envelope.suspect))
        if envelope.suspect:
            self._state.suspects.note_divided()
        else:
            await self._keep_body(run, envelope, error)

    async def _keep_body(self, run: Run, envelope: Envelope, error: Exception | None) -> str:
        return await keep_body(self._deps.lake, run, envelope.key, envelope.redrives + 1, error)

    async def _divide(self, run: Run, envelope: Envelope, split: Split) -> bool:
        """P6: the child list is durable before a child is sent. Only its creator, within its lease, sends unmarked.
        False for anybody else."""
        await self._require_fence(run)
        path = run.paths.children(envelope.key)
        record = ChildList(
            key=envelope.key,
            children=split.children,
            worker=self._deps.name,
            split_at=self._deps.clock.now(),
            cause=split.cause,
        )
        # The totals of its parts count its hidden rows again.
        counts = dataclasses.replace(split.counts, hidden=0)
        await self._write_counts(run, self._record(envelope.key, "split", counts))
        is_ours = await self._deps.lake.create(path, encode_record(record))
        if not is_ours:
            body = await self._deps.lake.read(path)
            if body is None:
                raise LakeUnavailableError(f"{path} exists in the lake, but cannot be read")
            record = decode_record(ChildList, body, path)
        is_late = await require_lease(self._held, self._state.keeper, self._deps.clock) or self._held.is_unknown
        depth, suspect = envelope.depth + 1, suspect_by(record.cause)
        children, is_resent = children_in(run.paths, record), is_late or not is_ours
        for start in range(0, len(children), SEND_ITEMS):
            some = children[start : start + SEND_ITEMS]
            with self._deps.messages.send(run.run_id, len(some)) as span:
                bodies = [
                    encode(
                        envelope_of(
                            child, run.paths, resent=is_resent, depth=depth, suspect=suspect, trace=span.context
                        )
                    )
                    for child in some
                ]
                await self._deps.queue.enqueue(bodies, is_first=split.is_first or is_first_lane(run.file.mode))
        return is_ours

    async def _give_up(self, run: Run, envelope: Envelope, delay_seconds: float) -> None:
        """P7: complete the message if the run is closed, else hand the item back."""
        closing = await closing_in_force(self._deps.lake, run.paths)
        if closing is not None and closing.verdict is not None:
            await self.complete()
            return
        if closing is None:
            self._state.stop.note_give_up(run.paths.staging)
        await self.release(envelope, delay_seconds)

    def _noted(self, envelope: Envelope, error: Exception | None, settled: str) -> Envelope:
        if error is None:
            return envelope
        status = error.status if isinstance(error, ApiError) else None
        now = self._deps.clock.now()
        return envelope.with_attempt(at=now, worker=self._deps.name, error=error, status=status, settled=settled)

    async def _poison(
        self, run: Run, envelope: Envelope, reason: str, error: Exception | None, request: RequestNote | None
    ) -> bool:
        """P8 and C6: the record, then its copy, then the completion. False where the record stood already."""
        await require_lease(self._held, self._state.keeper, self._deps.clock, may_be_unknown=False)
        record = PoisonRecord(
            number=envelope.redrives + 1,
            key=envelope.key,
            kind=envelope.kind,
            run_id=run.run_id,
            payload=envelope.payload if envelope.is_in_full else msgspec.Raw(b"null"),
            reason=reason,
            error_class=type(error).__name__,
            error=self._state.redact(str(error)),
            traceback=self._state.redact(trace_of(error)[-TRACEBACK_CHARACTERS:]),
            status=error.status if isinstance(error, ApiError) else None,
            excerpt=error.excerpt if isinstance(error, ApiError) else "",
            body=await self._keep_body(run, envelope, error),
            failures=envelope.failures + (reason == "failed"),
            deliveries=self._held.lease.deliveries,
            worker=self._deps.name,
            poisoned_at=self._deps.clock.now(),
            attempts=envelope.attempts,
            request=request,
        )
        path = run.paths.numbered("poison", envelope.key, record.number)
        is_ours = await self._deps.lake.create(path, encode_record(record))
        self._state.say("an item was poisoned", envelope, error, logging.ERROR)
        await self._deps.queue.poison(_poison_copy(envelope, record))
        return is_ours


def _is_outage(error: Exception | None) -> bool:
    return isinstance(error, ApiError) and error.action is Action.OUTAGE


def _poison_copy(envelope: Envelope, record: PoisonRecord) -> bytes:
    """Never with the failure's text (G7). Moved back by hand it is a message of its item, marked."""
    copy = {
        "v": envelope.v,
        "kind": record.kind,
        "key": record.key,
        "run_id": record.run_id,
        "source": envelope.source,
        "redrives": envelope.redrives,
        "resent": True,
        "number": record.number,
        "reason": record.reason,
        "error_class": record.error_class,
        "status": record.status,
    }
    copy |= {"held_in": envelope.held_in} if envelope.held_in else {"payload": record.payload}
    return msgspec.json.encode(copy)
