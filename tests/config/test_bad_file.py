"""Keys that no table has, and names that no source or stream can have."""

from __future__ import annotations

from pathlib import Path

import pytest

from haulier.config.stream_table import STREAM as STREAM_TABLE
from tests.config.rig import STREAM, Mistake, check

MISTAKES: dict[str, Mistake] = {
    "a misspelt key": (
        "records =",
        "recods =",
        "streams.flights.recods: unknown key. Did you mean 'records'?",
    ),
    "a misspelt table": (
        "[api]",
        "[apii]",
        "apii: unknown key. Did you mean 'api'?",
    ),
    "an unknown key": (
        "records =",
        "zzz =",
        (f"streams.flights.zzz: unknown key. Available: {', '.join(field.name for field in STREAM_TABLE.fields)}."),
    ),
    "no source": (
        'source = "flights"',
        "",
        '`source` is missing. Write, for example: source = "flights"',
    ),
    "a source's name": (
        'source = "flights"',
        'source = "Flights EU"',
        (
            "source: expected a name of at most 40 characters (a-z, 0-9 and _, beginning with a letter), found "
            '"Flights EU". Write, for example: source = "flights"'
        ),
    ),
    "a source's long name": (
        'source = "flights"',
        'source = "' + 41 * "f" + '"',
        (
            "source: expected a name of at most 40 characters (a-z, 0-9 and _, beginning with a letter), found "
            '"fffffffffffffffffffffffffffffffffffffffff". Write, for example: source = "flights"'
        ),
    ),
    "no streams": (
        STREAM,
        "",
        "`streams` is missing. Write, for example: [streams.flights]",
    ),
    "a stream's name": (
        "streams.flights",
        "streams.Flights-EU",
        (
            "streams.Flights-EU: expected a name of at most 30 characters (a-z, 0-9 and _, beginning with a "
            'letter), found "Flights-EU". Write, for example: [streams.flights]'
        ),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_message_names_the_place_and_the_remedy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake is told in one line: file, key, what is wrong, what to write instead."""
    check(MISTAKES[name], tmp_path, monkeypatch)
