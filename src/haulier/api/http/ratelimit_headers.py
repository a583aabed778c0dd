"""RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers, both syntaxes), and the X-RateLimit family.

Unreadable fields are ignored, as the draft demands; Retry-After takes precedence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from multidict import CIMultiDictProxy

from haulier.api.http.retry_after import parse_wait_seconds, seconds_of, since_of

_MAX_NUMBER = 10**15
"""Limit of RFC 9651 3.3.1."""

_STRING = r'"((?:[^"\\]|\\["\\])*)"'
_WORD = r"([A-Za-z*][\w!#$%&'*+.^`|~:/-]*)"
_NAME = re.compile(rf"\s*(?:{_STRING}|{_WORD})", re.ASCII)
_VALUE = rf"(?:(-?\d{{1,15}}(?:\.\d{{1,3}})?)|{_STRING}|:[\w+/=]*:|\?[01]|{_WORD})"
_PARAMETER = re.compile(rf"\s*;\s*([a-z*][a-z0-9_.*-]*)(?:={_VALUE})?", re.ASCII)
_COMMA = re.compile(r"\s*(?:,|$)", re.ASCII)
"""Lists are matched comma by comma: one pattern could backtrack for years on a hostile header."""
_PAIR = re.compile(r"\s*([a-z]+)\s*=\s*(\d{1,15})\s*(?:;[^,]*)?", re.ASCII)
_OLD_POLICY = re.compile(r"\s*(\d{1,15})\s*;\s*w\s*=\s*(\d{1,15})\s*(?:;[^,]*)?", re.ASCII)
_NUMBER = re.compile(r"\s*(\d{1,19}(?:\.\d+)?)\s*(?:[;,].*)?", re.ASCII)
_FAMILY = re.compile(r"((?:x-)?(?:[a-z0-9]+-)?)rate-?limit-(.+)", re.ASCII)
_ROLES = {"limit", "remaining", "reset"}
_RESET_WORDS = {"after", "at", "in", "time", "seconds", "ms", "milliseconds"}
_MILLISECONDS = {"ms", "milliseconds"}


@dataclass(frozen=True, slots=True)
class Policy:
    name: str
    quota: int
    window_seconds: int | None = None
    unit: str = "requests"
    """Others: ``content-bytes``, ``concurrent-requests``."""


@dataclass(frozen=True, slots=True)
class Limit:
    """State of a quota, where known."""

    name: str
    remaining: int | None = None
    reset_seconds: float | None = None
    """Counted from the answer, rounded up; 0 if past."""
    quota: int | None = None


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Hints of one answer: an API may refuse earlier, or serve more."""

    limits: tuple[Limit, ...] = ()
    policies: tuple[Policy, ...] = ()

    @property
    def is_exhausted(self) -> bool:
        return any(limit.remaining == 0 for limit in self.limits)

    @property
    def exhausted_seconds(self) -> float | None:
        """Seconds until the last used-up quota resets."""
        return max(
            (limit.reset_seconds for limit in self.limits if limit.remaining == 0 and limit.reset_seconds is not None),
            default=None,
        )


NO_RATE_LIMITS = RateLimits()


def rate_limits(headers: CIMultiDictProxy[str], now: datetime) -> RateLimits:
    """Never raises. An answer with an ``Age`` above 0 is from a cache: its limits are ignored.

    Moments are measured against the answer's ``Date``, or else ``now``.
    """
    # Most answers have none of them: this check takes 2 us where the full search takes 18.
    if not any("rate" in header.lower() for header in headers) or (headers.get("Age") or "0").strip() != "0":
        return NO_RATE_LIMITS
    since = since_of(headers, now)
    policies = tuple(_policies(", ".join(headers.getall("RateLimit-Policy", ()))))
    current = ", ".join(headers.getall("RateLimit", ()))
    limits = (*_new_limits(current, since), *_old_limits(current, since), *_families(headers, since))
    return RateLimits(limits, policies) if limits or policies else NO_RATE_LIMITS


_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def is_exhausted(headers: CIMultiDictProxy[str]) -> bool:
    return rate_limits(headers, _ANY_TIME).is_exhausted


