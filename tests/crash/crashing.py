"""A source whose items do harm, as its file's name in the environment tells: what a bad record in a C library does."""

import ctypes
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from haulier import Api, App, Context, WorkItem

app = App("crashing", api=Api("http://127.0.0.1:9", in_flight=4))
HERE = Path(os.environ.get("CRASHING", "."))


@dataclass(frozen=True)
class Deeds(WorkItem, stream="deeds", kind="deeds"):
    """One item, and what it does."""

    name: str


@app.enumerate("full")
async def deeds(ctx: Context) -> AsyncIterator[Deeds]:
    for name in (HERE / "deeds").read_text().split():
        yield Deeds(name)


@app.processor(Deeds)
async def do(item: Deeds, ctx: Context) -> AsyncIterator[Any]:
    note(item.name)
    match item.name.partition("_")[0]:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(3)
        case "fault":
            ctypes.string_at(0)
        case "leave":
            raise SystemExit(4)
        case "block":
            time.sleep(float(item.name.partition("_")[2]) / 10)
        case "wait":
            while not (HERE / "go").exists():
                time.sleep(0.01) if item.name == "wait_hard" else await _breathe()
        case _:
            pass
    yield [{"name": item.name}]


async def _breathe() -> None:
    import asyncio

    await asyncio.sleep(0.01)


def note(name: str) -> None:
    """Who worked an item, one line each time: its process, and the parent of that."""
    with open(HERE / f"{name}.log", "a") as log:
        log.write(f"{os.getpid()} {os.getppid()}\n")
