"""Mistakes in a stream that has a parent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.rig import CREW, IDS, RECORDS, WINDOWS, Mistake, check

MISTAKES: dict[str, Mistake] = {
    "a misspelt parent": (
        IDS,
        IDS + CREW.replace('"flights"', '"fligths"'),
        "streams.crew.parent: there is no other stream 'fligths'. Did you mean 'flights'?",
    ),
    "a parent of itself": (
        IDS,
        IDS + CREW.replace('"flights"', '"crew"'),
        "streams.crew.parent: there is no other stream 'crew'. Available: flights.",
    ),
    "a parent with a parent": (
        IDS,
        IDS + CREW + CREW.replace('flights"', 'crew"').replace("s.crew", "s.meals"),
        (
            "streams.meals.parent: 'crew' has a parent itself, and a parent of a parent is not supported. Name "
            "a stream that is divided by `full.ids`, `full.windows`, `full.values` or `full.once`."
        ),
    ),
    "a parent without full": (
        IDS,
        WINDOWS.replace("full", "incremental") + CREW,
        (
            "streams.crew.parent: 'flights' does not say how a full run is divided into items. Write a table "
            "[streams.flights.full.ids], or another of its kind."
        ),
    ),
    "a parent and full": (
        IDS,
        IDS + CREW + IDS.replace("flights.full", "crew.full"),
        "streams.crew: `parent` and `full` cannot be used together. Keep one of them.",
    ),
    "a batch without parent": (
        RECORDS,
        "batch = 5\n" + RECORDS,
        ("streams.flights.batch: only a stream with a `parent` can have this key. Remove it, or name the parent."),
    ),
    "an unknown policy": (
        IDS,
        IDS + CREW + 'absent = "ignore"',
        ('streams.crew.absent: expected "fail" or "skip", found "ignore". Write, for example: absent = "skip"'),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_message_names_the_place_and_the_remedy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake is told in one line: file, key, what is wrong, what to write instead."""
    check(MISTAKES[name], tmp_path, monkeypatch)
