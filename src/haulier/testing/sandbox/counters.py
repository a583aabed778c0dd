"""What a sandbox saw: counters that `/_sandbox` shows while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class SandboxCounters:
    """What the sandbox saw since it started; its own path `/_sandbox` is not counted."""

    requests: int = 0
    by_status: dict[int, int] = field(default_factory=dict)  # as answered; cut answers too
    in_flight: int = 0
    peak_in_flight: int = 0
    waiting: int = 0  # of those in flight, in line before the knee
    refused: int = 0  # because of refuse_above, or of the knee in its mode refuse
    limited: int = 0  # because the quota was spent, or the bucket empty
    early: int = 0  # arrived although the server had asked to pause, and the pause had not ended
    cut: int = 0
    corrupt: dict[str, int] = field(default_factory=dict)  # by kind
    hung: int = 0
    dropped: int = 0  # closed without an answer, in an outage
    abandoned: int = 0  # the client left before its answer, hung ones included
    expired: int = 0  # page tokens that were too old
    drifted: int = 0  # records that appeared or vanished
    access_tokens: int = 0  # issued at /oauth2/token, which is not counted as a request
    quota_left: int | None = None  # in this window
    quota_resets_in_seconds: float | None = None

    def count_spoilt(self, kind: str) -> None:
        """A body went out that is wrong in that way."""
        if kind == "cut":
            self.cut += 1
        else:
            self.corrupt[kind] = self.corrupt.get(kind, 0) + 1
