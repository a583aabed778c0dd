"""W7: how far feeds were read, by what attempts noted and closings bear out."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haulier.cli.poison_documents import story_document
from haulier.errors import LakeUnavailableError
from haulier.items.feed_start import FeedStart, feed_of, shown_parameters, token_mark
from haulier.items.span_group import ALL_GROUPS
from haulier.lake.local.lake import LocalLake
from haulier.lake.paths import RunPaths
from haulier.runs.poison.story import PoisonStory
from haulier.runs.records import EntryState, ManifestEntry, PoisonRecord, Seal, Totals, Verdict, VerdictRecord
from haulier.runs.state import RunState
from haulier.runs.watermark.feed_moves import (
    EMPTY,
    FeedMove,
    FeedPlace,
    FeedPlaces,
    FeedRecord,
    ReadFeeds,
    digest,
    feeds_begun_anew,
    move,
    note_feed,
    read_run_feeds,
)
from haulier.sources.finished import Finished
from haulier.testing.clock import FakeClock

NOW = datetime(2026, 11, 23, 22, 25, tzinfo=UTC)
PATHS = RunPaths("directory", "incremental-20261123T222500Z", "incremental", NOW)
PAYLOAD = b'{"since":{"feed":"t1"}}'


def moved(start: str, end: str, *, stream: str = "users", group: str = "") -> FeedMove:
    return FeedMove(stream=stream, group=group, start=digest(start), end=end)


def folded(*moves: FeedMove, places: FeedPlaces | None = None) -> str:
    """Where the feed goes on after runs with a move each."""
    places = {} if places is None else places
    for number, each in enumerate(moves):
        move(places, f"incremental-{number}", [each])
    return places["users"][""].token if "" in places.get("users", {}) else ""


def test_a_run_moves_a_feed_from_where_the_runs_before_it_ended() -> None:
    assert folded(moved("", "t1"), moved("t1", "t2"), moved("t2", "t3")) == "t3"


@pytest.mark.parametrize(
    ("moves", "place"),
    [
        ([moved("t1", "t2")], ""),
        ([moved("", "t1"), moved("t2", "t3")], "t1"),
        ([moved("", "t1"), moved("t2", "t3"), moved("", "t4")], "t4"),
    ],
    ids=["the first run is gone", "the one between was given up", "it began anew"],
)
def test_a_run_behind_one_that_does_not_count_moves_nothing(moves: list[FeedMove], place: str) -> None:
    """Else what the one between had read would be in no increment that counts."""
    assert folded(*moves) == place


def test_two_runs_from_one_place_both_move_it() -> None:
    """A partial run is redriven after the next one has read the same: the newer run's place counts."""
    assert folded(moved("", "t1"), moved("t1", "t2 redriven"), moved("t1", "t3")) == "t3"


def test_an_edit_is_a_place_in_every_group() -> None:
    places: FeedPlaces = {"users": {ALL_GROUPS: FeedPlace(token="mine")}}
    move(places, "incremental-1", [moved("mine", "t9", group='{"value":"eu"}')])
    finished = Finished(feeds={"users": {group: place.token for group, place in places["users"].items()}})
    assert finished.feed("users", value="eu") == FeedStart("t9")
    assert finished.feed("users", value="us") == FeedStart("mine")
    assert finished.feed("others") == FeedStart()


def test_a_feed_is_told_by_the_parameters_of_its_item() -> None:
    assert feed_of(PAYLOAD) == ("", FeedStart("t1"))
    assert feed_of(b'{"value":"eu","since":{"feed":""}}') == ('{"value":"eu"}', FeedStart())
    assert feed_of(b'{"ids":{"start":1,"end":2}}') is None


def test_g7_a_token_is_not_shown_among_parameters() -> None:
    shown = shown_parameters(b'{"value":"eu","since":{"feed":"opaque"}}')
    assert shown.startswith(b'{"value":"eu","since":{"feed":"')
    assert b"opaque" not in shown
    assert shown_parameters(b'{"ids":{"start":1,"end":2}}') == b'{"ids":{"start":1,"end":2}}'


def test_g7_a_token_is_not_shown_by_a_program_s_view_of_poison() -> None:
    record = PoisonRecord(
        number=1,
        key="k",
        kind="users_new_feed",
        run_id="r",
        payload=msgspec.Raw(PAYLOAD.replace(b"t1", b"opaque")),
        reason="failed",
        error_class="ApiError",
        error="it fails",
        poisoned_at=NOW,
    )
    shown = str(story_document(RunState.PARTIAL, PoisonStory(record, ()), str))
    assert "opaque" not in shown
    assert token_mark("opaque") in shown


