"""`search`: what it becomes, what shapes its records, and how a mistake is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from haulier.api.search.search import Search
from haulier.config.source_file import load_source
from haulier.items.bounds import Bounds
from haulier.sources.fingerprint import fingerprint
from haulier.sources.recipe import StreamRecipe, WindowsRecipe
from tests.config.rig import message

HEAD = """
source = "clicks"

[api]
url = "https://search.example.com"

[streams.clicks]
"""
SEARCH = 'search = { index = "clicks-*", time = "@timestamp" }\n'
WINDOWS = """
[streams.clicks.full.windows]
start = 2024-01-01T00:00:00Z
step = "1d"
"""
ONCE = "[streams.clicks.full.once]\n"


def read(folder: Path, search: str, division: str = WINDOWS) -> StreamRecipe:
    file = folder / "clicks.toml"
    file.write_text(HEAD + search + division)
    (recipe,) = load_source(file, {"COUNTRY": "se"}).streams
    return recipe


def test_a_search_becomes_windows_that_need_no_query(tmp_path: Path) -> None:
    """Their ends are written as the field of time is asked: by milliseconds, or in the unit that is declared."""
    recipe = read(tmp_path, SEARCH)
    assert recipe.search == Search("clicks-*", time="@timestamp")
    windows = WindowsRecipe(
        start=datetime(2024, 1, 1, tzinfo=UTC), step=timedelta(days=1), bounds=Bounds(format="epoch_milliseconds")
    )
    assert recipe.full == windows
    text = (
        'search = { index = "a,b-*", time = "t", unit = "s", query = { term = { c = "${COUNTRY}" } }, add = ["_id"] }\n'
    )
    recipe = read(tmp_path, text)
    assert recipe.search == Search("a,b-*", time="t", unit="s", query={"term": {"c": "se"}}, add=("_id",))
    assert isinstance(recipe.full, WindowsRecipe)
    assert recipe.full.bounds == Bounds(format="epoch_seconds")


def test_what_shapes_no_record_may_change(tmp_path: Path) -> None:
    """An open run goes on with another page size, and not with another query."""

    def of(search: str) -> bytes:
        recipe = read(tmp_path, search)
        return fingerprint("full", [recipe], {recipe.name: recipe})

    known = of(SEARCH)
    more = 'size = 100, slices = 4, tie = "id", keep_alive = "30s"'
    assert of(SEARCH.replace(" }", f", {more} }}")) == known
    for other in ('query = { term = { c = "se" } }', 'add = ["_id"]', 'unit = "s"'):
        assert of(SEARCH.replace(" }", f", {other} }}")) != known


CLAUSE = 'query = { term = { c = "{value}" } }'
VALUES = '[streams.clicks.full.values]\nlist = ["se", "no"]\n'
MISTAKES = {
    "a list beside it": (
        SEARCH + 'records = "hits"\n',
        WINDOWS,
        "streams.clicks.records: `search` and `records` cannot be used together. Remove it: what a search asks, and "
        "how it is paged, stands in `search`.",
    ),
    "a path beside it": (
        SEARCH + 'get = "/items"\n',
        WINDOWS,
        "streams.clicks: `get` and `search` cannot be used together. Keep one of them: `get`, `post` or `search`.",
    ),
    "a query of windows": (
        SEARCH,
        WINDOWS + 'query = { a = "{start}" }\n',
        "streams.clicks.full.windows.query: a search tells the server its items by itself. Remove it.",
    ),
    "windows of no field": (
        'search = { index = "clicks" }\n',
        WINDOWS,
        "streams.clicks.search: windows are about a field of time, and the search names none. Write, for example: "
        'time = "@timestamp"',
    ),
    "a bound in the query": (
        SEARCH.replace(" }", ', query = { term = { c = "{start}" } } }'),
        WINDOWS,
        "streams.clicks.search.query: {start} is not available here. Available: {snapshot_time}.",
    ),
    "values that it does not use": (
        'search = { index = "clicks" }\n',
        VALUES,
        "streams.clicks.full.values: the search does not use {value}, so an item would fetch more than its own "
        'documents. Write, for example: query = { term = { country = "{value}" } }',
    ),
    "a size above the cap": (
        'search = { index = "clicks", size = 10001 }\n',
        ONCE,
        "streams.clicks.search: the size of a search is 10001: write a whole number from 1 to 10,000.",
    ),
    "an index that is a path": (
        'search = { index = "clicks/_search" }\n',
        ONCE,
        "streams.clicks.search: the index of a search cannot be 'clicks/_search'. Write a name or a pattern: clicks-*",
    ),
    "a time that is kept for ever": (
        'search = { index = "clicks", keep_alive = "1d" }\n',
        ONCE,
        "streams.clicks.search: the keep_alive of a search is '1d': write seconds or minutes, such as 1m.",
    ),
    "a query that is text": (
        'search = { index = "clicks", query = "country:se" }\n',
        ONCE,
        'streams.clicks.search.query: expected a clause of the query DSL, found "country:se". Write, for example: '
        'query = { term = { country = "se" } }',
    ),
    "a field of another kind": (
        'search = { index = "clicks", add = ["_score"] }\n',
        ONCE,
        'streams.clicks.search.add[0]: expected "_id" or "_index", found "_score". Write, for example: add = ["_id"]',
    ),
    "a time without windows": (
        SEARCH,
        ONCE,
        "streams.clicks.search.time: windows alone are about a field of time, and the stream has none. Divide it by "
        "`windows`, or leave out `time` and `unit`.",
    ),
    "a feed": (
        SEARCH,
        WINDOWS + '[streams.clicks.incremental.feed]\nlink = "next"\n',
        "streams.clicks.incremental.feed: a search has no feed that could be gone on with. Divide it by `windows` of a "
        "field of time.",
    ),
    "a key of the hit": (
        'search = { index = "clicks", add = ["_index"] }\nkey = ["_index", "_id"]\n',
        ONCE,
        "streams.clicks.key: a document has no '_id': it stands beside it, in the hit. Put it in front: "
        'add = ["_index", "_id"] in `search`.',
    ),
    "slices above the cap": (
        'search = { index = "clicks", slices = 33 }\n',
        ONCE,
        "streams.clicks.search: the slices of a search are 33: write a whole number from 1 to 32.",
    ),
    "a unit without a time": (
        'search = { index = "clicks", unit = "s" }\n',
        ONCE,
        "streams.clicks.search: a search with a unit has no time. Write the field of the time, or leave out the unit.",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_message_names_the_place_and_the_remedy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake is told in one line: file, key, what is wrong, what to write instead."""
    search, division, expected = MISTAKES[name]
    assert message(tmp_path, HEAD + search + division, monkeypatch) == f"flights.toml: {expected}"


def test_values_and_everything_at_once_are_read(tmp_path: Path) -> None:
    """Placeholders stand in the query; without a division there is one item."""
    recipe = read(tmp_path, f'search = {{ index = "clicks", {CLAUSE} }}\n', VALUES)
    assert recipe.search == Search("clicks", query={"term": {"c": "{value}"}})
    assert read(tmp_path, 'search = { index = "clicks" }\n', ONCE).search == Search("clicks")
