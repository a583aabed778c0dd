"""One measured run of a program: wall, CPU and memory of its whole tree of processes, and what it wrote."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from isal import igzip

SAMPLE_SECONDS = 0.5
END_SECONDS = 5.0
_ID = re.compile(rb'"id":\s*(\d+)')
_RECORD = re.compile(rb'"type":\s*"RECORD"')


@dataclass(frozen=True)
class Ended:
    how: str
    """`well`, `with code N`, or `not in N s`: then it was killed."""
    wall_seconds: float
    cpu_seconds: float
    peak_mb: float


def run(command: Sequence[str], folder: Path, environ: Mapping[str, str], limit_seconds: float) -> Ended:
    """Its output goes to `out.log` and `err.log` beside the folder."""
    log = folder.parent
    with open(log / "out.log", "wb") as out, open(log / "err.log", "wb") as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        watcher = _Watcher(process.pid, started + limit_seconds)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        watcher.end()
    how = "well" if process.returncode == 0 else f"with code {process.returncode}"
    if watcher.was_too_late:
        how = f"not in {limit_seconds:.0f} s"
    largest_mb = usage.ru_maxrss / (2**20 if os.uname().sysname == "Darwin" else 2**10)
    return Ended(how, wall, usage.ru_utime + usage.ru_stime, max(largest_mb, watcher.peak_mb))


class _Watcher(threading.Thread):
    """Adds up the memory of a tree of processes now and then, and kills it when its time is over."""

    def __init__(self, pid: int, ends_at: float) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._ends_at = ends_at
        self._ended = threading.Event()
        self.peak_mb = 0.0
        self.was_too_late = False

    def run(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            tree = [*_tree(self._pid)]
            if len(tree) > 1:  # One process alone says its peak itself.
                self.peak_mb = max(self.peak_mb, sum(map(_held_mb, tree)))
            if time.perf_counter() > self._ends_at:
                self.was_too_late = True
                for pid in reversed(tree or [self._pid]):
                    _kill(pid)
                return

    def end(self) -> None:
        self._ended.set()
        self.join()


def _tree(root: int) -> Iterator[int]:
    """A process and its descendants; on a system without /proc it alone."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # It has just ended.
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, [])


def _held_mb(pid: int) -> float:
    """Pages that processes share are divided among them."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def count_records(folder: Path, pattern: str) -> Counter[int]:
    """How often each record, by its id, is in what was written."""
    counts: Counter[int] = Counter()
    for path in folder.glob(pattern):
        with igzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as lines:
            counts.update(_ids(lines, is_message=path.name == "messages.jsonl"))
    return counts


def _ids(lines: Iterator[bytes], *, is_message: bool) -> Iterator[int]:
    for line in lines:
        if is_message and not _RECORD.search(line, 0, 200):
            continue
        found = _ID.search(line)
        yield int(found[1]) if found else 0
