"""The processes that the chaos harness fires at: workers started by hand, or one `haulier run --workers` with its
children. A dead one is replaced, a stopped one goes on after one and a half leases."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from haulier.clock import Clock

DRAIN_SECONDS = 30.0
"""A worker that was asked to end and has not ended after so long never will."""
_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP)
_WEIGHTS = (6, 2, 2)


@dataclass(frozen=True)
class Place:
    """Where the processes run, and what they work."""

    folder: Path
    source: Sequence[str]
    """As the command line names it, with the flags that say where its lake and queue are."""
    variables: Mapping[str, str]
    run_id: str
    lease_seconds: float
    clock: Clock


class Crew:
    """``count`` workers, or the parent of ``count``. Each process is a group of its own, and is hit as one.

    ``faults`` are endings that nobody asked for: each is a problem.
    """

    def __init__(self, place: Place, count: int, *, is_fleet: bool, is_deadly: bool) -> None:
        self._place = place
        # 3: a run in parts, which the oracle judges.
        self._fine = {0, 3, 4} | ({-signal.SIGKILL} if is_deadly else set())
        self._is_fleet = is_fleet
        self._count = 1 if is_fleet else count
        seconds = f"{place.lease_seconds:g}"
        words = [*place.source, "--lease", seconds, "--grace", "2"]
        self._words = ["run", *words, "--workers", str(count)] if is_fleet else ["work", *words]
        self._stack = contextlib.ExitStack()
        self._living: list[subprocess.Popen[bytes]] = []
        self._stopped: dict[int, float] = {}
        self._asked: set[int] = set()
        self.faults: list[str] = []

    def __enter__(self) -> Crew:
        self._log = self._stack.enter_context(open(self._place.folder / "workers.log", "ab"))
        self.tend()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Drain them all; whoever does not end is killed, and that is a fault."""
        for pid in [*self._stopped, *(worker.pid for worker in self._living)]:
            _send(pid, signal.SIGCONT)
        for worker in self._living:
            _send(worker.pid, signal.SIGTERM)
        for worker in self._living:
            try:
                worker.wait(DRAIN_SECONDS)
            except subprocess.TimeoutExpired:
                self.faults.append(f"worker {worker.pid} does not end by SIGTERM; see workers.log")
                for pid in [*children_of(worker.pid), worker.pid]:
                    _send(pid, signal.SIGKILL)
                worker.wait()
        self._stack.close()

    @property
    def variables(self) -> Mapping[str, str]:
        return self._place.variables

    def disturb(self, draw: random.Random, pid: int | None = None) -> str:
        """Send a signal to one of them, or to the one named if it is of them. Returns the signal's name."""
        everybody = self._pids()
        target = pid if pid in everybody else draw.choice(everybody)
        number = draw.choices(_SIGNALS, weights=_WEIGHTS)[0]
        _send(target, number)
        if number == signal.SIGSTOP:
            self._stopped[target] = self._place.clock.monotonic() + 1.5 * self._place.lease_seconds
        else:
            self._asked.add(target)
        return number.name

    def tend(self) -> None:
        """Let stopped ones go on that were stopped for long enough, and replace the dead."""
        now = self._place.clock.monotonic()
        for pid in [pid for pid, until in self._stopped.items() if until <= now]:
            del self._stopped[pid]
            _send(pid, signal.SIGCONT)
        for worker in list(self._living):
            code = worker.poll()
            if code is not None:
                self._living.remove(worker)
                self._stopped.pop(worker.pid, None)
                if code not in self._fine and worker.pid not in self._asked:
                    self.faults.append(f"worker {worker.pid} ended with {code}; see workers.log")
                if self._is_fleet and code in (0, 3):
                    self._count = 0  # Its run is closed: another parent would begin the next one.
        while len(self._living) < self._count:
            self._living.append(self._start())

    def _pids(self) -> list[int]:
        pids = [worker.pid for worker in self._living]
        return [*pids, *(child for pid in pids for child in children_of(pid))] if self._is_fleet else pids

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command(*self._words),
            cwd=self._place.folder,
            env=os.environ | self._place.variables,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            process_group=0,
        )


def command(*words: str) -> Sequence[str]:
    """haulier as a user runs it."""
    return [sys.executable, "-m", "haulier", *words]


def _send(pid: int, number: signal.Signals) -> None:
    """To the process group that the process leads."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def children_of(parent: int) -> list[int]:
    """Processes that a process started and that live."""
    try:
        found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    except OSError:
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        found = [pid for pid, ppid in map(str.split, listed.splitlines()) if int(ppid) == parent]
    return [int(pid) for pid in found if _is_leader(int(pid))]


def _is_leader(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False
