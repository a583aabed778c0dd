"""A good source file to make mistakes in, and the check of the message that a mistake gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from haulier.config.source_file import load_source
from haulier.errors import SourceFileError

Mistake = tuple[str, str, str]
"""The part of `GOOD` that is replaced, its replacement, and the message without the name of the file."""

GOOD = """
source = "flights"

[api]
url = "https://api.example.com"

[streams.flights]
get = "/flights.json"
records = "rows"
pages = { cursor = "next", query = "_next" }

[streams.flights.full.ids]
query = { id__gte = "{start}", id__lt = "{end}" }
last = { get = "/flights.json", at = "rows.0.id" }
step = 5000
"""
STREAM = GOOD[GOOD.index("[streams.flights]") :]
IDS = GOOD[GOOD.index("[streams.flights.full.ids]") :]
WINDOWS = """
[streams.flights.full.windows]
query = { since = "{start}", until = "{end}" }
start = 2013-01-01T00:00:00Z
step = "1d"
"""
VALUES = """[streams.flights.full.values]
query = { carrier = "{value}" }
"""
CREW = """
[streams.crew]
parent = "flights"
get = "/flights/{parent.id}/crew.json"
records = "."
pages = "single"
"""
RECORDS = 'records = "rows"'
PAGES = 'pages = { cursor = "next", query = "_next" }'
GET = 'get = "/flights.json"\nrec'
LAST = 'last = { get = "/flights.json", at = "rows.0.id" }'


def check(mistake: Mistake, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the mistake in a file of its own, and compare the whole message."""
    before, after, expected = mistake
    assert before in GOOD
    assert message(folder, GOOD.replace(before, after), monkeypatch) == f"flights.toml: {expected}"


def message(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a person reads about the source file with this text."""
    monkeypatch.chdir(folder)
    file = Path("flights.toml")
    file.write_text(text)
    with pytest.raises(SourceFileError) as caught:
        load_source(file, {})
    assert caught.value.file == "flights.toml"
    assert f"{caught.value.problem} {caught.value.remedy}".strip() in str(caught.value)
    return str(caught.value)
