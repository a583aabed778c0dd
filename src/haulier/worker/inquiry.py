from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from haulier.api.errors import Action, ApiError
from haulier.api.scope.witness import REFUSAL_VALID_SECONDS
from haulier.errors import UnknownKindError
from haulier.items.codec import decode_payload
from haulier.queues.envelope import Envelope
from haulier.runs.run import Run
from haulier.worker.blame import ActionNow, Evidence, Question, evidence_needed, shows_outage
from haulier.worker.division import parts_of
from haulier.worker.lookup import has_empty, has_records
from haulier.worker.settings import PROOF_SECONDS
from haulier.worker.worker_state import WorkerState


class Inquiry:
    """Gathers the evidence why one attempt, which began at a monotonic time, failed with ``error``."""

    def __init__(self, state: WorkerState, run: Run, envelope: Envelope, error: Exception, began_at: float) -> None:
        self._state = state
        self._deps = state.deps
        self._scope = state.deps.client.scope
        self._run = run
        self._envelope = envelope
        self._error = error
        self._began_at = began_at

    async def gather(self) -> Evidence:
        evidence = self._known()
        while (question := evidence_needed(evidence)) is not None:
            evidence = self._seen_now(await self._answer(question, evidence))
        return evidence

    def _known(self) -> Evidence:
        envelope, suspects = self._envelope, self._state.suspects
        return self._seen_now(
            Evidence(
                error=self._error,
                kind=envelope.kind,
                failures=envelope.failures,
                releases=envelope.releases,
                max_failures=self._deps.settings.max_failures,
                jitter=self._deps.rng.random(),
                depth=envelope.depth,
                parent_cause=envelope.suspect,
                is_in_vain=suspects.is_in_vain,
                is_refused_in_vain=suspects.is_refused_in_vain,
                is_undecided=suspects.is_undecided,
                unknown_seconds=self._unknown_seconds(),
                unknown_grace_seconds=self._deps.settings.unknown_kind_grace_seconds,
            )
        )

    def _seen_now(self, evidence: Evidence) -> Evidence:
        """Facts that may change while something is asked."""
        return replace(
            evidence,
            has_witness=self._scope.has_witness,
            has_succeeded_meanwhile=self._scope.has_succeeded_since(self._began_at),
            failed_items=self._state.first_items.failed(self._envelope.kind),
        )

    def _unknown_seconds(self) -> float:
        if not isinstance(self._error, UnknownKindError):
            return 0.0
        now = self._deps.clock.monotonic()
        return now - self._state.unknown_since.setdefault(self._envelope.kind, now)

    async def _answer(self, question: Question, evidence: Evidence) -> Evidence:
        match question:
            case Question.IS_API_UP:
                if not self._scope.has_witness:
                    await self._state.probe.action(self._run)  # A good answer is the witness from then on.
                return replace(evidence, is_api_up=await self._scope.is_api_up())
            case Question.IS_REFUSED_TO_ALL:
                return self._with_refusal(evidence, await self._action_now(PROOF_SECONDS / 2))
            case Question.IS_UNUSABLE_TO_ALL:
                now = await self._action_now(REFUSAL_VALID_SECONDS)
                if shows_outage(self._error, now):
                    self._scope.note_failure(reason=self._error.reason)  # The breaker counts it, as any outage.
                return replace(evidence, action_now=now)
            case Question.SUSPICION:
                return await self._suspicion(evidence)
            case Question.OTHERS_AT_WORK:
                return replace(evidence, are_others_at_work=await self._are_others_at_work())
            case Question.PARTS:
                item = decode_payload(self._deps.registry.get(evidence.kind), bytes(self._envelope.payload))
                parts = parts_of(self._deps.divide(item), self._envelope.key, self._envelope.depth)
                return replace(evidence, parts=parts)
            case Question.IS_API_PROVEN_UP:
                is_up = await self._scope.is_api_up() and self._scope.has_succeeded_since(self._began_at)
                return replace(evidence, is_api_proven_up=is_up)
            case _:
                assert_never(question)

    async def _are_others_at_work(self) -> bool:
        deps = self._deps
        if deps.queue.capabilities.exact_depth:
            return (await deps.queue.depth()).leased > self._state.keeper.count
        # Nobody can count leases there. A member of the scope that had an item within a lease may still hold it.
        return deps.clock.monotonic() - self._scope.others_worked_at < deps.settings.lease_seconds

    async def _action_now(self, max_age_seconds: float) -> ActionNow:
        try:
            if self._scope.has_witness:
                return ActionNow(await self._scope.action_now(max_age_seconds))
            return ActionNow(await self._state.probe.action(self._run))
        except ApiError as error:
            return ActionNow(Action.PAUSE, error)

    def _with_refusal(self, evidence: Evidence, now: ActionNow) -> Evidence:
        """The worker counts for how long everybody has been refused."""
        seconds_left = 0.0
        match now.action:
            case Action.OK | Action.END | Action.ABSENT:
                self._state.stop.note_answered()
            case Action.POISON | Action.SPLIT | Action.AUTH | Action.CONFIG:
                seconds_left = self._state.stop.note_refused(self._deps.clock.monotonic())
            case _:
                pass
        return replace(evidence, action_now=now, refused_seconds_left=seconds_left)

    async def _suspicion(self, evidence: Evidence) -> Evidence:
        """Looks also whether an item of the run ended well elsewhere."""
        first, kind = self._state.first_items, evidence.kind
        if first.is_asking(kind):
            stream = self._deps.registry.get(kind).stream
            if await has_records(self._deps.lake, self._run, stream):
                first.note_worked_before(kind)
            elif not first.has_answered(kind) and await has_empty(self._deps.lake, self._run, kind):
                first.note_empty(kind)
        now = self._deps.clock.monotonic()
        suspicion = first.note_failed(self._envelope, self._error, now)
        return replace(evidence, suspicion=suspicion, doubt_seconds_left=first.seconds_left(kind, now))
