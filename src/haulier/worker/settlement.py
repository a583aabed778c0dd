"""Acting on an outcome: what is written down, in which order, before a lease is let go (P6, P7, P8, C6)."""

from __future__ import annotations

import hashlib
import logging
from typing import assert_never

import msgspec

from haulier.api.errors import Action, ApiError
from haulier.errors import LakeUnavailableError
from haulier.queues.envelope import Envelope, encode
from haulier.runs.records import ChildList, OutcomeRecord, PoisonRecord, decode_record, encode_record
from haulier.runs.run import Run
from haulier.runs.send import envelope_of
from haulier.runs.state import closing_in_force
from haulier.worker.bench import Bench
from haulier.worker.bodies import keep_body
from haulier.worker.divide import is_refused, suspect_by
from haulier.worker.keeper import Held
from haulier.worker.outcome import Done, Empty, Free, GiveUp, Lost, Outcome, Poison, Retry, Split
from haulier.worker.publish import require_lease
from haulier.worker.trace import trace_of

TRACEBACK_CHARACTERS = 8_192
"""The end of a traceback, which says where it happened."""
SEND_ITEMS = 1_000


class Settlement:
    """Settles one lease. Each method may raise `LeaseLostError`, after which nothing of the lease is touched."""

    def __init__(self, bench: Bench, held: Held) -> None:
        self._bench = bench
        self._parts = bench.parts
        self._held = held

    async def settle(self, run: Run, envelope: Envelope, outcome: Outcome, error: Exception | None) -> None:
        """Write the outcome down and let the lease go, in the order of the protocol."""
        bench = self._bench
        if error is not None and not isinstance(outcome, Lost | GiveUp):
            bench.note_failed(error, is_retried=isinstance(outcome, Retry | Free))
        match outcome:
            case Done(receipt):
                bench.note_good(envelope)
                bench.stats.done += 1
                bench.stats.records += receipt.records
                bench.stats.bytes += receipt.bytes
                bench.settler.add(self._held, run, receipt)
            case Empty():
                bench.note_good(envelope)
                bench.stats.empty += 1
                await self._write_empty(run, envelope.key, outcome)
                bench.settler.add(self._held, run, None)
            case Split():
                bench.stats.split += 1
                if error is None:
                    bench.note_good(envelope)
                else:
                    await self._note_divided(run, envelope, error)
                await self._divide(run, envelope, outcome)
                bench.settler.add(self._held, run, None)
                # At once: whoever takes the parent again sends all its children again. A child that kills its worker
                # in the meantime would do so with each copy of it.
                bench.settler.hurry()
            case GiveUp(delay_seconds):
                await self._give_up(run, envelope, delay_seconds)
            case Lost():
                bench.keeper.drop(self._held)
            case Retry(delay_seconds):
                bench.stats.retried += 1
                bench.say("an item failed and comes again", envelope, error)
                await self._keep_body(run, envelope, error)
                await self._let_go(msgspec.structs.replace(envelope, failures=envelope.failures + 1), delay_seconds)
            case Free(delay_seconds, stop):
                bench.stats.freed += 1
                bench.say("an item comes again, uncharged", envelope, error)
                if stop is not None:
                    bench.stop.set(stop, bench.redact(str(error)))
                elif _is_outage(error) and not self._parts.client.scope.is_proven:
                    bench.stop.note_outage(bench.redact(str(error)))
                await self.release(envelope, delay_seconds)
            case Poison(reason):
                bench.stats.poisoned += 1
                if envelope.suspect and is_refused(error):
                    bench.suspects.note_refused(is_part=True)
                await self._poison(run, envelope, reason, error)
                bench.settler.add(self._held, run, None)
            case _:
                assert_never(outcome)

    async def release(self, envelope: Envelope, delay_seconds: float) -> None:
        """Hand the item back uncounted and marked: whoever takes it looks in the lake first."""
        await self._let_go(
            msgspec.structs.replace(envelope, releases=envelope.releases + 1, resent=True), delay_seconds
        )

    async def complete(self) -> None:
        """Complete a message unworked: its run is closed."""
        await self._parts.queue.complete([self._held.lease])
        self._bench.keeper.drop(self._held)

    async def poison_broken(self, error: Exception) -> None:
        """A message that no one can read names no run: its bytes are kept under the source, then it goes."""
        body = self._held.lease.body
        path = f"_haulier/{self._parts.source}/undecodable/{hashlib.sha256(body).hexdigest()}"
        await self._parts.lake.create(path, body)
        logging.getLogger("haulier.worker").error(
            "a message cannot be read and was poisoned", extra={"path": path, "error": str(error)}
        )
        self._bench.stats.poisoned += 1
        await self._parts.queue.poison(body)
        await self.complete()

    async def _let_go(self, envelope: Envelope, delay_seconds: float) -> None:
        self._bench.keeper.drop(self._held)
        await self._parts.queue.release(self._held.lease, encode(envelope), delay_seconds=delay_seconds)

    async def _write_empty(self, run: Run, key: str, empty: Empty) -> None:
        """P6: create-only; an outcome that stands already is as good."""
        await require_lease(self._held, self._bench.keeper, self._parts.clock)
        record = encode_record(
            OutcomeRecord(
                key=key,
                requests=empty.requests,
                seconds=empty.seconds,
                hidden=empty.hidden,
                worker=self._parts.name,
                ended_at=self._parts.clock.now(),
            )
        )
        if empty.hidden:
            # Before the outcome, behind which nobody works the item again.
            await self._parts.lake.create(run.paths.numbered("hidden", key, empty.hidden), record)
        await self._parts.lake.create(run.paths.outcome(key), record)

    async def _note_divided(self, run: Run, envelope: Envelope, error: Exception) -> None:
        self._bench.say("an item failed and is divided", envelope, error)
        if is_refused(error):
            self._bench.suspects.note_refused(is_part=bool(envelope.suspect))
        if envelope.suspect:
            self._bench.suspects.note_divided()
        else:
            await self._keep_body(run, envelope, error)

    async def _keep_body(self, run: Run, envelope: Envelope, error: Exception | None) -> str:
        return await keep_body(self._parts.lake, run, envelope.key, envelope.redrives + 1, error)

    async def _divide(self, run: Run, envelope: Envelope, split: Split) -> None:
        """P6: the child list is durable before a child is sent. Only its creator, within its lease, sends unmarked."""
        await require_lease(self._held, self._bench.keeper, self._parts.clock)
        path = run.paths.children(envelope.key)
        record = ChildList(
            key=envelope.key,
            children=split.children,
            worker=self._parts.name,
            split_at=self._parts.clock.now(),
            cause=split.cause,
        )
        is_ours = await self._parts.lake.create(path, encode_record(record))
        if not is_ours:
            body = await self._parts.lake.read(path)
            if body is None:
                raise LakeUnavailableError(f"{path} exists in the lake and cannot be read")
            record = decode_record(ChildList, body, path)
        is_late = await require_lease(self._held, self._bench.keeper, self._parts.clock)
        depth, suspect = envelope.depth + 1, suspect_by(record.cause)
        bodies = [
            encode(envelope_of(child, run.run_id, resent=is_late or not is_ours, depth=depth, suspect=suspect))
            for child in record.children
        ]
        for start in range(0, len(bodies), SEND_ITEMS):
            await self._parts.queue.enqueue(bodies[start : start + SEND_ITEMS])

    async def _give_up(self, run: Run, envelope: Envelope, delay_seconds: float) -> None:
        """P7: the bytes are dropped, nothing is charged. Closed: the message goes; else it comes again, marked."""
        closing = await closing_in_force(self._parts.lake, run.paths)
        if closing is not None and closing.verdict is not None:
            await self.complete()
            return
        if closing is None:
            self._bench.stop.note_give_up(run.paths.staging)
        await self.release(envelope, delay_seconds)

    async def _poison(self, run: Run, envelope: Envelope, reason: str, error: Exception | None) -> None:
        """P8 and C6: the record, then its copy; the completion follows. The number is the message's, plus one."""
        await require_lease(self._held, self._bench.keeper, self._parts.clock)
        record = PoisonRecord(
            number=envelope.redrives + 1,
            key=envelope.key,
            kind=envelope.kind,
            run_id=run.run_id,
            payload=envelope.payload,
            reason=reason,
            error_class=type(error).__name__,
            error=self._bench.redact(str(error)),
            traceback=self._bench.redact(trace_of(error)[-TRACEBACK_CHARACTERS:]),
            status=error.status if isinstance(error, ApiError) else None,
            excerpt=error.excerpt if isinstance(error, ApiError) else "",
            body=await self._keep_body(run, envelope, error),
            failures=envelope.failures + (reason == "failed"),
            deliveries=self._held.lease.deliveries,
            worker=self._parts.name,
            poisoned_at=self._parts.clock.now(),
        )
        await self._parts.lake.create(run.paths.numbered("poison", envelope.key, record.number), encode_record(record))
        self._bench.say("an item was poisoned", envelope, error, logging.ERROR)
        await self._parts.queue.poison(_poison_copy(envelope, record))


def _is_outage(error: Exception | None) -> bool:
    """Other failures that are free at first are refusals, and tell of the source: see `FirstItems`."""
    return isinstance(error, ApiError) and error.action is Action.OUTAGE


def _poison_copy(envelope: Envelope, record: PoisonRecord) -> bytes:
    """What the poison queue gets: the message, and the failure's class and status. Never its text (G7)."""
    copy = {
        "v": envelope.v,
        "kind": record.kind,
        "key": record.key,
        "run_id": record.run_id,
        "number": record.number,
        "reason": record.reason,
        "error_class": record.error_class,
        "status": record.status,
        "payload": record.payload,
    }
    return msgspec.json.encode(copy)
