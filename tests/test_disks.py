"""Whose a disk is: one list of remote file systems for queue and lake."""

from __future__ import annotations

import pytest

from haulier.disks import Mount, mount_of, parse_mount_command, parse_mountinfo

LINUX_TABLE = r"""
22 27 0:21 / /proc rw,nosuid shared:12 - proc proc rw
27 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
95 27 0:45 / /home/me/team\040share rw,relatime shared:50 - cifs //server/share rw,vers=3.1.1
96 27 0:46 / /mnt/lake rw,relatime master:3 propagate_from:2 - fuse.rclone remote: rw,user_id=0
97 27 0:47 /sub /data rw - xfs /dev/sdb1 rw
98 97 0:48 / /data rw - nfs4 server:/data rw
99 27 0:49 / /database rw - btrfs /dev/sdc rw
"""

MAC_TABLE = """
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse, protect, root data)
//me@server/share on /Volumes/team share (smbfs, nodev, nosuid, mounted by me)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
/dev/disk4s1 on /Volumes/Disk (1) (apfs, local, nodev, nosuid, journaled)
server:/export on /Volumes/export (nfs)
"""


@pytest.mark.parametrize(
    ("place", "type_", "is_fit"),
    [
        ("/home/me/lake", "ext4", True),
        ("/home/me/team share", "cifs", False),
        ("/home/me/team share/lake", "cifs", False),
        ("/home/me/team shared", "ext4", True),
        ("/mnt/lake/haulier", "fuse.rclone", False),
        ("/data/lake", "nfs4", False),
        ("/database/lake", "btrfs", True),
    ],
)
def test_the_disk_of_a_folder_is_found_on_linux(place: str, type_: str, is_fit: bool) -> None:
    """The deepest mount point, of several at one the last; escaped spaces; a name that only begins alike."""
    mount = mount_of(place, parse_mountinfo(LINUX_TABLE.strip()))
    assert mount is not None
    assert (mount.type, mount.is_fit) == (type_, is_fit)


@pytest.mark.parametrize(
    ("place", "type_", "is_fit"),
    [
        ("/Users/me/lake", "apfs", True),
        ("/Volumes/team share/lake", "smbfs", False),
        ("/Volumes/Disk (1)/lake", "apfs", True),
        ("/Volumes/export/lake", "nfs", False),
        ("/System/Volumes/Data/home/me", "autofs", False),
    ],
)
def test_the_disk_of_a_folder_is_found_on_macos(place: str, type_: str, is_fit: bool) -> None:
    """What is not called local is refused, whatever its type."""
    mount = mount_of(place, parse_mount_command(MAC_TABLE))
    assert mount is not None
    assert (mount.type, mount.is_fit) == (type_, is_fit)


def test_a_machine_that_lists_no_mounts_is_no_error() -> None:
    """Then the trial of links alone decides."""
    assert mount_of("/anywhere", []) is None
    assert parse_mountinfo("") == []
    assert parse_mount_command("no table at all\n") == []


MOUNTS = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
40 22 0:40 / /mnt/nas rw,relatime shared:2 - nfs4 nas:/export rw,vers=4.2
41 40 254:2 / /mnt/nas/local rw - xfs /dev/vdb1 rw
42 22 0:42 / /mnt/with\\040blank rw - cifs //server/share rw
43 22 0:43 / /home/me/sshfs rw master:1 - fuse.sshfs me@host: rw
44 22 0:44 / /over rw - nfs host:/a rw
45 22 254:3 / /over rw - btrfs /dev/vdc rw
a line that is none
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", "ext4"),
        ("/var/lib/haulier", "ext4"),
        ("/mnt/nas", "nfs4"),
        ("/mnt/nas/queues/flights", "nfs4"),
        ("/mnt/nas/local/queues", "xfs"),
        ("/mnt/nasty", "ext4"),
        ("/mnt/with blank/x", "cifs"),
        ("/home/me/sshfs/.haulier", "fuse.sshfs"),
        ("/over/x", "btrfs"),
    ],
)
def test_the_deepest_mount_above_a_folder_counts(folder: str, kind: str) -> None:
    """Of several at one point the last; a line that is none is passed over."""
    mount = mount_of(folder, parse_mountinfo(MOUNTS))
    assert mount is not None
    assert mount.type == kind


REMOTE = ["nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "fuse", "fuse.s3fs", "fuseblk"]
REMOTE += ["gfs2", "ocfs2", "afpfs", "davfs", "macfuse", "osxfs", "webdav", "v9fs"]
LOCAL = ["ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs", "apfs", "f2fs", "bcachefs", "unknown"]


@pytest.mark.parametrize("kind", REMOTE)
def test_remote_kinds(kind: str) -> None:
    """Other machines' disks, and programs that pose as one, are remote: for a queue and for a lake alike."""
    assert not Mount("/", kind).is_fit


@pytest.mark.parametrize("kind", LOCAL)
def test_local_kinds(kind: str) -> None:
    """This machine's own disks are not, nor are containers'."""
    assert Mount("/", kind).is_fit