@pytest.mark.parametrize(
    "text", [b"/d/c?sig=opaque", rb"\"/d/c?sig=opaque&a=b\"", rb"\"\\/d\\/c\\u003fsig=opaque\"", b"https://h/d?opaque"]
)
def test_g7_a_link_is_shown_without_its_query(text: bytes) -> None:
    shown = shown_parameters(b'{"parents":[["' + text + b'","7"]]}')
    assert b"opaque" not in shown
    assert b"?***" in shown
    assert shown_parameters(b'{"value":"really? yes"}') == b'{"value":"really? yes"}'


class Closed:
    """A closed run of one feed, whose attempts noted what a test says."""

    def __init__(self, folder: Path) -> None:
        self.lake = LocalLake(folder, FakeClock())

    async def note(self, checksum: str, end: str) -> None:
        record = FeedRecord(key="k", stream="users", start=digest("t1"), end=end, by="w")
        await note_feed(self.lake, PATHS, PAYLOAD, record, checksum)

    async def moves(
        self, state: EntryState, sha256: str = "", verdict: Verdict = "complete", **reasons: int
    ) -> list[str]:
        feeds = await self.feeds(state, sha256, verdict, "", **reasons)
        return [each.end for each in feeds.moves]

    async def feeds(
        self, state: EntryState, sha256: str = "", verdict: Verdict = "complete", absent: str = "", **reasons: int
    ) -> ReadFeeds:
        """``absent``: a stream of which an item found nothing there."""
        entries = [ManifestEntry(key="k", stream="users", state=state, sha256=sha256)]
        if absent:
            reasons["absent"] = 1
            entries.append(ManifestEntry(key="l", stream=absent, state="empty", absent=1))
        path = PATHS.closing(1, "manifest.ndjson.gz")
        lines = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
        await self.lake.create(path, gzip.compress(lines))
        seal = Seal(attempt="a", items=1, shards=(), sha256="", feeds={"users": (1, 0)}, sealed_at=NOW)
        closing = VerdictRecord(
            number=1, run_id=PATHS.run_id, verdict=verdict, reasons=reasons, totals=Totals(), closed_at=NOW
        )
        return await read_run_feeds(self.lake, PATHS, seal, closing)


async def test_g1_the_note_of_the_object_that_stands_counts(tmp_path: Path) -> None:
    """Two attempts read the feed, the later one further; the object of the first stands. By the other's note the next
    run would begin behind records that are in no object."""
    run = Closed(tmp_path)
    await run.note("aa", "t2")
    await run.note("bb", "t3")
    assert await run.moves("done", "aa") == ["t2"]


@pytest.mark.parametrize(
    ("state", "verdict", "reasons", "expected"),
    [
        ("empty", "complete", {}, ["t2"]),
        ("empty", "partial", {"poison": 1}, ["t2"]),
        ("empty", "partial", {"count": 1}, []),
        ("empty", "superseded", {}, []),
        ("empty", "cancelled", {}, []),
        ("poisoned", "partial", {"poison": 1}, []),
        ("damaged", "partial", {"damaged": 1}, []),
        ("discarded", "complete", {}, []),
        ("split", "complete", {}, []),
    ],
)
async def test_g1_what_did_not_end_well_moves_nothing(
    state: EntryState, verdict: Verdict, reasons: dict[str, Any], expected: list[str], tmp_path: Path
) -> None:
    run = Closed(tmp_path)
    await run.note("", "t2")
    await run.note("aa", "t3")
    assert await run.moves(state, "", verdict, **reasons) == expected


async def test_a_damaged_note_stops_the_count_of_expired_feeds_no_more(tmp_path: Path) -> None:
    """It is a warning of a closing. Where the feed goes on cannot be told without the note."""
    run = Closed(tmp_path)
    await run.lake.create(PATHS.feed("k", EMPTY), b"{}")
    with pytest.raises(LakeUnavailableError, match="is not a record that haulier wrote"):
        await run.moves("empty")
    assert await feeds_begun_anew(run.lake, PATHS, 1) == {}


@pytest.mark.parametrize(("absent", "ends", "lifted"), [("others", ["t2"], {}), ("users", [], {"users": ("",)})])
async def test_what_is_absent_holds_no_feed_of_another_stream(
    absent: str, ends: list[str], lifted: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    """A stream that finds nothing each night would have every feed with `first` refused, for ever."""
    run = Closed(tmp_path)
    await run.note("", "t2")
    feeds = await run.feeds("empty", verdict="partial", absent=absent)
    assert ([each.end for each in feeds.moves], feeds.lifted) == (ends, lifted)
