"""Which request suffers which fault, by operation, by count or by a seeded draw."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

Fault = Literal[
    "500",
    "503",
    "429",
    "403",
    "reset",
    "hang",
    "delay",
    "500 after",
    "503 after",
    "lost",
    "hang after",
    "cut",
]
"""What happens to a request:

- ``500``, ``503``, ``429``, ``403``, ``reset``, ``hang``: the service never hears of it. The answer is that status, or
  the connection is reset, or nothing is answered.
- ``delay``: the request reaches the service late, whether or not the client still waits.
- ``500 after``, ``503 after``, ``lost``, ``hang after``: as ``500``, ``503``, ``reset`` and ``hang``, after the service
  has done what was asked. ``cut``: half of the body that Content-Length promises.
"""

FAULTS: tuple[Fault, ...] = get_args(Fault)


@dataclass(frozen=True)
class FaultRule:
    """A fault, and the requests that suffer it: some of those that match ``operation`` and ``target``."""

    fault: Fault
    operation: str = ""
    """Its name, such as ``put-block``; empty: every one."""
    target: str = ""
    """A part of the request's path and query; empty: any."""
    first: int = 1
    """The first that suffers, of those that match since the rule was set. They are counted from 1."""
    times: int = 0
    """How many of them in a row; 0: all that follow."""
    rate: float = 1.0
    """The share of these that suffer, by a draw from the seed."""
    seconds: float = 3600.0
    """How long a ``delay`` or a hanging request takes; the latter ends earlier if its client leaves."""

    def __post_init__(self) -> None:
        if self.fault not in FAULTS:
            raise ValueError(f"There is no fault {self.fault!r}; write one of {', '.join(FAULTS)}.")
        if not 0 <= self.rate <= 1 or self.first < 1 or self.times < 0 or self.seconds < 0:
            raise ValueError(f"{self}: write a rate from 0.0 to 1.0, first from 1, times and seconds from 0.")


@dataclass
class FaultRules:
    """The rules in force. The same seed and rules give the same faults to the same requests in the same order."""

    seed: int = 1
    rules: tuple[FaultRule, ...] = ()
    matched: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.use(self.rules)

    def use(self, rules: Iterable[FaultRule]) -> None:
        """Put ``rules`` in the place of all others. They count from 1 again."""
        self.rules = tuple(rules)
        self.matched = [0] * len(self.rules)

    def decide(self, operation: str, target: str) -> FaultRule | None:
        """Return the first rule that strikes this request. Every rule that matches it counts it."""
        found: FaultRule | None = None
        for place, rule in enumerate(self.rules):
            if rule.operation not in ("", operation) or rule.target not in target:
                continue
            self.matched[place] += 1
            number = self.matched[place] - rule.first
            is_due = number >= 0 and (rule.times == 0 or number < rule.times)
            if found is None and is_due and draw(f"{self.seed} {place} {number}") < rule.rate:
                found = rule
        return found


def draw(text: str) -> float:
    """Return a number from 0.0 to 1.0, 1.0 excluded, which depends on ``text`` alone."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) / 2**64
