"""Mistakes in jobs and feeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.rig import IDS, PAGES, RECORDS, Mistake, check

POLL = 'id = "id"\npoll = "/jobs/{job}"\n'


def job(lines: str) -> str:
    return f"[streams.flights.job]\n{lines}\n{IDS}"


def feed(lines: str, kind: str = "feed") -> str:
    return f"{IDS}\n[streams.flights.incremental.{kind}]\n{lines}\n"


MISTAKES: dict[str, Mistake] = {
    "a job that nobody asks about": (
        IDS,
        job('id = "id"'),
        'streams.flights.job: `poll`, `poll_at` or `poll_header` is missing. Write, for example: poll = "/jobs/{job}"',
    ),
    "a state without words": (
        IDS,
        job(POLL + 'state = "state"'),
        "streams.flights.job: a job's `state` needs the words that mean `done` and `failed`; without `state`, status "
        "202 means that it is not done.",
    ),
    "an item in a question about a job": (
        IDS,
        job('id = "id"\npoll = "/jobs/{job}?of={start}"'.replace("?of=", "/")),
        "streams.flights.job.poll: {start} is not available here. The item is told by the request that starts the job; "
        "{job} is the job.",
    ),
    "a GET with a body": (
        IDS,
        job('id = "id"\npoll = { get = "/jobs/{job}", json = { a = 1 } }'),
        "streams.flights.job.poll: a POST has a body, and a GET has none. Write `post` and `json`, or `get` alone.",
    ),
    "files over http": (
        IDS,
        job(POLL + 'files = "url"\ndownload_origin = "http://files.example.com"'),
        "streams.flights.job: the download_origin 'http://files.example.com' is not https: whoever is on the way could "
        "change the files.",
    ),
    "files with pages": (
        IDS,
        job(POLL + 'files = "url"'),
        'streams.flights.pages: each of the `files` of the job is read as one page. Write pages = "single".',
    ),
    "a first request that nobody sends": (
        IDS,
        feed('token = "sync"\nquery = "since"\nfirst_reads = "all"'),
        "streams.flights.incremental.feed: `first_reads` is about `first`. Leave it out: without `first` all is read.",
    ),
    "a token that goes nowhere": (
        IDS,
        feed('token = "sync"'),
        "streams.flights.incremental.feed: a token is sent in one place. Write `query` or `body`; for a link none of "
        "them.",
    ),
    "a feed of a body without one": (
        IDS,
        feed('token = "sync"\nbody = "cursor"'),
        "streams.flights.incremental.feed.body: a GET request has no body. Write `query`, or `post` in place of `get`.",
    ),
    "a parameter of a feed twice": (
        RECORDS,
        f'{RECORDS}\nquery = {{ since = "0" }}\nincremental.feed = {{ token = "sync", query = "since" }}',
        "streams.flights.incremental.feed: the stream's own query has the parameter 'since' too. Keep it in one of the "
        "two.",
    ),
    "one answer that is several": (
        PAGES,
        f'{PAGES}\nincremental.if_changed = {{ by = "ETag" }}',
        "streams.flights.pages: `if_changed` asks about one answer, and these pages are several. Write pages = "
        '"single", or use `feed`.',
    ),
    "a feed of joined values": (
        IDS,
        feed('link = "next"\nvalues = { list = ["a"], query = { of = "{value}" }, join = { with = ",", at = "id" } }'),
        "streams.flights.incremental.feed.values.join: each value has a feed of its own. Leave `join` out.",
    ),
    "a feed that is divided": (
        IDS,
        feed('link = "next"\nvalues = { prefixes = { of = "a-f", longest = 3 } }'),
        "streams.flights.incremental.feed.values.prefixes.longest: a feed has one order, and is never divided. Leave "
        "`longest` out.",
    ),
    "a feed of jobs": (
        PAGES,
        f'{PAGES}\njob = {{ poll_header = "Location" }}\nincremental.feed = {{ link = "next" }}',
        "streams.flights.incremental.feed: the answers of a feed tell where it goes on, and the result of a job does "
        "not. Write windows, or leave out `job`.",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_message_names_the_place_and_the_remedy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake is told in one line: file, key, what is wrong, what to write instead."""
    check(MISTAKES[name], tmp_path, monkeypatch)
