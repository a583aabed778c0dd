"""Placeholders in a request that are misspelt, have no value there, or are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.rig import CREW, IDS, VALUES, Mistake, check

MISTAKES: dict[str, Mistake] = {
    "no placeholders": (
        'query = { id__gte = "{start}", id__lt = "{end}" }\n',
        "",
        (
            "streams.flights.full.ids: the request does not use {start} and {end}, so an item would fetch more "
            'than its own records. Write, for example: query = { from = "{start}", to = "{end}" }'
        ),
    ),
    "half of the placeholders": (
        'id__lt = "{end}"',
        'id__lt = "9"',
        (
            "streams.flights.full.ids: the request does not use {end}, so an item would fetch more than its "
            'own records. Write, for example: query = { from = "{start}", to = "{end}" }; or only_start = '
            "true, if the start alone tells the API the whole item."
        ),
    ),
    "a misspelt placeholder": (
        '"{start}"',
        '"{strat}"',
        "streams.flights.full.ids.query.id__gte: {strat} is not a placeholder. Did you mean {start}?",
    ),
    "a placeholder of another division": (
        '"{start}"',
        '"{value}"',
        (
            "streams.flights.full.ids.query.id__gte: {value} is not available here. Available: {start}, {end}, "
            "{snapshot_time}."
        ),
    ),
    "a placeholder of a parent": (
        '"{start}"',
        '"{parent.id}"',
        (
            "streams.flights.full.ids.query.id__gte: {parent.id} is not available here. Available: {start}, "
            "{end}, {snapshot_time}."
        ),
    ),
    "a placeholder in capitals": (
        '"{start}"',
        '"{START}"',
        "streams.flights.full.ids.query.id__gte: {START} is not a placeholder. Did you mean {start}?",
    ),
    "a placeholder where there is no item": (
        "records =",
        'expect = { get = "/count", query = { a = "{start}" }, at = "n" }\nrecords =',
        "streams.flights.expect.query.a: {start} is not available here. Write the value itself.",
    ),
    "a parameter twice": (
        "records =",
        "query = { id__lt = 7 }\nrecords =",
        (
            "streams.flights.full.ids.query.id__lt: the stream's own query has this parameter too. Keep it in "
            "one of the two tables."
        ),
    ),
    "a placeholder to add that is none": (
        'records = "rows"',
        'records = "rows"\nadd = { of = "{parent.id}" }',
        ("streams.flights.add.of: {parent.id} is not available here. Available: {start}, {end}, {snapshot_time}."),
    ),
    "values without their placeholder": (
        IDS,
        VALUES.replace("{value}", "AA") + 'list = ["AA"]',
        (
            "streams.flights.full.values: the request does not use {value}, so an item would fetch more than "
            'its own records. Write, for example: query = { name = "{value}" }'
        ),
    ),
    "a placeholder in a list's request": (
        IDS,
        VALUES + 'from = { get = "/carriers/{value}", records = "rows", pages = "link" }',
        "streams.flights.full.values.from.get: {value} is not available here. Write the value itself.",
    ),
    "a placeholder for everything": (
        IDS,
        '[streams.flights.full.once]\nquery = { after = "{start}" }',
        "streams.flights.full.once.query.after: {start} is not available here. Available: {snapshot_time}.",
    ),
    "no field of the parent": (
        IDS,
        IDS + CREW.replace("{parent.id}", "1"),
        (
            "streams.crew: the request uses no field of the parent, so every parent would fetch the same "
            'records. Write, for example: get = "/posts/{parent.id}/comments"'
        ),
    ),
    "a placeholder of the item of a parent": (
        IDS,
        IDS + CREW.replace("{parent.id}", "{start}"),
        (
            "streams.crew.get: {start} is not available here. Available: {parent.FIELD}, {parents.STREAM.FIELD}, "
            "{snapshot_time}."
        ),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_message_names_the_place_and_the_remedy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake is told in one line: file, key, what is wrong, what to write instead."""
    check(MISTAKES[name], tmp_path, monkeypatch)
