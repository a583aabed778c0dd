"""What a check found: one sentence, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from haulier.cli.exit_codes import exit_code_of
from haulier.errors import HaulierError, sentence

FoundState = Literal["ok", "warning", "wrong", "away"]
"""``away``: what is asked cannot be reached now, so the same command may find it well later."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Names and states stay, since ``doctor --json`` prints them."""

    check: str
    """``source``, ``versions``, ``on_close``, ``telemetry``, ``lake``, ``disk``, ``queue``, ``scope``, ``runs``,
    ``credentials``, ``first_page``, ``filter``, ``expect`` or ``clock``."""
    subject: str = ""
    """The stream, run or place that it is about."""
    state: FoundState = "ok"
    text: str
    remedy: str = ""
    """What a person can do, where something is to be done."""


def failed(check: str, error: HaulierError, subject: str = "", redact: Callable[[str], str] = str) -> Finding:
    """An error says by itself what to do."""
    state: FoundState = "away" if exit_code_of(error) == 4 else "wrong"
    return Finding(check=check, subject=subject, state=state, text=sentence(redact(str(error))))


def worst_of(findings: list[Finding]) -> FoundState:
    states = {finding.state for finding in findings}
    order: tuple[FoundState, ...] = ("wrong", "away", "warning", "ok")
    return next((state for state in order if state in states), "ok")
