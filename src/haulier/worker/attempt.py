"""One delivery of one item, from its message to its outcome: steps 4 to 7 of an item's life, in their order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeGuard

from haulier.api.errors import Action, ApiError
from haulier.api.scope.witness import REFUSAL_VALID_SECONDS
from haulier.errors import (
    BrokenEnvelopeError,
    HaulierError,
    ItemError,
    LeaseLostError,
    NewerFormatError,
    UnknownKindError,
    UsageError,
)
from haulier.items.codec import decode_payload
from haulier.items.workitem import WorkItem
from haulier.lake.seam import Bytes
from haulier.queues.envelope import Envelope, decode
from haulier.runs.records import PlannedItem, Receipt
from haulier.runs.run import Run
from haulier.runs.state import RunState
from haulier.worker.crash_guard import produce_alone
from haulier.worker.deadline import GateWaitError
from haulier.worker.dispatch import Produced, Sink, produce, spool_of
from haulier.worker.division import Cause, parts_of, reason_to_divide
from haulier.worker.first_items import Suspicion, again_seconds, broken, is_probed, refused
from haulier.worker.keeper import Held
from haulier.worker.lookup import adopted_receipt, has_worked, look_up
from haulier.worker.outcome import (
    GIVE_UP_SECONDS,
    RETRY_BASE_SECONDS,
    Circumstances,
    Done,
    Empty,
    Outcome,
    Poison,
    Release,
    Retry,
    Split,
    decide,
)
from haulier.worker.outcome_settler import OutcomeSettler
from haulier.worker.publication import publish
from haulier.worker.settings import MAX_DEPTH, PROOF_SECONDS, PROOF_TRIES, SILENT_DELIVERIES
from haulier.worker.worker_state import WorkerState

UNKNOWN_SECONDS = 30.0
"""Delay of a message whose run or kind this worker does not know (yet)."""

NEVER_TOO_MUCH = 6
"""Divisions after which a part that is still too much for the API, where no request was ever answered, says that it is
not about how much is asked for."""

logger = logging.getLogger("haulier.worker")


class Attempt:
    """Works one lease to its settlement. Raises nothing but cancellation, which hands the item back uncounted."""

    def __init__(self, state: WorkerState, held: Held) -> None:
        self._state = state
        self._deps = state.deps
        self._held = held
        self._settler = OutcomeSettler(state, held)
        self._began_at = self._deps.clock.monotonic()
        self._has_crashed = False

    async def run(self) -> None:
        try:
            await self._read()
        except LeaseLostError:
            logger.info("a lease was lost; its item is another worker's")
        except HaulierError as error:
            # Settling itself failed, since queue or lake is away.
            self._state.stop.set(2 if isinstance(error, UsageError) else 4, self._state.redact(str(error)))
        finally:
            if not self._state.settler.has(self._held):
                self._state.keeper.drop(self._held)

    async def _read(self) -> None:
        """The envelope first; what cannot be read is poisoned at once, what is too new is left to a newer worker."""
        body = self._held.lease.body
        try:
            envelope = decode(body)
        except NewerFormatError as error:
            logger.warning(
                "a newer haulier sent this message; it is left to a newer worker", extra={"error": str(error)}
            )
            await self._deps.queue.release(self._held.lease, body, delay_seconds=UNKNOWN_SECONDS)
        except BrokenEnvelopeError as error:
            await self._settler.poison_broken(error)
        else:
            try:
                await self._take(envelope)
            except LeaseLostError:
                raise
            except (asyncio.CancelledError, HaulierError) as error:
                # A voluntary return, which is no silent delivery. Where the queue is away the lease runs out.
                if not self._state.settler.has(self._held):
                    with contextlib.suppress(HaulierError):
                        await self._settler.release(
                            envelope, GIVE_UP_SECONDS if isinstance(error, HaulierError) else 0.0
                        )
                raise

    async def _take(self, envelope: Envelope) -> None:
        """P3: what a message comes to depends on the state of its run."""
        run = await self._state.run_cache.get(envelope.run_id)
        state = RunState.PLANNING if run is None else await self._state.run_cache.state(run)
        if run is None or state is RunState.PLANNING:
            await self._settler.release(envelope, UNKNOWN_SECONDS)
        elif state.is_closed:
            await self._settler.complete()
        elif state is RunState.CLOSING:
            await self._settler.release(envelope, GIVE_UP_SECONDS)
        else:
            self._deps.require_fit(run)
            with self._deps.client.scope.working_for(run.run_id):
                outcome, error = await self._boundary(run, envelope)
                await self._settler.settle(run, envelope, outcome, error)

    async def _boundary(self, run: Run, envelope: Envelope) -> tuple[Outcome, Exception | None]:
        """The item boundary: whatever goes wrong with an item becomes an outcome here."""
        try:
            return await self._work(run, envelope), None
        except UnknownKindError as error:
            return self._unknown_kind(envelope), error
        except GateWaitError as error:
            return Release(0.0), error
        except Exception as error:  # noqa: BLE001 - see above; the error is recorded with the outcome
            return await self._failed(run, envelope, error)
        finally:
            self._state.first.note_left(envelope)

    async def _work(self, run: Run, envelope: Envelope) -> Done | Empty | Split:
        kind = self._deps.registry.get(envelope.kind)
        self._state.unknown_since.pop(envelope.kind, None)
        item = decode_payload(kind, bytes(envelope.payload))
        if self._held.lease.deliveries > 1 or envelope.resent:
            found = await look_up(self._deps.lake, run, type(item).stream, envelope.key)
            if found is not None:
                self._state.stats.adopted += 1
                return found
            # Deaths are counted by message, and a copy that was sent again begins at none. One that was seen is enough.
            self._has_crashed = await self._deps.lake.exists(run.paths.numbered("crashes", envelope.key, 1))
        self._state.first.note_begun(envelope)
        restarts = 0
        while True:
            try:
                return await self._produce(run, envelope, item)
            except ApiError as error:
                # What was read so far is of no use (a token expired, a total moved): again, from the first page.
                if error.action is not Action.RESTART or restarts >= error.restarts:
                    raise
                restarts += 1

    async def _produce(self, run: Run, envelope: Envelope, item: WorkItem) -> Done | Empty | Split:
        """P5 to P7: records go to a spool, the spool becomes the object."""
        deps, key, lease = self._deps, envelope.key, self._held.lease
        started_at = deps.clock.monotonic()
        spool = await spool_of(deps, run, key)
        try:
            # Where a voluntary return is a new message, all deliveries of one but the last were silent.
            returns = envelope.failures + envelope.releases if deps.queue.capabilities.replaces_body else 0
            deaths = lease.deliveries - 1 - returns
            if deaths >= SILENT_DELIVERIES or self._has_crashed or envelope.suspect == Cause.CRASH:
                produced = await produce_alone(deps, run, envelope, lease.deliveries, spool)
            else:
                is_suspect = bool(envelope.suspect)
                sink = _Noted(spool, lambda: self._state.first.note_page(envelope.kind))
                produced = await produce(deps, run, item, lease.deliveries, key, sink, is_suspect=is_suspect)
            self._state.first.note_good(envelope.kind)
            seconds = round(deps.clock.monotonic() - started_at, 6)
            if produced.children:
                if envelope.depth >= MAX_DEPTH:
                    raise ItemError(
                        f"Items were divided {MAX_DEPTH} times, one out of another. Does the division never end?"
                    )
                return Split(produced.children)
            if not produced.records:
                return Empty(produced.requests, seconds, produced.hidden)
            path = run.paths.object(type(item).stream, key)
            facts, is_adopted = await publish(deps.lake, run, path, spool, self._held, self._state.keeper, deps.clock)
        finally:
            await spool.discard()
        if is_adopted:
            return Done(adopted_receipt(key, facts.records, facts.bytes, facts.sha256))
        return Done(_receipt(key, facts.records, facts.bytes, facts.sha256, produced, seconds))

    async def _failed(self, run: Run, envelope: Envelope, error: Exception) -> tuple[Outcome, Exception]:
        """What the failure comes to by itself, unless the processor is to blame, or the item can be divided."""
        around = await self._circumstances(run, envelope, error)
        outcome = decide(error, around, self._deps.rng)
        if _is_final(error) and (refusal := await self._refusal_of_all(run, envelope, error)) is not None:
            return refusal
        if isinstance(outcome, Retry) or outcome in (Poison("failed"), Poison("poison")):
            # What this process was answered tells more than a source that may have been changed since.
            is_first = self._deps.client.scope.has_witness
            if is_first and await self._is_of_all(run, error):
                return decide(error, replace(around, is_of_all=True), self._deps.rng), error
            doubted = await self._doubted(run, envelope, error)
            if doubted is not None:
                return doubted
            if not is_first and await self._is_of_all(run, error):
                return decide(error, replace(around, is_of_all=True), self._deps.rng), error
        reason = reason_to_divide(error, outcome, around)
        if reason is not None:
            parts = self._divided(envelope)
            if parts and (not reason.needs_proof or await self._is_answered()):
                return Split(parts, reason.cause), error
        return outcome, error

    async def _doubted(self, run: Run, envelope: Envelope, error: Exception) -> tuple[Outcome, Exception] | None:
        """What the failure comes to where the source may be to blame; None where it is the item's own."""
        first, kind, clock = self._state.first, envelope.kind, self._deps.clock
        if first.is_asking(kind) and await has_worked(self._deps.lake, run, self._deps.registry.get(kind).stream, kind):
            first.note_worked_before(kind)
        match first.note_failed(envelope, error, clock.monotonic()):
            case Suspicion.NONE:
                return None
            case Suspicion.YES:
                return Release(again_seconds(envelope.releases, self._deps.rng)), error
            case Suspicion.HELD:
                # In its slot, so that no more items are asked for the same.
                await self._state.stop.or_after(clock, first.seconds_left(kind, clock.monotonic()))
                soon = envelope.releases < PROOF_TRIES
                return Release(0.0 if soon else again_seconds(envelope.releases, self._deps.rng)), error
            case Suspicion.FEW:
                if await self._are_others_at_work():
                    return Release(again_seconds(envelope.releases, self._deps.rng)), error
                if is_probed(error) and (parts := self._divided(envelope)):
                    return Split(parts, Cause.FAILURE), error
                first.note_proven(kind)
            case Suspicion.PROVEN:
                pass
        return Release(GIVE_UP_SECONDS, stop=2), broken(kind, error, first.failed(kind))

    async def _are_others_at_work(self) -> bool:
        """Whether another worker holds an item, which may still end well."""
        return (await self._deps.queue.depth()).leased > self._state.keeper.count

    def _divided(self, envelope: Envelope) -> tuple[PlannedItem, ...]:
        item = decode_payload(self._deps.registry.get(envelope.kind), bytes(envelope.payload))
        return parts_of(self._deps.divide(item), envelope.key, envelope.depth)

    async def _refusal_of_all(self, run: Run, envelope: Envelope, error: ApiError) -> tuple[Outcome, Exception] | None:
        """What an answer that is final comes to where others get one too, who were answered well before: a right was
        taken away, a firewall has shut, the API has moved. None where it is the item's own (G4)."""
        if error.action is Action.SPLIT and self._deps.client.scope.has_succeeded_since(self._began_at):
            return None
        try:
            now = await self._action_now(run, PROOF_SECONDS / 2)
        except ApiError as down:
            now, error = Action.PAUSE, down
        match now:
            case None:
                return self._refusal_of_first(envelope, error)
            case Action.OK | Action.END | Action.ABSENT:
                self._state.stop.note_answered()
                return None
            case Action.POISON | Action.SPLIT | Action.AUTH | Action.CONFIG:
                clock = self._deps.clock
                if (left_seconds := self._state.stop.note_refused(clock.monotonic())) > 0.0:
                    # In its slot, so that no more items are asked for.
                    await self._state.stop.or_after(clock, left_seconds)
                    return Release(0.0), error
                return Release(GIVE_UP_SECONDS, stop=2), refused(envelope.kind, error)
            case _:
                return Release(self._deps.rng.uniform(1.0, 8.0) * RETRY_BASE_SECONDS), error

    async def _is_of_all(self, run: Run, error: Exception) -> bool:
        """Whether others, who were answered well before, get no better answer now: an error object or a page for people
        under a good status, half a body. The breaker counts it then, as it counts an outage (G4)."""
        scope = self._deps.client.scope
        if not _is_unread(error) or scope.has_succeeded_since(self._began_at):
            return False
        try:
            now = await self._action_now(run, REFUSAL_VALID_SECONDS)
        except ApiError:
            now = Action.PAUSE
        is_of_all = now in {Action.RETRY_LATER, Action.OUTAGE, Action.PAUSE, Action.AUTH, Action.CONFIG}
        if is_of_all:
            scope.note_failure(reason=error.reason)
        return is_of_all

    def _refusal_of_first(self, envelope: Envelope, error: ApiError) -> tuple[Outcome, Exception] | None:
        """The same where nobody was ever answered: parts so small that none of them can be too much."""
        if error.action is Action.SPLIT and envelope.depth >= NEVER_TOO_MUCH:
            return Release(GIVE_UP_SECONDS, stop=2), broken(envelope.kind, error)
        return None

    async def _action_now(self, run: Run, max_age_seconds: float) -> Action | None:
        """What a request comes to now that was answered well before, in this process or in an earlier one."""
        scope = self._deps.client.scope
        return await (scope.action_now(max_age_seconds) if scope.has_witness else self._state.probe.action(run))

    async def _is_answered(self) -> bool:
        """Whether somebody was answered since this attempt began; the witness is asked where nobody else was lately."""
        scope = self._deps.client.scope
        return scope.has_succeeded_since(self._began_at) or (
            await scope.is_charged() and scope.has_succeeded_since(self._began_at)
        )

    async def _circumstances(self, run: Run, envelope: Envelope, error: Exception) -> Circumstances:
        scope = self._deps.client.scope
        # Only what looks like an outage depends on it, and the witness may cost a request.
        is_like_outage = isinstance(error, ApiError) and error.action is Action.OUTAGE
        if is_like_outage and not scope.has_witness:
            await self._state.probe.action(run)
        return Circumstances(
            failures=envelope.failures,
            releases=envelope.releases,
            max_failures=self._deps.settings.max_failures,
            is_healthy=await scope.is_charged() if is_like_outage else scope.is_healthy,
            is_proven=scope.is_proven,
            suspect=envelope.suspect,
            is_in_vain=self._state.suspects.is_in_vain,
            is_refused_in_vain=self._state.suspects.is_refused_in_vain,
            is_undecided=self._state.suspects.is_undecided,
        )

    def _unknown_kind(self, envelope: Envelope) -> Outcome:
        now = self._deps.clock.monotonic()
        since = self._state.unknown_since.setdefault(envelope.kind, now)
        if now - since < self._deps.settings.unknown_kind_grace_seconds:
            return Release(UNKNOWN_SECONDS)
        return Poison("unknown_kind")


class _Noted:
    """A sink that tells of each page."""

    def __init__(self, sink: Sink, note: Callable[[], None]) -> None:
        self._sink = sink
        self._note = note

    async def write(self, records: Iterable[Bytes]) -> None:
        self._note()
        await self._sink.write(records)


def _is_final(error: Exception) -> TypeGuard[ApiError]:
    """Whether the API itself said that this request cannot succeed, or asks for too much."""
    return (
        isinstance(error, ApiError)
        and (error.status is not None or error.fault is not None)
        and error.action in {Action.POISON, Action.SPLIT}
    )


def _is_unread(error: Exception) -> TypeGuard[ApiError]:
    """Whether an answer came, or a part of one, that is not what was asked for, and may be another time."""
    return (
        isinstance(error, ApiError)
        and (error.status is not None or error.fault is not None)
        and error.action is Action.RETRY_LATER
    )


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
        hidden=produced.hidden,
        repeated=produced.repeated,
    )
