"""Where the peers live: an environment for each, made once of its pinned requirements; and Azurite, from npm."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
PINS = HERE / "peers"
UV = str(Path(sys.executable).parent / "uv")
START_SECONDS = 30.0
# The name and key that every Azurite has, as its documentation gives them: no secret.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def python_of(name: str, cache: Path) -> str:
    """The Python of a peer's environment, which is made anew when its requirements have changed.

    uv takes the files from whatever index this machine is set up with.
    """
    pins = PINS / f"requirements-{name}.txt"
    folder = cache / name
    if not _is_made(folder, pins):
        _say(f"Setting up {name} ...")
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
        python = str(folder / "bin/python")
        flags = ["--quiet", "--no-deps", "--compile-bytecode", "--python", python]
        subprocess.run([UV, "pip", "install", *flags, "--requirement", str(pins)], check=True)
        _stamp(folder, pins)
    return str(folder / "bin/python")


def version_of(package: str, python: str) -> str:
    code = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    done = subprocess.run([python, "-c", code, package], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@contextlib.contextmanager
def azurite(cache: Path) -> Iterator[str]:
    """A queue service in memory: its connection string. It stands beside the tool, and its CPU is not the tool's."""
    pins, folder = PINS / "package.json", cache / "azurite"
    if not _is_made(folder, pins):
        _say("Setting up Azurite ...")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(pins, folder)
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]
        subprocess.run(npm, cwd=folder, check=True)
        _stamp(folder, pins)
    port = _free_port()
    flags = ["--queueHost", "127.0.0.1", "--queuePort", str(port), "--silent", "--inMemoryPersistence"]
    flags += ["--skipApiVersionCheck", "--disableTelemetry"]
    program = str(folder / "node_modules/.bin/azurite-queue")
    process = subprocess.Popen(
        [program, *flags], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        yield f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};QueueEndpoint={endpoint};"
    finally:
        process.terminate()
        process.wait()


def _is_made(folder: Path, pins: Path) -> bool:
    stamp = folder / "made-of"
    return stamp.is_file() and stamp.read_text() == _digest(pins)


def _stamp(folder: Path, pins: Path) -> None:
    (folder / "made-of").write_text(_digest(pins))


def _digest(pins: Path) -> str:
    return hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _wait_for(port: int) -> None:
    ends_at = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > ends_at:
                raise
            time.sleep(0.1)
        else:
            return


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "haulier-peers"
