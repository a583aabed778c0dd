"""Mistakes in a stream that has a parent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.rig import CREW, GET, IDS, RECORDS, VALUES, WINDOWS, Mistake, check

MEALS = CREW.replace('flights"', 'crew"').replace("s.crew", "s.meals")

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
    "a parent of its parent": (
        IDS,
        CREW.replace('"flights"', '"meals"') + MEALS.replace("[streams.flights.full.ids]", "") + IDS,
        (
            "streams.crew.parent: the parents lead in a circle: crew of meals of crew. Name a stream above that is "
            "divided by `full` itself."
        ),
    ),
    "a stream above that is the parent": (
        IDS,
        IDS + CREW + MEALS.replace("parent.id", "parent.id}/{parents.crew.id"),
        "streams.meals: {parents.crew.id} names the parent itself. Write {parent.id} for it.",
    ),
    "the parent named as a stream above, alone": (
        IDS,
        IDS + CREW + MEALS.replace("parent.id", "parents.crew.id"),
        (
            "streams.meals: the request uses no field of the parent, so every parent would fetch the same records. "
            "Write {parent.id} for {parents.crew.id}, which is of the parent itself."
        ),
    ),
    "a stream above that is misspelt": (
        IDS,
        IDS + CREW + MEALS.replace("parent.id", "parent.id}/{parents.fligths.id"),
        ("streams.meals: {parents.fligths.id}: no stream 'fligths' is above the parent. Did you mean 'flights'?"),
    ),
    "a stream above a parent that has none": (
        IDS,
        IDS + CREW.replace("parent.id", "parent.id}/{parents.planes.id"),
        (
            "streams.crew: {parents.planes.id}: no stream 'planes' is above the parent. Write {parent.FIELD} for a "
            "field of the parent."
        ),
    ),
    "a stream above without a field": (
        IDS,
        IDS + CREW.replace("parent.id", "parent.id}/{parents.flights"),
        (
            "streams.crew.get: {parents.flights} is not a placeholder. Write {parent.FIELD} for a field of the parent, "
            "{parents.STREAM.FIELD} for one of a stream above it."
        ),
    ),
    "a link without a parent": (
        GET,
        GET.replace("/flights.json", "{parent.url}"),
        ("streams.flights.get: {parent.url} is not available here. Available: {start}, {end}, {snapshot_time}."),
    ),
    "a query behind a link": (
        IDS,
        IDS + CREW.replace("/flights/{parent.id}/crew.json", "{parent.url}?full=1"),
        (
            'streams.crew.get: "{parent.url}?full=***" is no path, and not the link of a record. Write the link alone, '
            'or a path behind it: get = "{parent.url}" or "{parent.url}/comments"; parameters go into `query`.'
        ),
    ),
    "joined parents that may be absent": (
        IDS,
        IDS + CREW + 'join = { with = ",", at = "id" }\nabsent = "skip"',
        (
            "streams.crew: `absent` is about one parent, and `join` asks for several at once. Leave `absent` out, and "
            'write missing = "skip" in `join`.'
        ),
    ),
    "joined parents by two fields": (
        IDS,
        IDS + CREW.replace("{parent.id}", "{parent.id}/{parent.day}") + 'join = { with = ",", at = "id" }',
        (
            "streams.crew.join: one field of many parents is joined, and the request uses {parent.day} and {parent.id}"
            ". Keep one of them, or leave `join` out."
        ),
    ),
    "a word about links where there is none": (
        IDS,
        IDS + CREW + 'link_origin = "own"',
        (
            "streams.crew.link_origin: only a stream whose path is a link of its parent's record can have this key. "
            'Remove it, or write, for example: get = "{parent.url}"; links to further pages have it in `pages`.'
        ),
    ),
    "joined links": (
        IDS,
        IDS + CREW.replace("/flights/{parent.id}/crew.json", "{parent.url}") + 'join = { with = ",", at = "id" }',
        "streams.crew.join: each link leads to one record. Leave `join` out.",
    ),
    "joined parents in add": (
        IDS,
        IDS + CREW + 'join = { with = ",", at = "id" }\nadd = { flight = "{parent.id}" }',
        (
            "streams.crew.add.flight: {parent.id} is not available here. Available: {parents.STREAM.FIELD}, "
            "{snapshot_time}."
        ),
    ),
    "a join without a parent": (
        RECORDS,
        'join = { with = ",", at = "id" }\n' + RECORDS,
        "streams.flights.join: only a stream with a `parent` can have this key. Remove it, or name the parent.",
    ),
    "a join that tells no value": (
        IDS,
        IDS + CREW + 'join = { with = "," }',
        'streams.crew.join: `at` is missing. Write, for example: at = "id"',
    ),
    "a batch of values that are not joined": (
        IDS,
        VALUES + 'list = ["AA"]\nbatch = 5',
        (
            "streams.flights.full.values.batch: only values with `join` are asked for several at once. Remove it, or "
            'write, for example: join = { with = "|", at = "id" }'
        ),
    ),
    "a value that holds what joins": (
        IDS,
        VALUES + 'list = ["AA", "B|6"]\njoin = { with = "|", at = "id" }',
        (
            "streams.flights.full.values.list[1]: the value 'B|6' holds '|', which stands between joined values. Write "
            "another text in `join.with`."
        ),
    ),
    "a joined value in add": (
        "\n" + IDS,
        '\nadd = { carrier = "{value}" }\n' + VALUES + 'list = ["AA"]\njoin = { with = "|", at = "id" }',
        "streams.flights.add.carrier: {value} is not available here. Available: {snapshot_time}.",
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
