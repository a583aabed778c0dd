"""Which lake a source file names, and where things stand in it."""

import errno
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from haulier.clock import SystemClock
from haulier.errors import UsageError
from haulier.lake.local.threads import unavailable
from haulier.lake.names import checked
from haulier.lake.opening import open_lake
from haulier.lake.paths import RunPaths, compact_time, runs_root
from haulier.testing.contracts.lake.records import GOOD_PATHS

PATHS = RunPaths("flights", "full-20261123T222500Z", "full", datetime(2026, 11, 23, 22, 25, tzinfo=UTC))


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("lake", "base/lake"),
        ("./a/../lake", "base/lake"),
        ("{tmp}/lake", "lake"),
        ("file://{tmp}/my%20lake", "my lake"),
        ("file://localhost{tmp}/lake", "lake"),
        ("FILE:{tmp}/lake", "lake"),
        ("~/lake", "home/lake"),
        ("naïve lake", "base/naïve lake"),
    ],
)
async def test_a_folder_is_a_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, place: str) -> None:
    """Relative to the source file, absolute, from home, or as a file URL; touched only once it is used."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    lake = open_lake(url.format(tmp=tmp_path), base=tmp_path / "base", clock=SystemClock())
    assert list(tmp_path.iterdir()) == []
    await lake.create("a/b", b"{}")
    assert (tmp_path / place / "a/b").read_bytes() == b"{}"
    await lake.close()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "not named"),
        ("  ", "not named"),
        ("a\0b", "not named"),
        ("s3://key:hush@bucket/lake", "a URL that begins with 's3:' is not supported"),
        ("azure://account/container?sig=hush", "a URL that begins with 'azure:' is not supported"),
        ("C:\\lake", "a URL that begins with 'C:' is not supported"),
        ("file://server/lake/hush", "does not name a folder on this machine"),
        ("file:///lake?hush", "does not name a folder on this machine"),
        ("file:lake", "does not name a folder on this machine"),
        ("~nobody-of-that-name/lake", "no such home"),
    ],
)
def test_what_names_no_lake_is_refused_with_what_to_write(url: str, problem: str) -> None:
    """The remedy stands in the message, the URL does not: it may hold a secret (G7)."""
    with pytest.raises(UsageError, match=problem) as raised:
        open_lake(url, base=Path("/"), clock=SystemClock())
    assert "Write a folder, such as `lake`" in str(raised.value)
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EDQUOT, "quota of the lake's disk is used up"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EIO, "Is its disk still there and sound"),
        (errno.ENAMETOOLONG, "File name too long"),
    ],
)
def test_what_a_disk_refuses_is_said_in_words(tmp_path: Path, number: int, words: str) -> None:
    """Each with what to do about it; those that can be had for real are tested with disks."""
    assert words in str(unavailable(OSError(number, os.strerror(number)), str(tmp_path)))


def test_a_run_has_its_files_where_the_protocol_says() -> None:
    """Section 1: bronze beside, and the account below `_haulier`."""
    run = "_haulier/flights/runs/full-20261123T222500Z"
    bronze = "flights/planes/mode=full/snapshot_time=20261123T222500Z"
    assert PATHS.object("planes", "planes-1") == f"{bronze}/planes-1.ndjson.gz"
    assert PATHS.stream_sign("planes") == f"{bronze}/_SUCCESS.json"
    assert PATHS.run == f"{run}/run.json"
    assert PATHS.run.startswith(runs_root("flights"))
    assert PATHS.expect("before") == f"{run}/expect/before.json"
    assert PATHS.seal == f"{run}/plan/_SEALED.json"
    assert PATHS.shard("abc", "0001") == f"{run}/plan/abc/0001.ndjson"
    assert PATHS.sending("abc", "0001") == f"{run}/plan/abc/0001.sending"
    assert PATHS.sent("abc", "0001") == f"{run}/plan/abc/0001.sent"
    assert PATHS.children("k") == f"{run}/children/k.json"
    assert PATHS.outcome("k") == f"{run}/outcomes/k.json"
    assert PATHS.receipts("w1", 7) == f"{run}/receipts/w1-7.ndjson"
    assert PATHS.numbered("poison", "k", 2) == f"{run}/poison/k/2.json"
    assert PATHS.staging == f"{run}/staging"
    assert PATHS.closing(1, "verdict") == f"{run}/closings/0001/verdict"
    assert PATHS.sign("_SUCCESS.json") == f"{run}/_SUCCESS.json"


def test_times_in_paths_are_utc_and_sortable() -> None:
    """Without colons, which not every disk takes."""
    moment = datetime(2026, 3, 29, 3, 30, 5, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert compact_time(moment) == "20260329T013005Z"


def test_every_path_of_a_run_is_one_that_the_lake_takes() -> None:
    """Names as the codec makes them give paths as the lake wants them."""
    for path in (PATHS.object("a_b", "a_b-1-x_2"), PATHS.closing(12345, "manifest.ndjson.gz"), *GOOD_PATHS):
        assert checked(path) == path
