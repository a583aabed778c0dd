"""One day of many small events on a search server: `haulier run` beside a bare aiohttp loop, in one run.

`python benchmarks/search.py [--events 1000000] [--slices 4] [--rounds 3] [--server pages|noida]`: the loop and haulier
read the day in turn, each in a process of its own, both by slices of one point in time. The loop writes lines: it
neither checks, nor compresses, nor syncs; the durable one compresses as haulier does, into one object. What came is
counted by ID afterwards, untimed.

`pages` serves canned pages after `--latency` seconds each, so that the readers' own cost shows. noida-db is no
Elasticsearch, and speaks as one; it looks through its whole index for each page.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from isal import isal_zlib

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.search_pages import DAY_SECONDS, START, documents
from tests.harness.search_servers import SearchStore, start_elasticsearch

HERE = Path(__file__).resolve().parent
BULK = 10_000
SOURCE = """
source = "events"

[api]
url = "{url}"
in_flight = {slices}

[streams.clicks]
search = {{ index = "clicks", time = "@timestamp", size = {size}, slices = {slices} }}

[streams.clicks.full.windows]
start = 2026-01-01T00:00:00Z
end = 2026-01-02T00:00:00Z
step = "1d"
"""


class Hit(msgspec.Struct, gc=False):
    source: msgspec.Raw = msgspec.field(name="_source")
    sort: msgspec.Raw


class Hits(msgspec.Struct):
    hits: list[Hit]


class Answer(msgspec.Struct):
    hits: Hits
    pit_id: str = ""


DECODER = msgspec.json.Decoder(Answer)


@dataclass(frozen=True)
class Measured:
    wall_seconds: float
    cpu_seconds: float
    peak_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--slices", type=int, default=4)
    parser.add_argument("--size", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--server", choices=("pages", "noida"), default="pages")
    parser.add_argument("--latency", type=float, default=0.25, help="seconds that a canned page takes")
    parser.add_argument("--loop", nargs=5, metavar=("KIND", "URL", "SLICES", "SIZE", "FILE"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.loop:
        kind, url, slices, size, file = asked.loop
        asyncio.run(loop(kind, url, int(slices), int(size), Path(file)))
        return
    found: dict[str, list[Measured]] = {}
    serving = noida(asked.events) if asked.server == "noida" else pages(asked)
    with serving as url, tempfile.TemporaryDirectory(prefix="haulier-bench-") as folder:
        for number in range(asked.rounds):
            for name, act in contestants(url, asked.slices, asked.size).items():
                place = Path(folder, f"{name.replace(' ', '-')}-{number}")
                place.mkdir()
                found.setdefault(name, []).append(act(place))
                require_all(place, asked.events)
                shutil.rmtree(place)
                print(f"round {number + 1}: {name}: {found[name][-1]}", flush=True)
    report(found, asked.events)


@contextlib.contextmanager
def noida(events: int) -> Iterator[str]:
    with start_elasticsearch() as store:
        began = time.perf_counter()
        fill(store, events)
        print(f"{events:,} events are in the index after {time.perf_counter() - began:.0f} s", flush=True)
        yield store.url


@contextlib.contextmanager
def pages(asked: argparse.Namespace) -> Iterator[str]:
    words = [str(word) for word in (asked.events, asked.slices, asked.size, asked.latency)]
    process = subprocess.Popen(
        [sys.executable, str(HERE / "search_pages.py"), *words], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def contestants(url: str, slices: int, size: int) -> dict[str, Callable[[Path], Measured]]:
    def loop_of(kind: str) -> Callable[[Path], Measured]:
        words = [kind, url, str(slices), str(size)]
        return lambda place: measure(
            [sys.executable, str(HERE / "search.py"), "--loop", *words, str(place / "all.ndjson.gz")], place
        )

    def run(place: Path) -> Measured:
        (place / "events.toml").write_text(SOURCE.format(url=url, slices=slices, size=size))
        return measure([sys.executable, "-m", "haulier", "run", "events.toml", "--fixed"], place)

    return {"bare loop": loop_of("bare"), "loop with gzip and fsync": loop_of("durable"), "haulier run --fixed": run}


def measure(command: list[str], folder: Path) -> Measured:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), *filter(None, [environ.get("PYTHONPATH")])])
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said.decode()}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


async def loop(kind: str, url: str, slices: int, size: int, file: Path) -> None:
    """Pages of the slices as they come."""
    out, turn = file.open("wb"), asyncio.Lock()
    stream = isal_zlib.compressobj(2, wbits=31)
    in_range = {"gte": START * 1000, "lt": (START + DAY_SECONDS) * 1000, "format": "epoch_millis"}
    query = {"bool": {"filter": [{"range": {"@timestamp": in_range}}]}}
    async with aiohttp.ClientSession(read_bufsize=4 << 20) as session:

        async def ask(method: str, path: str, body: Any = None) -> bytes:
            async with session.request(method, url + path, json=body) as response:
                assert response.status == 200, await response.text()
                return await response.read()

        def store(lines: bytes) -> None:
            out.write(stream.compress(lines) if kind == "durable" else lines)

        async def walk(number: int, pit: str) -> None:
            after: msgspec.Raw | None = None
            while True:
                asked: dict[str, Any] = {"size": size, "query": query, "sort": ["_shard_doc"]}
                asked |= {"pit": {"id": pit, "keep_alive": "1m"}, "track_total_hits": after is None}
                if slices > 1:
                    asked["slice"] = {"id": number, "max": slices}
                if after is not None:
                    asked["search_after"] = json.loads(bytes(after))
                answer = DECODER.decode(await ask("POST", "/_search", asked))
                hits = answer.hits.hits
                if hits:
                    lines = b"\n".join([hit.source for hit in hits]) + b"\n"
                    async with turn:
                        await asyncio.to_thread(store, lines)
                if len(hits) < size:
                    return
                after = hits[-1].sort

        pit = json.loads(await ask("POST", "/clicks/_pit?keep_alive=1m"))["id"]
        await asyncio.gather(*(walk(number, pit) for number in range(slices)))
        await ask("DELETE", "/_pit", {"id": pit})
    if kind == "durable":
        out.write(stream.flush())
        out.flush()
        os.fsync(out.fileno())
    out.close()


def fill(store: SearchStore, events: int) -> None:
    fields = {"@timestamp": {"type": "date"}, "path": {"type": "keyword"}, "visitor": {"type": "keyword"}}
    store.index((), fields, name="clicks")
    for first in range(0, events, BULK):
        lines = (
            b'{"index":{"_index":"clicks","_id":"%d"}}\n%b\n' % (first + place, document)
            for place, document in enumerate(documents(first, min(first + BULK, events), events))
        )
        told = store.ask("POST", "/_bulk", b"".join(lines))
        assert told["errors"] is False
    store.ask("POST", "/clicks/_refresh")


def require_all(place: Path, events: int) -> None:
    """Each event once."""
    seen = bytearray(events)
    [file, *others] = [file for file in place.rglob("*.ndjson.gz") if "_haulier" not in file.parts]
    assert not others
    with file.open("rb") as plain:
        is_gzip = plain.read(2) == b"\x1f\x8b"
    with gzip.open(file) if is_gzip else file.open("rb") as lines:
        for line in lines:
            number = json.loads(line)["event"]
            assert not seen[number], f"{number} came twice"
            seen[number] = 1
    assert sum(seen) == events, f"{sum(seen):,} of {events:,} came"


def report(found: dict[str, list[Measured]], events: int) -> None:
    print("\n| contestant | wall s | x bare loop | CPU s | CPU us an event | peak MB |")
    print("|---|---|---|---|---|---|")
    bare = statistics.median(one.wall_seconds for one in found["bare loop"])
    for name, rounds in found.items():
        wall, cpu = (statistics.median(getattr(one, key) for one in rounds) for key in ("wall_seconds", "cpu_seconds"))
        peak = max(one.peak_mb for one in rounds)
        print(f"| {name} | {wall:.2f} | {wall / bare:.2f} | {cpu:.2f} | {cpu / events * 1e6:.1f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
