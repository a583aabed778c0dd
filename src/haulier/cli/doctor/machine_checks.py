"""This machine: versions, and the disks that a run writes to."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

from haulier.app.app import App
from haulier.app.open_source import OpenSource, Options
from haulier.cli.close_hook import found_words
from haulier.cli.doctor.finding import Finding
from haulier.disks import mount_of, mounts
from haulier.lake.floor import floor_of, in_words

PACKAGES = ("aiohttp", "msgspec", "isal")
AZURE_PACKAGES = ("azure-storage-blob", "azure-storage-queue", "azure-identity", "obstore")
_AZURE_SCHEMES = frozenset({"az", "abfss", "azure-queue"})


def find_versions(app: App | None, options: Options) -> Finding:
    import apsw

    places = [] if app is None else [options.lake or app.lake, options.queue or app.queue]
    is_azure = not _AZURE_SCHEMES.isdisjoint(urlsplit(place).scheme for place in places)
    packages = [_version(name) for name in (*PACKAGES, *(AZURE_PACKAGES if is_azure else ()))]
    words = [
        f"haulier {version('haulier')}",
        f"Python {platform.python_version()}",
        f"SQLite {apsw.sqlite_lib_version()}",
        *packages,
    ]
    return Finding(check="versions", text=f"{', '.join(words)}, on {platform.system()} {platform.machine()}.")


def find_hook(app: App) -> Finding | None:
    """Whether the command of ``on_close`` could be started: a slip in it shows only when a run is closed, at night."""
    if not app.on_close:
        return None
    program, *_ = found_words(app.on_close, app.base)
    found = shutil.which(str(app.base / program) if "/" in program else program)
    if found is not None:
        return Finding(check="on_close", subject=program, text="It can be started.")
    is_there = (app.base / program).exists()
    return Finding(
        check="on_close",
        subject=program,
        state="wrong",
        text="It is not executable." if is_there else f"There is no such program on the PATH, or in {app.base}.",
        remedy=f"Make it executable: chmod +x {app.base / program}."
        if is_there
        else "Correct `on_close` of the source.",
    )


async def find_disk(source: OpenSource) -> list[Finding]:
    """Room, and whose file system it is."""
    disk = await source.lake.disk()
    if disk is None:
        return []
    mount = await asyncio.to_thread(lambda: mount_of(os.path.realpath(disk.place), mounts()))
    kind = "" if mount is None else f" ({mount.type} at {mount.point})"
    floor = floor_of(disk)
    least = in_words(disk, floor)
    whose = f"The disk of {disk.holds}{kind}"
    if not floor.is_free_on(disk):
        text = f"{whose} has {least[0]} free, and no work is begun below {least[1]}."
        remedy = f"Free some space, or {disk.remedy}."
        return [Finding(check="disk", subject=disk.place, state="away", text=text, remedy=remedy)]
    text = f"{whose} has {disk.free_bytes / 2**30:,.1f} GiB free; no work is begun below {floor.bytes >> 20:,} MiB."
    return [Finding(check="disk", subject=disk.place, text=text)]


def _version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"no {name}"
