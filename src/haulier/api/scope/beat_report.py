"""What one member saw of the API since its last beat."""

from __future__ import annotations

import math

from haulier.api.http.transport import Response
from haulier.api.limits.breaker import Outcomes
from haulier.api.limits.governor import Governor, Phase, Report, window_size

FIRST_PAGE, LATER_PAGE = "first", "later"
"""Classes of pages: the first answer of a query is slow where later ones are cached."""

MAX_CLASS_SAMPLES = 64
"""Samples of a class and beat, which all go through the row. Of more answers every second one is kept, or fourth."""

REFUSED_STATUS = 429

NO_STEP_ANSWERS = 1 << 30

URGENT_FAILURES = 5
"""Failures in a row that are told at once: four workers with so many each make a breaker open."""

MAX_LEAD_PART = 0.1
"""A request counts if it was sent before the limit moved by no more than this part of the time that it took: it was
under way with as many others as the limit allows now. In the moment in which a step is made, half of the next step's
requests go out, which would be missing for a round trip."""

HELD_PLACE_SECONDS = 2.0
"""The governor cuts no more than once in about so long, and others hear of it a beat later."""


class BeatReport:
    """Counts for the breaker, and for the governor: to it, only requests sent under its present limit say something."""

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
        """Failures since the last success, as far as the others do not know of them."""
        self._reason = ""
        self._held = 0
        self._refused_at = 0.0

    def held(self, now: float) -> int:
        """Places to leave empty: one for each request that was refused a moment ago, until the limit follows."""
        return self._held if now - self._refused_at <= HELD_PLACE_SECONDS else 0

    def note_success(self, response: Response | None, now: float, *, is_first_page: bool) -> bool:
        """Whether there is enough for the governor's next step, and it is in a hurry to make it."""
        self._good += 1
        self.last_bad = 0
        if response is None:
            return False
        if now - (1.0 - MAX_LEAD_PART) * response.seconds >= self._epoch_at:
            self._sample(response.first_byte_seconds, FIRST_PAGE if is_first_page else LATER_PAGE)
        return self._answers >= self._wanted

    def note_failure(self, response: Response | None, reason: str, now: float) -> bool:
        """Whether the others should hear of it now: the API refused, or several failed in a row."""
        self._bad += 1
        self.last_bad += 1
        self._reason = reason
        is_refusal = (
            response is not None and response.status == REFUSED_STATUS and now - response.seconds >= self._epoch_at
        )
        if is_refusal:
            self._held = self.held(now) + 1
            self._refused_at = now
            self._refusals += 1
        return is_refusal or self.last_bad % URGENT_FAILURES == 0

    def note_sent(self) -> None:
        """A request goes out."""
        self._sent += 1

    def note_throttled(self, seconds: float, *, is_row: bool) -> None:
        """A request was refused, with a short wait. ``is_row``: after another, with no good answer between."""
        self._is_row = self._is_row or is_row
        self._throttled += 1
        self._throttled_seconds = max(self._throttled_seconds, seconds)

    def outcomes(self) -> Outcomes:
        """What became of our requests, and begin anew."""
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

    def take(self) -> Report:
        """What was counted, and begin anew. A report that is lost is a pity, no more."""
        report = Report(self._epoch, self._samples, self._refusals, self._each)
        self._begin()
        return report

    def see(self, governor: Governor, now: float, part: float) -> None:
        """The governor as it is after our beat. ``part``: of all requests in flight, those that are ours; 0.0 where it
        does not govern."""
        if governor.epoch != self._epoch:
            self._epoch, self._epoch_at = governor.epoch, now
            self._begin()
            self._held = 0
        # While it starts, a step cannot wait for the next beat: each member tells of its part as soon as it has it.
        missing = max(1, window_size(governor) - governor.seen)
        self._wanted = math.ceil(part * missing) if part and governor.phase is Phase.STARTING else NO_STEP_ANSWERS

    def is_behind(self, governor: Governor) -> bool:
        """Whether another member has made a step of the start that we should follow at once."""
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
