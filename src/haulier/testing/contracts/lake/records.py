"""The part of `LakeContract` about records."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from pathlib import Path
from typing import ClassVar

import pytest

from haulier.lake.seam import FolderSize, Lake, Published
from haulier.testing.contracts.lake.contents import (
    OBJECT,
    RECORDS,
    STAGING,
    cancelled_after,
    lines,
    listed,
    spooled,
    stored,
)
from haulier.testing.contracts.lake.race import RACED_RECORDS, RACING_PROCESSES, race

GOOD_PATHS = ("run.json", "a/_SUCCESS.json", "a/mode=full/k-1_2.ndjson.gz", "a/.hidden", "a/...", "A/0")
CLIMBING_PATHS = ("", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "~/a")
FOREIGN_PATHS = ("a b", "a\\b", "a:b", "a%2fb", "naïve", "a\n", "\na", "a\0b", "a*", ".tmp-1", "a/.tmp-1", ".tmp-1/a")

MAX_PIECE_BYTES = 16 * 1024 * 1024
"""Largest piece of a download (G9)."""


class RecordContract:
    """Records are created once, whole or absent, and can be listed and removed."""

    has_processes: ClassVar[bool] = True
    """Whether another process can open the lake by its ``lake_url``."""

    @pytest.fixture
    def lake(self) -> Lake:
        raise NotImplementedError("Define the fixture `lake` in the subclass: an empty lake.")

    @pytest.fixture
    def lake_url(self) -> str:
        raise NotImplementedError("Define the fixture `lake_url` in the subclass, or set `has_processes = False`.")

    async def test_the_disk_says_how_much_room_it_has(self, lake: Lake) -> None:
        """It does so before and after the first use; a lake that is not on this machine returns None."""
        before = await lake.disk()
        await lake.create(f"{RECORDS}/a.json", b"{}")
        after = await lake.disk()
        if before is None or after is None:
            assert before is after
            pytest.skip("this lake keeps nothing on a disk of this machine")
        for disk in (before, after):
            assert disk.place
            assert 0 <= disk.free_bytes <= disk.total_bytes
            assert 0 <= disk.free_files <= disk.total_files
        assert (before.place, before.total_bytes) == (after.place, after.total_bytes)

    @pytest.mark.parametrize("size", [0, 1, 5_000_000])
    async def test_a_record_is_created_once(self, lake: Lake, size: int) -> None:
        body = os.urandom(size)
        assert await lake.create(f"{RECORDS}/a.json", body)
        assert not await lake.create(f"{RECORDS}/a.json", b"later")
        assert await lake.read(f"{RECORDS}/a.json") == body
        assert await lake.exists(f"{RECORDS}/a.json")

    async def test_what_is_absent_is_none(self, lake: Lake) -> None:
        """Reading an empty lake is no error, and creates nothing."""
        assert await lake.read(f"{RECORDS}/a.json") is None
        assert not await lake.exists(f"{RECORDS}/a.json")
        assert await listed(lake, RECORDS) == []
        assert await lake.names(RECORDS) == []
        assert await stored(lake, OBJECT) == b""
        assert await lake.adopt(OBJECT) is None
        assert await lake.sweep(STAGING) == 0
        assert await lake.clean(RECORDS, older_than_seconds=0) == 0
        await lake.remove(f"{RECORDS}/a.json")
        await lake.disk()
        assert await listed(lake, "_haulier") == []

    async def test_of_many_tasks_one_creates(self, lake: Lake) -> None:
        bodies = [b"%d" % number * 1000 for number in range(32)]
        made = await asyncio.gather(*(lake.create(f"{RECORDS}/a.json", body) for body in bodies))
        assert made.count(True) == 1
        assert await lake.read(f"{RECORDS}/a.json") == bodies[made.index(True)]

    async def test_a_reader_sees_a_whole_record_or_none(self, lake: Lake) -> None:
        body = os.urandom(3_000_000)
        creation = asyncio.create_task(lake.create(f"{RECORDS}/a.json", body))
        while not creation.done():
            assert await lake.read(f"{RECORDS}/a.json") in (None, body)
            assert await listed(lake, RECORDS) in ([], [f"{RECORDS}/a.json"])
        assert await creation

    async def test_of_many_processes_one_creates(self, lake: Lake, request: pytest.FixtureRequest) -> None:
        """This holds for records and for objects (G2)."""
        if not self.has_processes:
            pytest.skip("this lake cannot be opened by another process")
        outcomes = await race(request.getfixturevalue("lake_url"))
        for number in range(RACED_RECORDS):
            winners = [outcome.process for outcome in outcomes if outcome.created[number]]
            assert len(winners) == 1
            assert await lake.read(f"{RECORDS}/{number}.json") == winners[0].encode() * 1000
        [ours] = [outcome for outcome in outcomes if outcome.published == Published.OURS.value]
        assert [outcome.published for outcome in outcomes].count(Published.TAKEN.value) == RACING_PROCESSES - 1
        assert await lines(lake, OBJECT) == [ours.process.encode()] * 1000

    async def test_a_record_is_created_from_a_file(self, lake: Lake, tmp_path: Path) -> None:
        """A file of any size becomes a record, and can be downloaded in pieces."""
        file = tmp_path / "manifest"
        file.write_bytes(os.urandom(MAX_PIECE_BYTES + 1_000_000))
        assert await lake.create_from("a/manifest", file)
        pieces = [piece async for piece in lake.download("a/manifest")]
        assert b"".join(pieces) == file.read_bytes()
        assert all(0 < len(piece) <= MAX_PIECE_BYTES for piece in pieces)
        file.write_bytes(b"later")
        assert not await lake.create_from("a/manifest", file)
        assert len(await stored(lake, "a/manifest")) == MAX_PIECE_BYTES + 1_000_000

    async def test_everything_below_a_folder_is_listed(self, lake: Lake) -> None:
        """Each path is listed once, at any depth; `names` lists the folder's own entries."""
        below = {f"a/b/{name}" for name in ("one", "two.json", "c/three", "c/d/four", "c/d/five")}
        await asyncio.gather(*(lake.create(path, b"{}") for path in {*below, "a/bb", "b/one"}))
        assert sorted(await listed(lake, "a/b")) == sorted(below)
        assert sorted(await lake.names("a/b")) == ["c", "one", "two.json"]
        assert sorted(await lake.names("a")) == ["b", "bb"]

    async def test_what_stays_is_listed_whatever_comes_and_goes(self, lake: Lake) -> None:
        """A listing contains all that exists from its start to its end (C1)."""
        staying = {f"a/{number}" for number in range(40)}
        await asyncio.gather(*(lake.create(path, b"{}") for path in staying))

        async def come_and_go() -> None:
            for number in range(10):
                await asyncio.gather(*(lake.create(f"a/going-{number}-{each}", b"{}") for each in range(4)))
                await asyncio.gather(*(lake.remove(f"a/going-{number}-{each}") for each in range(4)))

        others = asyncio.create_task(come_and_go())
        while not others.done():
            found = await listed(lake, "a")
            assert staying <= set(found)
            assert len(found) == len(set(found))
        await others

    async def test_a_removed_record_is_absent(self, lake: Lake) -> None:
        await lake.create("a/b", b"1")
        await lake.remove("a/b")
        await lake.remove("a/b")
        assert await lake.read("a/b") is None
        assert await listed(lake, "a") == []
        assert await lake.create("a/b", b"2")

    async def test_a_folder_is_measured_and_an_empty_one_is_pruned(self, lake: Lake) -> None:
        """A folder with something in it stays, and one that was pruned can be written to."""
        await asyncio.gather(
            lake.create("a/b/one", b"123"), lake.create("a/b/c/two", b"4567"), lake.create("a/d", b"8")
        )
        assert await lake.measure("a/b") == FolderSize(2, 7)
        assert await lake.measure("nothing") == FolderSize(0, 0)
        await lake.remove("a/b/c/two")
        for folder in ("a", "nothing"):
            await lake.prune(folder)
        assert await lake.names("a/b") == ["one"]
        await lake.remove("a/b/one")
        await lake.prune("a/b")
        assert await lake.names("a") == ["d"]
        assert await lake.create("a/b/c/two", b"again")

    async def test_nothing_but_forgotten_temporary_names_is_cleaned(self, lake: Lake) -> None:
        """Records, objects and unfinished spools are kept, however old they are."""
        await lake.create(f"{RECORDS}/a.json", b"{}")
        spool = await spooled(lake, [b"{}"])
        assert await lake.clean("_haulier", older_than_seconds=-60) == 0
        assert await lake.read(f"{RECORDS}/a.json") == b"{}"
        assert await lake.publish(spool, OBJECT) is Published.OURS

    @pytest.mark.parametrize("path", CLIMBING_PATHS + FOREIGN_PATHS)
    async def test_a_bad_path_is_refused_everywhere(self, lake: Lake, tmp_path: Path, path: str) -> None:
        """Paths are relative ASCII, without `..` and without temporary names."""
        (tmp_path / "file").write_bytes(b"{}")
        calls: list[Awaitable[object]] = []
        calls += [lake.create(path, b"{}"), lake.create_from(path, tmp_path / "file"), lake.remove(path)]
        calls += [lake.read(path), lake.exists(path), lake.adopt(path), stored(lake, path)]
        calls += [lake.names(path), listed(lake, path), lake.sweep(path), lake.clean(path, older_than_seconds=0)]
        calls += [lake.open_spool(path, "a"), lake.open_spool(STAGING, path)]
        for call in calls:
            with pytest.raises(ValueError, match=r"path|spool"):
                await call
        spool = await spooled(lake, [b"{}"])
        with pytest.raises(ValueError, match="path"):
            await lake.publish(spool, path)
        await spool.discard()

    @pytest.mark.parametrize("path", GOOD_PATHS)
    async def test_a_good_path_is_taken(self, lake: Lake, path: str) -> None:
        assert await lake.create(path, b"{}")
        assert await lake.read(path) == b"{}"

    async def test_a_cancelled_creation_is_whole_or_absent(self, lake: Lake) -> None:
        body = os.urandom(300_000)
        for turns in range(12):
            path = f"a/{turns}"
            await cancelled_after(turns, lake.create(path, body))
            standing = await lake.read(path)
            assert standing in (None, body)
            assert await lake.create(path, body) is (standing is None)
            assert await lake.read(path) == body

    async def test_a_usable_lake_is_not_refused(self, lake: Lake) -> None:
        await lake.check()
        await lake.check()

    async def test_closing_twice_is_fine(self, lake: Lake) -> None:
        await lake.create("a/b", b"{}")
        await lake.close()
        await lake.close()
