"""A process as a container engine starts it: as PID 1 of its own, unprivileged, without home, terminal or input."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.harness.dockerfile import Image, unprivileged

START_SECONDS = 20.0


@dataclass(frozen=True)
class Engine:
    """Starts an image's entry point, as often as it is asked to."""

    image: Image
    environ: Mapping[str, str]
    """The image's own variables, with its paths as they are here."""
    logs: Path
    """What containers say is kept there, a file for each."""
    started: list[Container] = field(default_factory=list)

    def start(self, *words: str, environ: Mapping[str, str] | None = None) -> Container:
        """``words`` take the place of ``CMD``. Nothing of this process's environment gets in."""
        name, *more = self.image.entrypoint
        variables = {**self.environ, **(environ or {})}
        program = shutil.which(name, path=variables["PATH"])
        assert program is not None, f"there is no {name} on the image's PATH"
        command = unprivileged(self.image.user, [program, *more, *(words or self.image.command)])
        logs = self.logs / f"{len(self.started)}.log"
        with open(logs, "wb") as out:
            process = subprocess.Popen(
                [*own_namespace(), *command],
                cwd=self.image.path("."),
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=out,
                start_new_session=True,
            )
        container = Container(process, logs, is_namespaced=bool(own_namespace()))
        self.started.append(container)
        return container

    def run(self, *words: str, environ: Mapping[str, str] | None = None, seconds: float = 60.0) -> tuple[int, str, str]:
        """To its end. Returns exit code, standard output and standard error."""
        container = self.start(*words, environ=environ)
        out, _ = container.process.communicate(timeout=seconds)
        return container.process.returncode, out.decode(), container.said()

    @contextlib.contextmanager
    def all_ended(self) -> Iterator[None]:
        """No container is left behind."""
        try:
            yield
        finally:
            for container in self.started:
                container.kill()


@dataclass(frozen=True)
class Container:
    process: subprocess.Popen[bytes]
    logs: Path
    is_namespaced: bool

    @property
    def pid(self) -> int:
        """Of the program itself, as it is seen from outside."""
        deadline = time.monotonic() + START_SECONDS
        while self.is_namespaced and time.monotonic() < deadline:
            children = _children(self.process.pid)
            if children:
                return children[0]
            if self.process.poll() is not None:
                raise AssertionError(f"it has ended: {self.said()}")
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """As the platform does: at once, and whoever else is in it too."""
        if self.is_running:
            self.signal(signal.SIGKILL)
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def wait(self, seconds: float) -> int:
        return self.process.wait(seconds)

    def said(self) -> str:
        return self.logs.read_text(encoding="utf-8", errors="replace")

    def zombies(self) -> list[int]:
        """Children that have ended and that nobody has asked for."""
        outer = self.process.pid
        programs = _children(outer) if self.is_namespaced else [outer]
        return [child for program in programs for child in _children(program) if _state(child) == "Z"]


def own_namespace() -> tuple[str, ...]:
    """What starts a program as PID 1; empty where that is not allowed."""
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid() != 0:
        return ()
    return (unshare, "--pid", "--fork", "--kill-child", "--mount-proc")


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""
