"""The counters of a sandbox."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class SandboxCounters:
    """Counts since the sandbox started, as `/_sandbox` shows them. Requests to `/_sandbox` are not counted."""

    requests: int = 0
    by_status: dict[int, int] = field(default_factory=dict)  # cut answers included
    in_flight: int = 0
    peak_in_flight: int = 0
    waiting: int = 0  # requests in flight that wait in line before the knee
    refused: int = 0  # by refuse_above, or by the knee with knee_mode refuse
    limited: int = 0  # because the quota was spent or the bucket was empty
    early: int = 0  # arrived during a pause that the sandbox had asked for
    cut: int = 0
    corrupt: dict[str, int] = field(default_factory=dict)  # by kind
    hung: int = 0
    dropped: int = 0  # closed without an answer, in an outage
    abandoned: int = 0  # the client left before its answer, also of hung requests
    expired: int = 0  # page tokens that were too old
    drifted: int = 0  # records that appeared or vanished
    access_tokens: int = 0  # issued at /oauth2/token, which is not counted as a request
    quota_left: int | None = None  # in this window
    quota_resets_in_seconds: float | None = None

    def count_spoilt(self, kind: str) -> None:
        if kind == "cut":
            self.cut += 1
        else:
            self.corrupt[kind] = self.corrupt.get(kind, 0) + 1
