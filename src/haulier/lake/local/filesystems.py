"""Disks that can hold a lake (docs/protocol.md#disks-that-can-hold-a-lake)."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable

from haulier.disks import Mount, make_durable, mount_of, sync_folder
from haulier.errors import UsageError
from haulier.lake.local.files import LocalFiles, link
from haulier.lake.names import temporary_name

_NO_LINKS = frozenset({errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
"""Errors of disks without hard links, or without folders that can be synced; exFAT says EPERM."""

_NO_PLACE = frozenset({errno.ENOENT, errno.ENAMETOOLONG, errno.ELOOP})
"""Nobody can create a folder there, such as in `/proc`."""

_REMEDY = "Name a folder on a local disk or volume of this machine."


def refuse_unfit(files: LocalFiles, read_mounts: Callable[[], list[Mount]]) -> None:
    """Makes the folder if it is absent, and leaves nothing in it. Raises `OSError` if the disk is full. ``read_mounts``
    is called once the folder is there, since a disk may be mounted on its first use."""
    try:
        files.make_root()
        mount = mount_of(os.path.realpath(files.root), read_mounts())
        if mount and not mount.is_fit:
            raise UsageError(
                f"The lake at {files.root} is on {mount.type} ({mount.point}): over a network or through FUSE two "
                f"writers may both succeed in making one link, and records could be lost. {_REMEDY}"
            )
        _try_links(files.root)
    except NotADirectoryError as error:
        raise UsageError(f"The lake at {files.root} is not a folder. {_REMEDY}") from error
    except PermissionError as error:
        raise _not_writable(files.root, error) from error
    except OSError as error:
        if error.errno in _NO_PLACE:
            raise UsageError(
                f"The lake at {files.root} cannot be created: {error.strerror} ({error.filename}). {_REMEDY}"
            ) from error
        if error.errno != errno.EROFS:
            raise
        raise _not_writable(files.root, error) from error


def _try_links(root: str) -> None:
    """Do what P7 does with a spool."""
    first, second = f"{root}/{temporary_name()}", f"{root}/{temporary_name()}"
    descriptor = os.open(first, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        os.write(descriptor, b"haulier tries this disk\n")
        make_durable(descriptor)
        try:
            is_sound = link(first, second) and not link(first, second)
            is_sound &= os.path.samestat(os.lstat(second), os.fstat(descriptor))
            sync_folder(root)
            os.unlink(first)
            is_sound &= os.fstat(descriptor).st_nlink == 1
            os.unlink(second)
            is_sound &= os.fstat(descriptor).st_nlink == 0
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            is_sound = False
        if not is_sound:
            raise UsageError(f"The disk of the lake at {root} has no reliable hard links. {_REMEDY}")
    finally:
        os.close(descriptor)
        for name in (first, second):
            with contextlib.suppress(OSError):
                os.unlink(name)


def _not_writable(root: str, error: OSError) -> UsageError:
    return UsageError(
        f"Cannot write to the lake at {root}: {error.strerror} ({error.filename}). "
        f"Give this user the right to write there, or name a folder on another local disk."
    )
