"""Mistakes in `rules`: the meaning of answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.rig import RECORDS, Mistake, check

MISTAKES: dict[str, Mistake] = {
    "a rule without condition": (
        "[streams.flights]",
        '[[api.rules]]\naction = "pause"\n[streams.flights]',
        (
            "api.rules[0]: a rule without a condition would apply to every answer. "
            "Give it `status`, `header`, `text` or `at`."
        ),
    ),
    "a rule without action": (
        "[streams.flights]",
        "[[api.rules]]\nstatus = 403\n[streams.flights]",
        'api.rules[0]: `action` is missing. Write, for example: action = "pause"',
    ),
    "a misspelt action": (
        RECORDS,
        'rules = [{ status = 403, action = "paus" }]\n' + RECORDS,
        (
            'streams.flights.rules[0].action: expected "ok", "retry", "retry_later", "outage", "pause", '
            '"auth", "config", "poison", "split", "restart", "end" or "absent", found "paus". Did you mean '
            "'pause'?"
        ),
    ),
    "rules as a table": (
        RECORDS,
        "rules = { status = 403 }\n" + RECORDS,
        (
            "streams.flights.rules: expected a non-empty list, found a table. Write, for example: rules = [{ "
            'status = 403, text = "rate limit", action = "pause" }]'
        ),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_message_names_the_place_and_the_remedy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake is told in one line: file, key, what is wrong, what to write instead."""
    check(MISTAKES[name], tmp_path, monkeypatch)
