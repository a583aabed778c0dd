"""Observations that one member makes between two beats."""

from __future__ import annotations

import math

from haulier.api.http.transport import Response
from haulier.api.limits.breaker import Outcomes
from haulier.api.limits.governor import Governor, Phase, Report, window_size
from haulier.api.scope.latencies import BUCKETS, bucket_of

FIRST_PAGE, LATER_PAGE = "first", "later"
"""A query's first answer is slow where later ones are cached."""

MAX_CLASS_SAMPLES = 64
"""Limits the samples of a class in a beat; of more answers every second or fourth is kept."""

REFUSED_STATUS = 429

NO_STEP_ANSWERS = 1 << 30

URGENT_FAILURES = 5
"""Four workers with so many each open a breaker, so they beat at once."""

MAX_LEAD_PART = 0.1
"""Part of an answer's time by which its request may precede the present limit and still count. Else half of the next
step's requests would be missing for a round trip."""

HELD_PLACE_SECONDS = 2.0
"""Time in which the governor cuts about once, and others hear of it."""


class BeatReport:
    """Counts all answers for the breaker; for the governor those to requests sent under its present limit."""

    def __init__(self) -> None:
        self._epoch = -1
        self._epoch_at = 0.0
        self._samples: dict[str, list[float]] = {}
        self._answers = 0
        self._each = 1
        self._refusals = 0
        self._wanted = NO_STEP_ANSWERS
        self._good = self._bad = self._throttled = 0
        self._throttled_seconds = 0.0
        self._is_row = False
        self._sent = 0
        self.last_bad = 0
        """Failures in a row that the others do not know of."""
        self._reason = ""
        self._latencies = [0] * BUCKETS
        self._refused_places = 0
        self._refused_at = 0.0

    def places_left_empty(self, now: float) -> int:
        """One place for each recent refusal, until the limit follows."""
        return self._refused_places if now - self._refused_at <= HELD_PLACE_SECONDS else 0

    def note_success(self, response: Response | None, now: float, *, is_first_page: bool) -> bool:
        """Returns whether slow start has enough answers for its next step."""
        self._good += 1
        self.last_bad = 0
        if response is None:
            return False
        self._latencies[bucket_of(response.seconds)] += 1
        if now - (1.0 - MAX_LEAD_PART) * response.seconds >= self._epoch_at:
            self._sample(response.first_byte_seconds, FIRST_PAGE if is_first_page else LATER_PAGE)
        return self._answers >= self._wanted

    def note_failure(self, response: Response | None, reason: str, now: float) -> bool:
        """Returns whether to beat now: the API refused, or several failed in a row."""
        self._bad += 1
        self.last_bad += 1
        self._reason = reason
        if response is not None:
            self._latencies[bucket_of(response.seconds)] += 1
        is_refusal = (
            response is not None and response.status == REFUSED_STATUS and now - response.seconds >= self._epoch_at
        )
        if is_refusal:
            self._refused_places = self.places_left_empty(now) + 1
            self._refused_at = now
            self._refusals += 1
        return is_refusal or self.last_bad % URGENT_FAILURES == 0

    def note_sent(self) -> None:
        self._sent += 1

    def note_throttled(self, seconds: float, *, is_row: bool) -> None:
        """``is_row``: no success came since another refusal."""
        self._is_row = self._is_row or is_row
        self._throttled += 1
        self._throttled_seconds = max(self._throttled_seconds, seconds)

    def take_outcomes(self) -> Outcomes:
        outcomes = Outcomes(
            self._good,
            self._bad,
            self.last_bad,
            self._reason,
            self._throttled,
            self._throttled_seconds,
            self._is_row,
            self._sent,
        )
        self._good = self._bad = self.last_bad = self._throttled = self._sent = 0
        self._throttled_seconds = 0.0
        self._is_row = False
        return outcomes

    def take_latencies(self) -> tuple[int, ...]:
        """Answers by `bucket_of` their time, without waiting for a slot. Lost ones do no harm."""
        latencies, self._latencies = tuple(self._latencies), [0] * BUCKETS
        return latencies

    def take_report(self) -> Report:
        """A lost report does no harm."""
        report = Report(self._epoch, self._samples, self._refusals, self._each)
        self._begin()
        return report

    def see(self, governor: Governor, now: float, part: float) -> None:
        """``part``: our part of all requests in flight; 0.0 where the governor does not rule."""
        if governor.epoch != self._epoch:
            self._epoch, self._epoch_at = governor.epoch, now
            self._begin()
            self._refused_places = 0
        # While it starts, a step cannot wait for the next beat: each member tells of its part as soon as it has it.
        missing = max(1, window_size(governor) - governor.seen)
        self._wanted = math.ceil(part * missing) if part and governor.phase is Phase.STARTING else NO_STEP_ANSWERS

    def is_behind(self, governor: Governor) -> bool:
        return governor.phase is Phase.STARTING and governor.epoch != self._epoch

    def _begin(self) -> None:
        self._samples, self._answers, self._each, self._refusals = {}, 0, 1, 0

    def _sample(self, seconds: float, kind: str) -> None:
        self._answers += 1
        if len(self._samples.get(kind, ())) == MAX_CLASS_SAMPLES:
            self._each *= 2
            self._samples = {kind: samples[::2] for kind, samples in self._samples.items()}
        if self._answers % self._each == 0:
            self._samples.setdefault(kind, []).append(seconds)
