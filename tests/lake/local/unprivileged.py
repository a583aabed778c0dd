"""A process that may do less than the test that starts it, or whose disk can do less. It prints what the lake says.

python -m tests.lake.local.unprivileged ROOT check|use [--nobody] [--largest-file BYTES] [--links no|copies]
"""

import argparse
import asyncio
import os
import resource
import shutil
import sys
from pathlib import Path

from haulier.clock import SystemClock
from haulier.errors import HaulierError
from haulier.lake.local.lake import LocalLake
from haulier.testing.contracts.lake.contents import OBJECT, spooled

NOBODY = 65534


def no_links(source: str, name: str) -> None:
    """exFAT's answer."""
    raise PermissionError(1, "Operation not permitted", source)


def copies(source: str, name: str) -> None:
    """A disk that makes a copy and calls it a link."""
    if os.path.lexists(name):
        raise FileExistsError(17, "File exists", name)
    shutil.copyfile(source, name)


async def use(lake: LocalLake) -> None:
    spool = await spooled(lake, [os.urandom(500).hex().encode() for _ in range(100)])
    await lake.publish(spool, OBJECT)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("errand", choices=["check", "use"])
    parser.add_argument("--nobody", action="store_true")
    parser.add_argument("--largest-file", type=int)
    parser.add_argument("--links", choices=["no", "copies"])
    given = parser.parse_args()
    lake = LocalLake(given.root, SystemClock())
    if given.links:
        os.link = no_links if given.links == "no" else copies  # type: ignore[assignment]
    if given.largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (given.largest_file, given.largest_file))
    if given.nobody:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        await (lake.check() if given.errand == "check" else use(lake))
    except HaulierError as error:
        sys.stdout.write(f"{type(error).__name__}: {error}\n")
    else:
        sys.stdout.write("fine\n")
    await lake.close()


if __name__ == "__main__":
    asyncio.run(main())
