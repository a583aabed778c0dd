"""Which file systems belong to others, and how names and bytes are made durable."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import subprocess
import sys
from dataclasses import dataclass

_REMOTE = re.compile(
    "9p|acfs|afpfs|afs|beegfs|ceph|cifs|coda|davfs|drvfs|fakeowner|fuse.*|gfs2?|glusterfs|gpfs|grpcfuse|lustre|"
    "macfuse|ncpfs|nfs.*|ocfs2|orangefs|osxfs|osxfuse|prl_fs|pvfs2|shfs|smb.*|sshfs|v9fs|vboxsf|virtiofs|vmhgfs|webdav"
)
"""File systems of other machines or of programs. Locks and shared memory are not kept there, so SQLite can lose rows
(its documentation on WAL and on "how to corrupt a database file"); they cache look-ups, and repeat a link whose answer
was lost, so a link does not surely go to one writer alone."""


@dataclass(frozen=True)
class Mount:
    point: str
    type: str
    is_local: bool = True

    @property
    def is_fit(self) -> bool:
        """Whether it belongs to this machine."""
        return self.is_local and not _REMOTE.fullmatch(self.type)


def mount_of(place: str, candidates: list[Mount]) -> Mount | None:
    """``place`` is absolute and without links. Of several mounts at one point the last lies on top."""
    holding = [mount for mount in candidates if f"{place}/".startswith(mount.point.rstrip("/") + "/")]
    return max(enumerate(holding), key=lambda each: (len(each[1].point), each[0]))[1] if holding else None


def mounts() -> list[Mount]:
    """Nothing where the machine does not say."""
    if sys.platform == "darwin":
        listed = subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=False)
        return parse_mount_command(listed.stdout)
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
            return parse_mountinfo(table.read())
    except OSError:
        return []


def parse_mountinfo(table: str) -> list[Mount]:
    """Linux, proc_pid_mountinfo(5): the point is field 5, the type the first field after a lone hyphen."""
    found = []
    for line in table.splitlines():
        left, separator, right = line.partition(" - ")
        fields = left.split()
        if separator and len(fields) >= 5:
            point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
            found.append(Mount(point, right.split()[0]))
    return found


def parse_mount_command(listed: str) -> list[Mount]:
    """macOS: ``/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled)``."""
    found = []
    for line in listed.splitlines():
        if match := re.fullmatch(r".+? on (/.*) \(([^()]+)\)", line):
            type_, *options = match[2].split(", ")
            found.append(Mount(match[1], type_, is_local="local" in options))
    return found


def make_durable(descriptor: int) -> None:
    """Sync until the disk itself has it: on macOS a plain fsync leaves it in the drive's cache."""
    if sys.platform == "darwin":
        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EINVAL, errno.ENOTTY):
                raise  # A failed sync that is asked for again may answer that all is well.
    os.fsync(descriptor)


def sync_folder(place: str) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        make_durable(descriptor)
    finally:
        os.close(descriptor)
