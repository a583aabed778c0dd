"""Disks that are full, read-only or unfit: refused in words, before a run where that can be, and nothing is half."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from haulier.clock import SystemClock
from haulier.disks import Mount, mount_of, mounts
from haulier.errors import LakeUnavailableError, UsageError
from haulier.lake.local.files import LocalFiles
from haulier.lake.local.filesystems import refuse_unfit
from haulier.lake.local.lake import LocalLake
from haulier.lake.seam import Published
from haulier.testing.contracts.lake.contents import OBJECT, STAGING, listed, spooled

ROOT = Path(__file__).resolve().parents[3]
NOISE = os.urandom(1_000_000)
NOISY_RECORDS = [NOISE[start : start + 1000].hex().encode() for start in range(0, 1_000_000, 1000)]


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder of ours that every user of this machine can reach; pytest's own are private."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def lake_says(root: Path, errand: str, *flags: str) -> str:
    command = [sys.executable, "-m", "tests.lake.local.unprivileged", str(root), errand, *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


async def test_a_full_disk_is_told_of_and_leaves_nothing_half(lake_disk: Path) -> None:
    """ENOSPC: with the space that is left; and once there is some, the same lake goes on."""
    lake = LocalLake(lake_disk, SystemClock())
    await lake.create("a/first", b"{}")
    ballast = lake_disk / "ballast"
    ballast.write_bytes(bytes(6_800_000))
    with pytest.raises(
        LakeUnavailableError, match=r"The disk of the lake is full: \d+ bytes and \d+ files free .* Free some"
    ):
        await lake.create("a/b", NOISE * 2)
    assert await listed(lake, "a") == ["a/first"]
    assert os.listdir(lake_disk / "a") == ["first"]

    spool = await lake.open_spool(STAGING, "one")
    with pytest.raises(LakeUnavailableError, match="full"):
        await spool.write(NOISY_RECORDS * 4)
    with pytest.raises(RuntimeError):
        await spool.finish()
    await spool.discard()
    assert await lake.sweep(STAGING) == 0

    ballast.unlink()
    assert await lake.create("a/b", NOISE * 2)
    assert await lake.publish(await spooled(lake, NOISY_RECORDS, "two"), OBJECT) is Published.OURS
    await lake.close()


async def test_a_disk_without_room_for_one_more_file_is_told_of(lake_disk: Path) -> None:
    """ENOSPC, though there are bytes left: what is there stays whole."""
    lake = LocalLake(lake_disk, SystemClock())
    full = r"The disk of the lake is full: \d{7} bytes and [01] files free"
    made: list[bool | BaseException] = []
    for number in range(50):
        made += await asyncio.gather(lake.create(f"a/{number}", b"{}"), return_exceptions=True)
    assert made[0] is True
    with pytest.raises(LakeUnavailableError, match=full):
        await lake.create("a/one-more", b"{}")
    assert len(await listed(lake, "a")) == made.count(True)
    with pytest.raises(LakeUnavailableError, match=full):
        await lake.check()
    await lake.close()


def test_a_file_above_the_limit_is_told_of(tmp_path: Path) -> None:
    """EFBIG, whichever limit it was: what to raise, or to make smaller; and nothing is visible."""
    said = lake_says(tmp_path / "lake", "use", "--largest-file", "20000")
    assert said.startswith("LakeUnavailableError: A file of the lake at")
    assert "`ulimit -f`" in said
    assert [path for path in (tmp_path / "lake").rglob("*") if path.is_file() and "staging" not in path.parts] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_read_only_lake_is_refused_to_whoever_may_not_write(public_folder: Path) -> None:
    """A person must give the right: a usage error before the run, and unavailable in the middle of one."""
    said = lake_says(public_folder, "check", "--nobody")
    assert said.startswith(f"UsageError: Cannot write to the lake at {public_folder}: Permission denied")
    assert "Give this user the right to write there" in said
    assert lake_says(public_folder / "lake", "check", "--nobody").startswith("UsageError: Cannot write to the lake")
    said = lake_says(public_folder, "use", "--nobody")
    assert said.startswith(
        f"LakeUnavailableError: Cannot read and write the lake at {public_folder}: Permission denied"
    )
    assert os.listdir(public_folder) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_lake_in_a_folder_that_we_may_not_list_is_fine(public_folder: Path) -> None:
    """The folder above a lake need not be readable, only the lake."""
    (public_folder / "lake").mkdir()
    os.chown(public_folder / "lake", 65534, 65534)
    os.chmod(public_folder, 0o711)
    assert lake_says(public_folder / "lake", "check", "--nobody") == "fine"
    assert lake_says(public_folder / "lake", "use", "--nobody") == "fine"


def test_a_read_only_disk_is_refused(lake_disk: Path) -> None:
    """EROFS, which even root is told."""
    subprocess.run(["mount", "-o", "remount,ro", lake_disk], check=True)
    assert lake_says(lake_disk, "check").startswith(f"UsageError: Cannot write to the lake at {lake_disk}: Read-only")
    assert lake_says(lake_disk, "use").startswith("LakeUnavailableError: Cannot read and write the lake")


@pytest.mark.parametrize("links", ["no", "copies"])
def test_a_disk_without_hard_links_is_refused(tmp_path: Path, links: str) -> None:
    """Section 1: in words with the remedy, whether it refuses a link or only pretends; and nothing is left."""
    said = lake_says(tmp_path / "lake", "check", "--links", links)
    assert said.startswith("UsageError: The disk of the lake at")
    assert "no reliable hard links. Name a folder on a local disk" in said
    assert os.listdir(tmp_path / "lake") == []


def test_this_machines_own_disk_is_fit(tmp_path: Path) -> None:
    """The tests themselves lie on a disk that is found in this machine's table, and is let through."""
    mount = mount_of(os.path.realpath(tmp_path), mounts())
    assert mount is None or mount.is_fit
    assert lake_says(tmp_path / "lake", "check") == "fine"


@pytest.mark.parametrize(
    ("type_", "is_local"), [("nfs4", True), ("fuse.sshfs", True), ("9p", True), ("smbfs", False), ("exotic", False)]
)
def test_a_disk_of_another_machine_is_refused(tmp_path: Path, type_: str, is_local: bool) -> None:
    """Section 1: with its type, where it is mounted, and the remedy."""
    table = [Mount("/", "ext4", is_local=True), Mount(str(tmp_path), type_, is_local)]
    with pytest.raises(UsageError, match=rf"is on {type_} \({tmp_path}\): over a network .* Name a folder on a local"):
        refuse_unfit(LocalFiles(str(tmp_path / "lake")), lambda: table)
    refuse_unfit(LocalFiles(str(tmp_path / "lake")), lambda: table[:1])


@pytest.mark.parametrize("standing", ["file", "below a file"])
def test_a_lake_that_is_no_folder_is_refused(tmp_path: Path, standing: str) -> None:
    """A file stands where the lake, or a folder above it, should be."""
    (tmp_path / "file").touch()
    place = tmp_path / "file" / ("lake" if standing == "below a file" else "")
    with pytest.raises(UsageError, match="is not a folder"):
        refuse_unfit(LocalFiles(os.path.abspath(place)), list)