def _new_limits(text: str, since: datetime) -> Iterator[Limit]:
    """``"default";r=50;t=30``"""
    for name, parameters in _items(text):
        remaining = parameters.get("r")
        if isinstance(remaining, int):
            reset = parameters.get("t")
            yield Limit(name, remaining, seconds_of(reset, since) if isinstance(reset, int) else None)


def _policies(text: str) -> Iterator[Policy]:
    """``"burst";q=100;w=60,"daily";q=1000;w=86400``, or ``100;w=60`` up to the draft's version 7."""
    for name, parameters in _items(text):
        quota, window, unit = parameters.get("q"), parameters.get("w"), parameters.get("qu", "requests")
        if isinstance(quota, int):
            yield Policy(name, quota, window if isinstance(window, int) and window else None, str(unit))
    for number, part in enumerate(text.split(",")):
        if old := _OLD_POLICY.fullmatch(part):
            yield Policy(f"policy-{number}", int(old[1]), int(old[2]) or None)


def _old_limits(text: str, since: datetime) -> Iterator[Limit]:
    """``limit=100, remaining=50, reset=30``, an older syntax that is still sent."""
    pairs = {found[1]: int(found[2]) for part in text.split(",") if (found := _PAIR.fullmatch(part))}
    if "remaining" in pairs or "reset" in pairs:
        reset = pairs.get("reset")
        seconds = None if reset is None else seconds_of(reset, since)
        yield Limit("default", pairs.get("remaining"), seconds, pairs.get("limit"))


def _families(headers: CIMultiDictProxy[str], since: datetime) -> Iterator[Limit]:
    """``X-RateLimit-Remaining``, ``RateLimit-Reset``, ``X-HubSpot-RateLimit-Daily-Remaining``."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for header, value in headers.items():
        match = _FAMILY.fullmatch(header.lower())
        if match is None:
            continue
        words = match[2].split("-")
        role = next((word for word in words if word in _ROLES), None)
        if role is not None:
            is_reset = role == "reset"
            name = "-".join(word for word in words if word != role and not (is_reset and word in _RESET_WORDS))
            if is_reset and _MILLISECONDS.intersection(words):
                role = "reset-ms"
            found.setdefault((match[1], name or "default"), {}).setdefault(role, value)
    for (_, name), values in found.items():
        remaining, quota = _count(values.get("remaining")), _count(values.get("limit"))
        reset = reset_seconds(values["reset"], since) if "reset" in values else None
        if reset is None and "reset-ms" in values:
            reset = reset_seconds(values["reset-ms"], since, in_milliseconds=True)
        if remaining is not None or reset is not None:
            yield Limit(name, remaining, reset, quota)


def reset_seconds(text: str, since: datetime, *, in_milliseconds: bool = False) -> float | None:
    """Read seconds from now, seconds or milliseconds since 1970, an HTTP-date or RFC 3339."""
    number = _NUMBER.fullmatch(text)
    if number is None and text.strip().startswith(("-", "+", ".")):
        return None
    return parse_wait_seconds(number[1] if number is not None else text, since, in_milliseconds=in_milliseconds)


def _items(text: str) -> Iterator[tuple[str, dict[str, int | str]]]:
    """Read a list (RFC 9651). A broken one yields nothing: half of it may mislead."""
    items: list[tuple[str, dict[str, int | str]]] = []
    at = 0
    while at < len(text) or text.endswith(","):
        name = _NAME.match(text, at)
        if name is None:
            return
        at = name.end()
        parameters: dict[str, int | str] = {}
        while parameter := _PARAMETER.match(text, at):
            key, number, string, token = parameter.groups()
            parameters[key] = int(number) if number and number.isdigit() else number or string or token or ""
            at = parameter.end()
        comma = _COMMA.match(text, at)
        if comma is None:
            return
        items.append((name[1] if name[1] is not None else name[2], parameters))
        at = comma.end()
    yield from items


def _count(text: str | None) -> int | None:
    number = _NUMBER.fullmatch(text) if text is not None else None
    return None if number is None else min(_MAX_NUMBER, int(float(number[1])))
