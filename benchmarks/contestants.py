"""What haulier is measured against: a bare aiohttp gather loop, and that loop with what a durable result costs besides.

`python benchmarks/contestants.py bare|durable URL PAGES IN_FLIGHT BYTES FOLDER` fetches the pages once and ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import aiohttp
import msgspec
from isal import isal_zlib


class Body(msgspec.Struct):
    records: list[msgspec.Raw]


DECODER = msgspec.json.Decoder(Body)


async def main(kind: str, url: str, pages: int, in_flight: int, size: int, folder: Path) -> None:
    gate = asyncio.Semaphore(in_flight)
    if kind == "bare":
        out = open(folder / "all.ndjson", "wb", buffering=1 << 20)  # noqa: SIM115
    connector = aiohttp.TCPConnector(limit=in_flight)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=4 << 20) as session:

        async def fetch(n: int) -> None:
            async with gate:
                async with session.get(f"{url}/blob?bytes={size}&n={n}") as response:
                    assert response.status == 200
                    body = await response.read()
                lines = b"\n".join(DECODER.decode(body).records) + b"\n"
            if kind == "bare":
                out.write(lines)
            else:
                await asyncio.to_thread(store, folder, n, lines)

        await asyncio.gather(*(fetch(n) for n in range(pages)))


def store(folder: Path, n: int, lines: bytes) -> None:
    """One durable, compressed, create-only object: gzip, fsync, link, fsync of the folder, unlink."""
    spool, name = folder / f"spool-{n}", folder / f"{n}.ndjson.gz"
    stream = isal_zlib.compressobj(2, wbits=31)
    descriptor = os.open(spool, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        os.write(descriptor, stream.compress(lines) + stream.flush())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.link(spool, name)
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
    os.unlink(spool)


if __name__ == "__main__":
    kind, url, pages, in_flight, size, folder = sys.argv[1:]
    work = main(kind, url, int(pages), int(in_flight), int(size), Path(folder))
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)
