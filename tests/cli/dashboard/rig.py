"""The dashboard as a process, and a client that speaks to it as a page does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.cli.conftest import Place, Said

START_SECONDS = 30.0


@dataclass
class Dashboard:
    url: str
    """Without a slash at the end, and without the token."""
    token: str
    process: subprocess.Popen[str]
    page_token: str = field(default="", repr=False)

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Exit code, and what it said on standard error."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=30)
        return self.process.returncode, err


@contextlib.contextmanager
def dashboard(source: Path, *words: str, env: Mapping[str, str] | None = None) -> Iterator[Dashboard]:
    process = subprocess.Popen(
        [sys.executable, "-m", "haulier", "dashboard", str(source), "--port", "0", *words],
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        printed = process.stdout.readline().strip()
        found = re.fullmatch(r"(http://\S+:[0-9]+)/(?:\?token=(\S+))?", printed)
        assert found is not None, process.communicate(timeout=30)
        yield Dashboard(found[1], found[2] or "", process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def typed(place: Place, command: str, *words: str) -> Said:
    """What a command says, as a process: a test's own event loop is running."""
    said = subprocess.run(
        [sys.executable, "-m", "haulier", *command.split(), str(place.toml), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Said(said.returncode, said.stdout, said.stderr)


@dataclass
class Visitor:
    """A browser that runs no scripts."""

    http: aiohttp.ClientSession
    url: str
    page_token: str = ""

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self.http.get(f"{self.url}{path}", headers=headers) as answer:
            return answer.status, json.loads(await answer.read())

    async def document(self, path: str) -> Any:
        status, found = await self.get(path)
        assert status == 200, found
        return found

    async def open(self, query: str = "") -> str:
        """The page; its token is kept for clicks."""
        async with self.http.get(f"{self.url}/{query}") as answer:
            text = await answer.text()
        found = re.search(r'<meta name="haulier-token" content="([^"]+)">', text)
        self.page_token = "" if found is None else found[1]
        return text

    async def click(self, path: str, body: object, **headers: str) -> tuple[int, Any]:
        sent = {"X-Haulier-Token": self.page_token, "Origin": self.url} | headers
        async with self.http.post(f"{self.url}{path}", json=body, headers=sent) as answer:
            return answer.status, json.loads(await answer.read())

    async def confirm(self, path: str, body: dict[str, object]) -> tuple[int, Any]:
        """Both clicks: what would be done, and that."""
        code, shown = await self.click(path, body | {"dry_run": True})
        return (code, shown) if code != 200 else await self.click(path, body | {"preview": shown["preview"]})


@contextlib.asynccontextmanager
async def visitor(url: str) -> AsyncIterator[Visitor]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield Visitor(http, url)


@contextlib.asynccontextmanager
async def tab(seen: Visitor, run_id: str) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """The events of a run, by name."""
    async with seen.http.get(f"{seen.url}/api/runs/{run_id}/events", timeout=aiohttp.ClientTimeout(total=60)) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        yield _events(answer.content)


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in content:
        label, _, value = line.decode().rstrip("\n").partition(": ")
        if label == "event":
            name = value
        elif label == "data":
            yield name, json.loads(value)


async def until(events: AsyncIterator[tuple[str, Any]], state: str) -> Any:
    """The first document in that state."""
    async with asyncio.timeout(60):
        async for name, found in events:
            if name == "status" and found["state"] == state:
                return found
    raise AssertionError(f"the stream ended before {state}")
