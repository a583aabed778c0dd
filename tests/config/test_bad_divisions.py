"""Mistakes in how a run is divided into items: IDs, windows, values."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.rig import IDS, LAST, STREAM, VALUES, WINDOWS, Mistake, check

MISTAKES: dict[str, Mistake] = {
    "letters before numbers of any length": (
        "step = 5000",
        'step = 5000\nprefix = "tt"',
        (
            "streams.flights.full.ids.prefix: IDs that are text of different lengths do not have the order of their "
            "numbers: 'A-10' comes before 'A-9'. Write how many digits each has: digits = 7; or step = 1 and "
            "only_start = true, if each item is one ID."
        ),
    ),
    "letters before numbers of any length, many of them an item": (
        "step = 5000",
        'step = 5000\nprefix = "tt"\nonly_start = true',
        (
            "streams.flights.full.ids.prefix: IDs that are text of different lengths do not have the order of their "
            "numbers: 'A-10' comes before 'A-9'. Write how many digits each has: digits = 7; or step = 1 and "
            "only_start = true, if each item is one ID."
        ),
    ),
    "an ID as a text": (
        LAST,
        'last = "tt0400"',
        (
            'streams.flights.full.ids.last: expected a whole number, found "tt0400". Write last = 400; where IDs are '
            'such texts, prefix = "tt" and digits = 4 too.'
        ),
    ),
    "an ID with more digits than each has": (
        LAST,
        'last = 9999\nprefix = "tt"\ndigits = 4',
        (
            "streams.flights.full.ids: the ID 10000 cannot be written as 'tt' and 4 digits, and an item is told by it. "
            'Write more `digits`; or, if it is one past the last ID, bounds = { end = "inclusive" }.'
        ),
    ),
    "an alphabet with halves of characters": (
        IDS,
        VALUES + 'prefixes = { of = "\\uD700-\\uE000" }',
        (
            "streams.flights.full.values.prefixes: the alphabet holds U+D800, which is half of a character. End a "
            "range at U+D7FF, and begin the next one at U+E000."
        ),
    ),
    "an alphabet with a letter twice": (
        IDS,
        VALUES + 'prefixes = { of = "a-fc" }',
        (
            "streams.flights.full.values.prefixes: the alphabet has 'c' twice. Write each character, or range of them, "
            'once: "0-9a-f".'
        ),
    ),
    "joined prefixes": (
        IDS,
        VALUES + 'prefixes = { of = "a-f" }\njoin = { with = ",", at = "id" }',
        (
            "streams.flights.full.values.join: what begins with a prefix is not told by the prefix in a record. Leave "
            "`join` out."
        ),
    ),
    "text for a number": (
        "step = 5000",
        'step = "many"',
        (
            'streams.flights.full.ids.step: expected a whole number of at least 1, found "many". Write, for '
            "example: step = 5000"
        ),
    ),
    "true for a number": (
        "step = 5000",
        "step = true",
        (
            "streams.flights.full.ids.step: expected a whole number of at least 1, found true. Write, for "
            "example: step = 5000"
        ),
    ),
    "a step of 0": (
        "step = 5000",
        "step = 0",
        (
            "streams.flights.full.ids.step: expected a whole number of at least 1, found 0. Write, for "
            "example: step = 5000"
        ),
    ),
    "ids and windows": (
        IDS,
        IDS + WINDOWS,
        (
            "streams.flights.full: `ids` and `windows` cannot be used together. Keep one of them: `ids`, "
            "`windows`, `values` or `once`."
        ),
    ),
    "no division": (
        IDS,
        "",
        (
            "streams.flights: the stream does not say how a run is divided into items. Write a table "
            "[streams.flights.full.ids] (ranges of IDs), [streams.flights.full.windows] (windows of time), "
            "[streams.flights.full.values] (a list) or [streams.flights.full.once] (one item), or name a "
            "`parent`."
        ),
    ),
    "an empty division": (
        IDS,
        "[streams.flights.full]",
        (
            "streams.flights.full: `ids`, `windows`, `values` or `once` is missing. Write, for example: "
            "[streams.NAME.full.ids]"
        ),
    ),
    "empty word": (
        'at = "rows.0.id" }',
        'at = "rows.0.id", empty = "nothing" }',
        (
            'streams.flights.full.ids.last.empty: expected "no items", found "nothing". Write, for example: '
            'empty = "no items"'
        ),
    ),
    "last below first": (
        LAST,
        "last = 0",
        "streams.flights.full.ids.last: the last ID, 0, is below the first, 1. Write a higher number.",
    ),
    "windows naive": (
        IDS,
        WINDOWS.replace("00Z", "00"),
        (
            "streams.flights.full.windows.start: 2013-01-01T00:00:00 has no offset from UTC. Write, for "
            "example: start = 2013-01-01T00:00:00Z"
        ),
    ),
    "windows quoted": (
        IDS,
        WINDOWS.replace("2013-01-01T00:00:00Z", '"2013-01-01"'),
        (
            'streams.flights.full.windows.start: expected a time without quotes, found "2013-01-01". Write, '
            "for example: start = 2013-01-01T00:00:00Z"
        ),
    ),
    "windows step": (
        IDS,
        WINDOWS.replace('"1d"', "86400"),
        (
            'streams.flights.full.windows.step: expected a duration in quotes, such as "90s", "15m", "2h", '
            '"1d" or "2w", found 86400. Write, for example: step = "1d"'
        ),
    ),
    "windows step0": (
        IDS,
        WINDOWS.replace('"1d"', '"0d"'),
        (
            'streams.flights.full.windows.step: expected a duration above zero, found "0d". Write, for '
            'example: step = "1d"'
        ),
    ),
    "windows end": (
        IDS,
        WINDOWS + "end = 2012-01-01T00:00:00Z\n",
        ("streams.flights.full.windows.end: the end is not after the start. Write a later end, or leave it out."),
    ),
    "windows date": (
        IDS,
        WINDOWS.replace('"1d"', '"12h"') + 'bounds = { format = "date" }\n',
        (
            "streams.flights.full.windows.step: the bounds are dates, so a day that two windows share would be "
            'read twice. Write whole days: step = "1d"'
        ),
    ),
    "windows granule": (
        IDS,
        WINDOWS.replace('"1d"', '"1m"') + 'bounds = { granule = "1h" }\n',
        ("streams.flights.full.windows.step: the step is shorter than the granule of the bounds. Write a longer step."),
    ),
    "windows step that the format cannot tell": (
        IDS,
        WINDOWS.replace('"1d"', '"1500ms"'),
        (
            "streams.flights.full.windows.step: windows of this step from 2013-01-01T00:00:00+00:00 on have "
            "ends that the format of the bounds cannot express, so records at these ends would be read twice. "
            "Use a step and a start of whole seconds, hours or days, as the format has them, or a finer "
            'granule: granule = "1ms".'
        ),
    ),
    "windows start that the format cannot tell": (
        IDS,
        WINDOWS.replace("00:00:00Z", "00:00:00.5Z"),
        (
            "streams.flights.full.windows.step: windows of this step from 2013-01-01T00:00:00.500000+00:00 on "
            "have ends that the format of the bounds cannot express, so records at these ends would be read "
            "twice. Use a step and a start of whole seconds, hours or days, as the format has them, or a finer "
            'granule: granule = "1ms".'
        ),
    ),
    "windows format": (
        IDS,
        WINDOWS + 'bounds = { format = "%H" }\n',
        (
            "streams.flights.full.windows.bounds: format '%H' does not show the year, so one text would stand "
            "for many moments. Write one of iso, date, epoch_seconds, epoch_milliseconds, or strftime text "
            'such as "%Y-%m-%dT%H:%M:%SZ".'
        ),
    ),
    "windows zone": (
        IDS,
        WINDOWS + 'bounds = { zone = "Europe/Londn" }\n',
        (
            "streams.flights.full.windows.bounds: time zone 'Europe/Londn' is not known: write UTC or a name "
            "such as Europe/London. If the name is right, this machine has no time zone database: pip install "
            "tzdata."
        ),
    ),
    "windows edge": (
        IDS,
        WINDOWS + 'bounds = { end = "inclusiv" }\n',
        (
            'streams.flights.full.windows.bounds.end: expected "inclusive" or "exclusive", found "inclusiv". '
            "Did you mean 'inclusive'?"
        ),
    ),
    "lookback in a full run": (
        IDS,
        WINDOWS + 'lookback = "1h"\n',
        (
            "streams.flights.full.windows.lookback: unknown key. Available: query, bounds, start, end, step, settle, "
            "only_start."
        ),
    ),
    "lookback in time for IDs": (
        IDS,
        IDS + IDS.replace("full", "incremental") + 'lookback = "1h"\n',
        (
            'streams.flights.incremental.ids.lookback: expected a whole number of at least 0, found "1h". Write, for '
            "example: lookback = 1000"
        ),
    ),
    "nothing in incremental": (
        IDS,
        IDS + "[streams.flights.incremental]\n",
        (
            "streams.flights.incremental: `windows`, `ids`, `feed` or `if_changed` is missing. Write, for example: "
            "[streams.NAME.incremental.windows]"
        ),
    ),
    "a long name with incremental": (
        STREAM,
        (STREAM + WINDOWS.replace("full", "incremental")).replace(
            "streams.flights", "streams.flights_from_new_york_and_back"
        ),
        (
            "streams.flights_from_new_york_and_back: the name of a stream with `incremental` may have 28 characters; "
            "this one has 30. Write a shorter name."
        ),
    ),
    "a name of incremental items": (
        STREAM,
        STREAM + WINDOWS.replace("full", "incremental") + STREAM.replace("streams.flights", "streams.flights_new"),
        (
            "streams.flights_new: items of incremental runs of 'flights' have this name. Write another name for one of "
            "the two."
        ),
    ),
    "a start of new windows after their end": (
        IDS,
        IDS + WINDOWS.replace("full", "incremental") + "end = 2012-01-01T00:00:00Z\n",
        (
            "streams.flights.incremental.windows.end: the end is not after the start. Write a later end, or leave it "
            "out."
        ),
    ),
    "an empty list of values": (
        IDS,
        VALUES + "list = []",
        (
            "streams.flights.full.values.list: expected a non-empty list, found an empty list. Write, for "
            'example: list = ["AA", "B6"]'
        ),
    ),
    "values of two kinds": (
        IDS,
        VALUES + 'list = ["AA", 1]',
        (
            "streams.flights.full.values.list[1]: expected only texts or only whole numbers in this list, "
            'found 1. Write, for example: list = ["AA", "B6"]'
        ),
    ),
    "a value twice": (
        IDS,
        VALUES + 'list = ["AA", "AA"]',
        'streams.flights.full.values.list[1]: "AA" is listed twice. Remove one of the two.',
    ),
    "values in words": (
        IDS,
        VALUES + 'list = "AA"',
        (
            "streams.flights.full.values.list: expected a non-empty list, found text. Write, for example: list "
            '= ["AA", "B6"]'
        ),
    ),
    "no values": (
        IDS,
        VALUES,
        'streams.flights.full.values: `list`, `from` or `prefixes` is missing. Write, for example: list = ["AA", "B6"]',
    ),
    "a list without pages": (
        IDS,
        VALUES + 'from = { get = "/carriers", records = "rows" }',
        'streams.flights.full.values.from: `pages` is missing. Write, for example: pages = "single"',
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_message_names_the_place_and_the_remedy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake is told in one line: file, key, what is wrong, what to write instead."""
    check(MISTAKES[name], tmp_path, monkeypatch)
