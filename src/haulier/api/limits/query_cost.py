"""Limits on what queries cost rather than on how many they are, told in each answer's body.

Shopify   extensions.cost: requestedQueryCost, throttleStatus { currentlyAvailable restoreRate }
GitHub    data.rateLimit, if the query asks for it: cost, remaining, resetAt
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

import msgspec

from haulier.api.http.retry_after import parse_wait_seconds
from haulier.api.records.paths import check_path, raw_at
from haulier.errors import UsageError

MAX_COST_WAIT_SECONDS: Final = 900.0
"""After it what is left is read again, as from headers."""


@dataclass(frozen=True, slots=True)
class QueryCost:
    """Paths in the body. Raises `UsageError`."""

    available: str = ""
    """What is left."""
    needed: str = ""
    """What this query costs, and so the next."""
    restored: str = ""
    """What comes back in a second."""
    reset_at: str = ""
    """The moment at which all of it comes back."""

    def __post_init__(self) -> None:
        if not self.available or not self.needed or bool(self.restored) == bool(self.reset_at):
            raise UsageError(
                "`cost` needs the paths of what is `available` and what a query `needed`, and either of what is "
                "`restored` in a second or of the time that it is `reset_at`."
            )
        for each in fields(self):
            if path := getattr(self, each.name):
                check_path(path)

    @classmethod
    def of(cls, declared: object) -> QueryCost:
        names = [each.name for each in fields(cls)]
        if not isinstance(declared, Mapping) or not all(isinstance(value, str) for value in declared.values()):
            raise UsageError(f"cost must be a table of texts. Its keys are: {', '.join(names)}.")
        unknown = sorted(set(declared) - set(names))
        if unknown:
            raise UsageError(f"cost has no key {unknown[0]!r}. Its keys are: {', '.join(names)}.")
        return cls(**declared)

    def lack(self, body: bytes) -> str:
        """The first of the paths at which such a body has nothing to reckon with; "" where it tells all."""
        try:
            for path in filter(None, (self.available, self.needed, self.restored)):
                if _number(body, path) is None:
                    return path
            return self.reset_at if self.reset_at and raw_at(body, self.reset_at) is None else ""
        except (msgspec.DecodeError, RecursionError):
            return self.available

    def seconds(self, body: bytes, now: datetime) -> float:
        """How long to wait until one more query can be paid for; 0 where the body does not tell."""
        try:
            available, needed = _number(body, self.available), _number(body, self.needed)
            if available is None or needed is None or available >= needed:
                return 0.0
            if self.restored:
                restored = _number(body, self.restored)
                wait = (needed - available) / restored if restored is not None and restored > 0 else None
            else:
                found = raw_at(body, self.reset_at)
                text = "" if found is None else bytes(found).decode().strip('"')
                wait = parse_wait_seconds(text, now)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return 0.0
        return 0.0 if wait is None else min(MAX_COST_WAIT_SECONDS, max(0.0, wait))


def _number(body: bytes, path: str) -> float | None:
    """What is available may be less than nothing: some APIs charge a query once it is done."""
    found = raw_at(body, path)
    try:
        value = None if found is None else msgspec.json.decode(found)
    except msgspec.DecodeError:
        return None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
