"""The server of the sandbox. It renders each answer once, applies faults, and counts.

A waiting request costs a timer and no task. Web frameworks spend 2 to 6 times the CPU on a request (measured), which a
benchmark that shares two cores with its API would charge to the client. An attribute is None while its setting is off,
so that the setting costs nothing.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import cycle

import msgspec

from haulier.clock import Clock
from haulier.testing.sandbox.access import ISSUES, SESSION_TARGET, Access
from haulier.testing.sandbox.answers import VARYING_HEADERS, answer
from haulier.testing.sandbox.connection import Connection, Reply
from haulier.testing.sandbox.corruption import CLOSING_KINDS, CORRUPTION_KINDS, corrupt_wire, possible_kind
from haulier.testing.sandbox.counters import SandboxCounters
from haulier.testing.sandbox.data import rank_since
from haulier.testing.sandbox.drift import Drift
from haulier.testing.sandbox.faults import DELAYED_FAULTS, UNCOUNTED_FAULTS, Fault, decide_fault, delay_seconds
from haulier.testing.sandbox.limits import Limits, make_refusal
from haulier.testing.sandbox.line import Line
from haulier.testing.sandbox.settings import SandboxSettings, change_settings
from haulier.testing.sandbox.tokens import PageTokens
from haulier.testing.sandbox.wire import Answer, RenderedAnswer, RequestHead, add_headers, error, head_of

_MAX_KEPT_BYTES = 64 * 1024 * 1024
"""Size of the cache of rendered answers; a full cache is emptied."""


class SandboxServer:
    def __init__(self, settings: SandboxSettings, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self.loop = loop
        self._clock = clock
        self.counters = SandboxCounters()
        self.connections: set[Connection] = set()
        self._draw = random.Random(settings.seed)
        self._started_at = clock.monotonic()
        self._paused_from = self._paused_until = 0.0
        self._wait_seconds = 0
        self._burst_left = 0
        self._access: Access | None = None
        self._limits: Limits | None = None
        self._tokens: PageTokens | None = None
        self._drift: Drift | None = None
        self._walked = 0
        self.line: Line | None = None
        self.use(settings)

    def accept(self) -> asyncio.Protocol:
        return Connection(self)

    def use(self, settings: SandboxSettings) -> None:
        """Apply settings from the next request on. Draws, quotas and drift go on where they were."""
        self.settings = self._served = settings
        self._empty_cache()
        self._corruptions = cycle(settings.corrupt_kinds or CORRUPTION_KINDS)
        if settings.token is None:
            self._access = None
        elif self._access is None or not self._access.is_for(settings):
            self._access = Access(settings)
        if not (settings.quota or settings.rate_per_second):
            self._limits = None
        elif self._limits is None or not self._limits.is_for(settings):
            self._limits = Limits(settings, self._clock.monotonic())
        if not settings.token_ttl_seconds:
            self._tokens = None
        elif self._tokens is None:
            self._tokens = PageTokens(settings.token_ttl_seconds)
        else:
            self._tokens.ttl_seconds = settings.token_ttl_seconds
        if settings.drift == "none":
            self._drift = None
        elif self._drift is None or self._drift.kind != settings.drift:
            self._drift = Drift(settings.drift)
        self._use_knee(settings)

    def reply(self, head: RequestHead, method: bytes, target: bytes, body: bytes, is_last: bool) -> Reply:
        """Count a request that has arrived, and decide its reply."""
        settings = self.settings
        fault = self.begin(head)
        if fault is Fault.HANG:
            self.counters.hung += 1
            return Reply(0, None, settings.hang_seconds, is_last=True)
        if fault is Fault.OUTAGE and not settings.outage_status:
            self.counters.dropped += 1
            return Reply(0, None, 0.0, is_last=True)
        if fault is Fault.NONE:
            rendered = self.answer(head, method, target, body)
            made, spoilt = rendered.answer, ""
            wire = rendered.wire(settings.gzip and b"gzip" in head.get(b"accept-encoding"))
        elif fault is Fault.CUT or fault is Fault.CORRUPT:
            made = self.answer(head, method, target, body).answer
            wire, is_closing, spoilt = self._damage(made, fault, b"gzip" in head.get(b"accept-encoding"))
            is_last = is_last or is_closing
        else:
            made, spoilt = self.refusal(fault), ""
            wire = RenderedAnswer(made).wire(settings.gzip and b"gzip" in head.get(b"accept-encoding"))
        if self._limits is not None and settings.quota_headers != "none":
            wire = add_headers(wire, self._limits.headers(self._clock.monotonic(), self._now()))
        if method == b"HEAD":
            wire = head_of(wire, self._now())
        seconds = self.delay_seconds(made.is_first_page) if fault is Fault.NONE or fault in DELAYED_FAULTS else 0.0
        return Reply(made.status, wire, seconds, is_last, spoilt)

    def begin(self, head: RequestHead) -> Fault:
        counters = self.counters
        counters.requests += 1
        counters.in_flight += 1
        if counters.in_flight > counters.peak_in_flight:
            counters.peak_in_flight = counters.in_flight
        now = self._clock.monotonic()
        if now < self._paused_until and now > self._paused_from + self.settings.early_grace_seconds:
            counters.early += 1
        fault = decide_fault(
            self.settings,
            self._draw.random(),
            is_authorized=self._access is None or self._access.allows(head, now),
            in_flight=counters.in_flight,
            uptime_seconds=now - self._started_at,
        )
        if fault is Fault.THROTTLED:
            self._burst_left = self.settings.burst_429 - 1
        elif self._burst_left and fault not in UNCOUNTED_FAULTS:
            self._burst_left -= 1
            fault = Fault.THROTTLED
        if self._limits is not None and fault not in UNCOUNTED_FAULTS:
            wait_seconds = self._limits.take(now)
            if wait_seconds is not None:
                self._wait_seconds = wait_seconds
                return Fault.LIMITED
        return fault

    def answer(self, head: RequestHead, method: bytes, target: bytes, body: bytes) -> RenderedAnswer:
        if self.settings.is_live:
            self._grow()
        key = target if not body else b"\r\n".join((target, body))
        rendered = self._kept.get(key)
        if rendered is None:
            rendered = self._make(key, head, method, target, body)
        return rendered if self._tokens is None else self._unless_expired(rendered, self._tokens)

    def refusal(self, fault: Fault) -> Answer:
        settings, counters = self.settings, self.counters
        match fault:
            case Fault.UNAUTHORIZED:
                assert self._access is not None
                refused = error(401, f"The credentials are missing or wrong. Send them by {settings.auth}.")
                return replace(refused, headers=self._access.challenge())
            case Fault.OUTAGE:
                return error(settings.outage_status, "Down.")
            case Fault.SERVER_ERROR:
                return error(500, "Internal error.")
            case Fault.ERROR_BODY:
                return error(200, "Try again.")
            case Fault.OVERLOADED:
                counters.refused += 1
                return error(settings.refuse_status, "Too many requests at once.")
            case Fault.LIMITED:
                counters.limited += 1
                status, wait_seconds = 429, self._wait_seconds
            case Fault.REFUSED:
                counters.refused += 1
                status, wait_seconds = settings.refuse_status, settings.retry_after_seconds
            case _:
                status, wait_seconds = 429, settings.retry_after_seconds
        now = self._clock.monotonic()
        if now >= self._paused_until:
            self._paused_from = now
        self._paused_until = max(self._paused_until, now + wait_seconds)
        told_seconds = wait_seconds if settings.retry_after_seconds else 0
        return make_refusal(status, told_seconds, settings.wait_form, self._now())

    def delay_seconds(self, is_first_page: bool) -> float:
        in_flight = self.counters.in_flight
        return delay_seconds(self.settings, self._draw, in_flight=in_flight, is_first_page=is_first_page)

    def bare_target(self, target: bytes) -> bytes:
        return target if self._access is None else self._access.bare_target(target)

    def issue(self, head: RequestHead, target: bytes, body: bytes) -> Answer:
        kinds, now = ISSUES[target], self._clock.monotonic()
        if self._access is None or self.settings.auth not in kinds:
            told = " or ".join(kinds)
            return error(404, f"Nothing is issued here. Set the sandbox's auth to {told}, and its token.")
        if target == SESSION_TARGET:
            issued = self._access.log_in(body, now)
        else:
            issued = self._access.issue(head, body, now)
        if issued.status == 200:
            self.counters.access_tokens += 1
        return issued

    def control(self, method: bytes, body: bytes) -> Answer:
        """Answer GET with the counters; change settings by name on POST."""
        if method == b"GET":
            return Answer(200, msgspec.json.encode(self.read_counters()))
        try:
            changes = msgspec.json.decode(body, type=dict[str, object])
            self.use(change_settings(self.settings, changes))
        except (ValueError, msgspec.DecodeError) as exc:
            return error(400, str(exc))
        return Answer(200, msgspec.json.encode({"changed": sorted(changes)}))

    def read_counters(self) -> SandboxCounters:
        """Return the counters, with what remains of the quota now."""
        counters = self.counters
        counters.quota_left = counters.quota_resets_in_seconds = None
        if self._limits is not None and self.settings.quota:
            now = self._clock.monotonic()
            counters.quota_left = self._limits.remaining(now)
            counters.quota_resets_in_seconds = round(self._limits.resets_in_seconds(now), 3)
        return counters

    def _damage(self, made: Answer, fault: Fault, is_gzip_taken: bool) -> tuple[bytes, bool, str]:
        """Render a cut or corrupt answer. Return it, whether the connection then closes, and the kind of damage."""
        if fault is Fault.CUT:
            wire = RenderedAnswer(made).wire(self.settings.gzip and is_gzip_taken)
            return wire[: (wire.find(b"\r\n\r\n") + 4 + len(wire)) // 2], True, "cut"
        kind = possible_kind(next(self._corruptions), is_gzip_taken)
        return corrupt_wire(made, kind), kind in CLOSING_KINDS, kind

    def _use_knee(self, settings: SandboxSettings) -> None:
        is_queue = settings.knee > 0 and settings.knee_mode == "queue"
        if self.line is not None:
            # When the knee is turned off, all waiting requests are served.
            self.line.widen(settings.knee if is_queue else self.counters.in_flight + 1)
        elif is_queue:
            self.line = Line(settings.knee, self.counters)
        if not is_queue:
            self.line = None

    def _make(self, key: bytes, head: RequestHead, method: bytes, target: bytes, body: bytes) -> RenderedAnswer:
        varies = VARYING_HEADERS.get(target.partition(b"?")[0])
        if varies is not None:
            key = b"\r\n".join((key, *(head.get(name) for name in varies)))
            if rendered := self._kept.get(key):
                return rendered
        text = target.decode("ascii", "replace")
        told = "GET" if method == b"HEAD" else method.decode("ascii", "replace")
        made = answer(self._served, text, head, body, method=told, drift=self._drift)
        rendered = RenderedAnswer(made)
        if self._drift is None:
            self._keep(key, rendered)
        elif made.walk is not None:
            self._walked += 1
            is_still = 0 < self.settings.drift_rows <= self.counters.drifted
            is_due = self._walked % self.settings.drift_every_requests == 0 and not is_still
            if is_due and self._drift.move(*made.walk):
                self.counters.drifted += 1
        return rendered

    def _now(self) -> datetime:
        return self._clock.now() + timedelta(seconds=self.settings.clock_ahead_seconds)

    def _grow(self) -> None:
        """Let the records appear whose time has come."""
        count = rank_since(self.settings, self._now())
        if count != self._served.records:
            self._served = replace(self.settings, records=count)
            self._empty_cache()

    def _empty_cache(self) -> None:
        self._kept: dict[bytes, RenderedAnswer] = {}
        self._kept_bytes = 0

    def _keep(self, key: bytes, rendered: RenderedAnswer) -> None:
        self._kept_bytes += len(rendered.plain)
        if self._kept_bytes > _MAX_KEPT_BYTES:
            self._kept.clear()
            self._kept_bytes = len(rendered.plain)
        self._kept[key] = rendered

    def _unless_expired(self, rendered: RenderedAnswer, tokens: PageTokens) -> RenderedAnswer:
        made, now = rendered.answer, self._clock.monotonic()
        if made.took_token and not tokens.is_good(made.took_token, now):
            self.counters.expired += 1
            status = self.settings.token_expired_status
            return RenderedAnswer(error(status, "This page token has expired.", code="EXPIRED_PAGE_TOKEN"))
        if made.gave_token:
            tokens.give(made.gave_token, now)
        return rendered
