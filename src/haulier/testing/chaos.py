"""Kills, drains and stops real workers at random, lets the run end, and asks the oracle what became of the records.

`python -m haulier.testing.chaos --kills 1000 --seed 1` prints what was done and found, and ends with 1 if
anything is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from haulier.clock import Clock, SystemClock
from haulier.testing.oracle import Judgement, is_closed, judge_run
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from haulier.testing.sandbox_data import id_at, rank_of, record_at

SOURCE = "chaos"
PATIENCE_SECONDS = 120.0
"""A run that is not closed so long after the last signal will never be."""

_TOML = """
source = "chaos"

[api]
url = "{url}"
in_flight = 12

[streams.items]
get = "/items"
query = {{ limit = 50 }}
records = "items"
pages = {{ cursor = "next", query = "cursor" }}
total = {{ at = "total", is = "exact" }}

[streams.items.full.ids]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
last = {{ get = "/items/newest", at = "id" }}
step = 250
"""


@dataclass(frozen=True)
class ChaosSettings:
    """How much is done to whom. Seconds are of wall time."""

    kills: int = 60
    """Signals of all kinds, SIGKILL, SIGTERM and SIGSTOP, before the last run is left in peace."""
    seed: int = 1
    seconds: float = 3_600.0
    """No more signals after this, whatever ``kills`` says."""
    workers: int = 4
    lease_seconds: float = 3.0
    records: int = 15_000
    pause_seconds: float = 1.2
    """Between two signals at most; drawn evenly from 0."""


@dataclass
class ChaosReport:
    """What was done, and what is wrong (nothing, one hopes)."""

    signals: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    items: int = 0
    records: int = 0
    poisoned: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        sent = ", ".join(f"{count} {name}" for name, count in sorted(self.signals.items()))
        return (
            f"{self.signals.total()} signals ({sent}) in {self.seconds:.0f} s: {self.runs} runs, {self.items:,} items, "
            f"{self.records:,} records, {self.poisoned} poisoned, {len(self.problems)} problems"
        )


def run_chaos(settings: ChaosSettings, folder: Path, clock: Clock) -> ChaosReport:
    """Run after run under fire until enough signals were sent. Everything is left in ``folder``."""
    return _Chaos(settings, folder, clock).run()


class _Chaos:
    def __init__(self, settings: ChaosSettings, folder: Path, clock: Clock) -> None:
        self._settings = settings
        self._folder = folder
        self._clock = clock
        self._draw = random.Random(settings.seed)
        self._report = ChaosReport()
        # One record always fails, so that poison is there to be judged; the other faults pass.
        self._api = SandboxSettings(
            seed=settings.seed,
            records=settings.records,
            gap_after=700,
            gap_ids=300,
            latency_seconds=0.02,
            jitter_seconds=0.05,
            error_rate_500=0.02,
            cut_rate=0.01,
        )

    def run(self) -> ChaosReport:
        started_at = self._clock.monotonic()
        with SandboxProcess(self._api) as api:
            (self._folder / "chaos.toml").write_text(_TOML.format(url=api.url))
            while not self._is_enough(started_at) and not self._report.problems:
                self._round(started_at)
        self._report.seconds = self._clock.monotonic() - started_at
        return self._report

    def _is_enough(self, started_at: float) -> bool:
        is_late = self._clock.monotonic() - started_at >= self._settings.seconds
        return is_late or self._report.signals.total() >= self._settings.kills

    def _round(self, started_at: float) -> None:
        """One run, from its plan to its verdict, with signals all the while."""
        run_id = json.loads(self._haulier("enqueue", "chaos.toml", "--json"))["run_id"]
        with _Workers(self._folder, self._settings, self._clock) as workers:
            while not self._is_enough(started_at) and not is_closed(self._lake, SOURCE, run_id):
                name = workers.disturb(self._draw)
                self._report.signals[name] += 1
                time.sleep(self._draw.uniform(0, self._settings.pause_seconds))
                workers.tend()
            deadline = self._clock.monotonic() + PATIENCE_SECONDS
            while not is_closed(self._lake, SOURCE, run_id) and self._clock.monotonic() < deadline:
                workers.tend()
                time.sleep(0.1)
            self._report.problems += workers.faults
        self._haulier("verify", "chaos.toml", "--run", run_id, codes=(0, 1, 3, 4))
        self._add(run_id, judge_run(self._lake, SOURCE, run_id, self._records_of, lambda params: False))

    def _add(self, run_id: str, judgement: Judgement) -> None:
        report = self._report
        report.runs += 1
        report.items += judgement.items
        report.records += judgement.records
        report.poisoned += judgement.poisoned
        report.problems += [f"{run_id}: {problem}" for problem in judgement.problems]

    @property
    def _lake(self) -> Path:
        return self._folder / "lake"

    def _records_of(self, params: dict[str, dict[str, int]]) -> list[bytes]:
        first, last = (rank_of(self._api, params["ids"][end]) for end in ("start", "end"))
        ranks = range(first, last)
        assert all(params["ids"]["start"] <= id_at(self._api, rank) < params["ids"]["end"] for rank in ranks)
        return [record_at(self._api, rank) for rank in ranks]

    def _haulier(self, *words: str, codes: Sequence[int] = (0,)) -> bytes:
        done = subprocess.run(_command(*words), cwd=self._folder, capture_output=True, check=False)
        if done.returncode not in codes:
            raise RuntimeError(f"haulier {' '.join(words)} ended with {done.returncode}:\n{done.stderr.decode()}")
        return done.stdout


class _Workers:
    """Worker processes, each a process group of its own; a dead one is replaced when they are tended."""

    def __init__(self, folder: Path, settings: ChaosSettings, clock: Clock) -> None:
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._stack = contextlib.ExitStack()
        self._living: list[subprocess.Popen[bytes]] = []
        self._stopped: dict[int, float] = {}
        self._asked: set[int] = set()
        self.faults: list[str] = []

    def __enter__(self) -> _Workers:
        self._log = self._stack.enter_context(open(self._folder / "workers.log", "ab"))
        self.tend()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Drain them all; whoever does not end is killed, and that is a fault."""
        for worker in self._living:
            self._send(worker, signal.SIGCONT)
            self._send(worker, signal.SIGTERM)
        for worker in self._living:
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                self._send(worker, signal.SIGKILL)
                worker.wait()
        self._stack.close()

    def disturb(self, draw: random.Random) -> str:
        """Send a signal to a worker; a stopped one goes on after one and a half leases."""
        worker = draw.choice(self._living)
        number = draw.choices([signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP], weights=[6, 2, 2])[0]
        self._send(worker, number)
        if number == signal.SIGSTOP:
            self._stopped[worker.pid] = self._clock.monotonic() + 1.5 * self._settings.lease_seconds
        else:
            self._asked.add(worker.pid)
        return number.name

    def tend(self) -> None:
        """Let stopped ones go on that were stopped for long enough, and replace the dead."""
        now = self._clock.monotonic()
        for worker in list(self._living):
            if self._stopped.get(worker.pid, now + 1) <= now:
                del self._stopped[worker.pid]
                self._send(worker, signal.SIGCONT)
            code = worker.poll()
            if code is not None:
                self._living.remove(worker)
                self._stopped.pop(worker.pid, None)
                if code not in (0, 4) and worker.pid not in self._asked:
                    self.faults.append(f"worker {worker.pid} ended with {code}; see workers.log")
        while len(self._living) < self._settings.workers:
            self._living.append(self._start())

    def _start(self) -> subprocess.Popen[bytes]:
        command = _command("work", "chaos.toml", "--lease", f"{self._settings.lease_seconds:g}", "--grace", "2")
        return subprocess.Popen(
            command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, process_group=0
        )

    def _send(self, worker: subprocess.Popen[bytes], number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, number)


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "haulier", *words]


@contextlib.contextmanager
def _folder(path: Path | None) -> Iterator[Path]:
    if path is not None:
        path.mkdir(parents=True, exist_ok=True)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="haulier-chaos-") as name:
        yield Path(name)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m haulier.testing.chaos", description="Kill workers, then count.")
    parser.add_argument("--kills", type=int, default=1_000, help="signals to send; %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="%(default)s")
    parser.add_argument("--seconds", type=float, default=86_400.0, help="stop sending after this; %(default)s")
    parser.add_argument("--folder", type=Path, help="keep lake, queue and logs here; by default they are removed")
    flags = parser.parse_args(argv)
    settings = ChaosSettings(kills=flags.kills, seed=flags.seed, seconds=flags.seconds)
    with _folder(flags.folder) as folder:
        report = run_chaos(settings, folder.absolute(), SystemClock())
    sys.stdout.write(f"{report}\n" + "".join(f"  {problem}\n" for problem in report.problems))
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
