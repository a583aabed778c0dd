"""P7 in a local lake: each answer that the disk can give to the link."""

import gzip
import os
from pathlib import Path

import pytest

from haulier.errors import LakeUnavailableError, SweptError
from haulier.lake.local.lake import LocalLake
from haulier.lake.seam import Published
from haulier.testing.contracts.lake.contents import OBJECT, STAGING, lines, spooled


async def test_a_published_object_is_the_spool_itself(lake: LocalLake, root: Path) -> None:
    """Linked, not copied; its own name is gone, and it is an ordinary file."""
    spool = await spooled(lake, [b"{}"])
    spooled_as = os.stat(root / STAGING / "one")
    await lake.publish(spool, OBJECT)
    assert os.path.samestat(spooled_as, os.stat(root / OBJECT))
    assert os.stat(root / OBJECT).st_nlink == 1
    assert os.listdir(root / STAGING) == []


async def test_taken_by_our_own_inode_is_ours(lake: LocalLake, root: Path) -> None:
    """EEXIST, our own: we won earlier, and died or were refused before we knew."""
    spool = await spooled(lake, [b"{}"])
    (root / OBJECT).parent.mkdir(parents=True)
    os.link(root / STAGING / "one", root / OBJECT)
    assert await lake.publish(spool, OBJECT) is Published.OURS
    assert os.listdir(root / STAGING) == []


async def test_linked_then_swept_is_ours(lake: LocalLake, root: Path) -> None:
    """An object that was linked before the sweep is in the closing's list: it stands (C1)."""
    spool = await spooled(lake, [b"{}"])
    (root / OBJECT).parent.mkdir(parents=True)
    os.link(root / STAGING / "one", root / OBJECT)
    await lake.sweep(STAGING)
    assert await lake.publish(spool, OBJECT) is Published.OURS
    assert await lines(lake, OBJECT) == [b"{}"]


async def test_taken_by_another_inode_is_theirs(lake: LocalLake, root: Path) -> None:
    """EEXIST, another's: ours is dropped, theirs is not touched, equal content or not."""
    theirs = gzip.compress(b"{}\n")
    await lake.create(OBJECT, theirs)
    spool = await spooled(lake, [b"{}"])
    assert await lake.publish(spool, OBJECT) is Published.TAKEN
    assert (root / OBJECT).read_bytes() == theirs
    assert os.listdir(root / STAGING) == []


async def test_swept_while_another_stands_gives_up(lake: LocalLake) -> None:
    """ENOENT with no link left: the attempt gives up whatever stands there; the next one looks first (P4)."""
    spool = await spooled(lake, [b"{}"])
    await lake.sweep(STAGING)
    await lake.create(OBJECT, gzip.compress(b"[]\n"))
    with pytest.raises(SweptError):
        await lake.publish(spool, OBJECT)
    assert await lines(lake, OBJECT) == [b"[]"]


async def test_swept_with_its_folder_gives_up(lake: LocalLake, root: Path) -> None:
    """A staging folder that went as a whole is a sweep, too."""
    spool = await spooled(lake, [b"{}"])
    await lake.sweep(STAGING)
    (root / STAGING).rmdir()
    with pytest.raises(SweptError):
        await lake.publish(spool, OBJECT)


async def test_a_moved_spool_is_a_broken_lake(lake: LocalLake, root: Path) -> None:
    """Any other ENOENT: the spool has a link, but not where it was. Stop, and say so."""
    spool = await spooled(lake, [b"{}"])
    os.rename(root / STAGING / "one", root / STAGING / "elsewhere")
    with pytest.raises(LakeUnavailableError, match="Does something else move or clean up files in the lake"):
        await lake.publish(spool, OBJECT)
    assert not await lake.exists(OBJECT)
    os.rename(root / STAGING / "elsewhere", root / STAGING / "one")
    assert await lake.publish(spool, OBJECT) is Published.OURS


async def test_a_bronze_folder_that_went_is_made_again(lake: LocalLake, root: Path) -> None:
    """ENOENT because the object's folder was removed meanwhile: nothing is lost."""
    await lake.publish(await spooled(lake, [b"{}"]), OBJECT)
    (root / OBJECT).unlink()
    (root / OBJECT).parent.rmdir()
    assert await lake.publish(await spooled(lake, [b"[]"], "two"), OBJECT) is Published.OURS
    assert await lines(lake, OBJECT) == [b"[]"]


async def test_a_spool_that_was_swept_and_named_anew_drops_only_its_own(lake: LocalLake, root: Path) -> None:
    """P5: a spool is kept by descriptor, so a file that came under its name is somebody else's."""
    spool = await spooled(lake, [b"{}"])
    await lake.sweep(STAGING)
    (root / STAGING / "one").write_bytes(b"another's")
    await spool.discard()
    assert (root / STAGING / "one").read_bytes() == b"another's"


async def test_a_spool_name_is_used_once(lake: LocalLake) -> None:
    """P5: opened with O_EXCL, when its first bytes are stored."""
    await spooled(lake, [b"{}"])
    with pytest.raises(ValueError, match="already exists"):
        await spooled(lake, [b"{}"])


async def test_a_spool_is_opened_when_its_first_bytes_are_stored(lake: LocalLake, root: Path) -> None:
    """P5: once, and before it is whole. A closing that swept too early for it is found by its attempt (C1, P7)."""
    small, large = await lake.open_spool(STAGING, "small"), await lake.open_spool(STAGING, "large")
    assert not (root / STAGING).exists()
    await small.write([b"{}"])
    await large.write([b"0" * 1_000_000])
    assert os.listdir(root / STAGING) == ["large"]
    await small.discard()
    with pytest.raises(RuntimeError):
        await small.finish()
    await lake.sweep(STAGING)
    await large.write([b"0" * 1_000_000])
    await large.finish()
    assert os.listdir(root / STAGING) == []
    with pytest.raises(SweptError):
        await lake.publish(large, OBJECT)


async def test_another_lakes_spool_is_refused(lake: LocalLake) -> None:
    """Only the lake that opened a spool can link it."""

    class Foreign:
        pass

    with pytest.raises(TypeError, match="lake that opened it"):
        await lake.publish(Foreign(), OBJECT)  # type: ignore[arg-type]


async def test_parts_of_a_lake_on_two_disks_are_told_of(lake: LocalLake, root: Path, other_disk: Path) -> None:
    """EXDEV in words: a link cannot cross disks, and a copy would not be create-only."""
    await lake.create("a/b", b"{}")
    (root / "flights").symlink_to(other_disk)
    with pytest.raises(LakeUnavailableError, match="different disks"):
        await lake.publish(await spooled(lake, [b"{}"]), OBJECT)
