"""Kills, drains and stops real processes at random, lets the run end, and asks the oracle about the records."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from haulier.clock import Clock
from haulier.testing.sandbox import SandboxProcess
from tests.harness.chaos.rounds import IN_FLIGHT, Round, rounds
from tests.harness.chaos.stores import Store, open_store
from tests.harness.chaos.workers import Crew, Place, command
from tests.harness.oracle import Judgement, judge_run

PATIENCE_SECONDS = 120.0
"""A run that is not closed so long after the last signal will never be."""
CLOSER_HITS = 2
"""Closers of one run that are hit after the last of its signals."""
CLOSING_SECONDS = 0.05
"""A closer is hit at any moment up to so long after it opened."""


@dataclass(frozen=True)
class ChaosSettings:
    """How much is done to whom. Seconds are of wall time."""

    kills: int = 60
    """Signals of all kinds, SIGKILL, SIGTERM and SIGSTOP, before the last run is left in peace."""
    seed: int = 1
    seconds: float = 3_600.0
    """No more signals after this, whatever ``kills`` says; but for those of ``at_least``."""
    at_least: int = 0
    lease_seconds: float = 3.0
    records: int = 15_000
    """Of a large run."""
    pause_seconds: float = 1.2
    """Between two signals at most; drawn evenly from 0."""
    kinds: tuple[str, ...] = ()
    """Rounds of these kinds alone; all, if empty."""
    backend: str = "sqlite"
    """Where lake and queue are: one of `stores.BACKENDS`."""


@dataclass
class ChaosReport:
    """What was done, and what is wrong (nothing, one hopes)."""

    signals: Counter[str] = field(default_factory=Counter)
    closers: int = 0
    """Signals that were aimed at whoever was closing a run."""
    rounds: Counter[str] = field(default_factory=Counter)
    items: int = 0
    split: int = 0
    records: int = 0
    poisoned: int = 0
    lost_queues: int = 0
    peak_in_flight: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        sent = ", ".join(f"{count} {name}" for name, count in sorted(self.signals.items()))
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.rounds.items()))
        return (
            f"{self.signals.total()} signals ({sent}; {self.closers} at a closer), {self.lost_queues} queues lost, in "
            f"{self.seconds:.0f} s: {self.rounds.total()} runs ({kinds}), {self.items:,} items ({self.split:,} split, "
            f"poisoned {self.poisoned}), {self.records:,} records, at most {self.peak_in_flight} requests in flight "
            f"where {IN_FLIGHT} may be, {len(self.problems)} problems"
        )


def run_chaos(settings: ChaosSettings, folder: Path, clock: Clock) -> ChaosReport:
    """Run after run under fire until enough signals were sent. Everything is left in ``folder``."""
    with open_store(settings.backend, folder, clock) as store:
        chaos = _Chaos(settings, folder, store, clock)
        for one in rounds(settings.seed, settings.records):
            if chaos.is_enough or chaos.report.problems:
                break
            if not settings.kinds or one.kind in settings.kinds:
                chaos.play(one)
        chaos.report.seconds = clock.monotonic() - chaos.started_at
        return chaos.report


class _Chaos:
    def __init__(self, settings: ChaosSettings, folder: Path, store: Store, clock: Clock) -> None:
        self._settings = settings
        self._folder = folder
        self._store = store
        self._clock = clock
        self._draw = random.Random(settings.seed)
        self.started_at = clock.monotonic()
        self.report = ChaosReport()
        self._hit: set[str] = set()

    @property
    def is_enough(self) -> bool:
        sent = self.report.signals.total()
        is_late = self._clock.monotonic() - self.started_at >= self._settings.seconds
        return sent >= self._settings.kills or (is_late and sent >= self._settings.at_least)

    def play(self, one: Round) -> None:
        """One run, from its plan to its verdict, with signals all the while."""
        with SandboxProcess(one.api) as api:
            source, variables = one.prepare(self._folder, api.url)
            variables |= self._store.variables
            words = [source, *self._store.words(one.source)]
            run_id = self._enqueue(words, variables)
            run_ids = [run_id, *([self._enqueue([*words, "incremental"], variables)] if one.has_increment else [])]
            place = Place(self._folder, words, variables, run_id, self._settings.lease_seconds, self._clock)
            with Crew(place, one.workers, is_fleet=one.is_fleet, is_deadly=one.is_deadly) as crew:
                self._fire(one, run_ids, crew, words)
                self._wait(one, run_ids, crew)
            self.report.problems += crew.faults
            peak = api.counters().peak_in_flight
        for run_id in run_ids:
            self._haulier("verify", *words, "--run", run_id, variables=variables, codes=(0, 1, 3, 4))
            lake = self._store.fetch(one.source, run_id)
            self._add(one, run_id, judge_run(lake, one.source, run_id, one.records_of, one.may_fail), peak)

    def _enqueue(self, words: Sequence[str], variables: Mapping[str, str]) -> str:
        """Plan and send the run; half of the time only after a first try was killed somewhere."""
        if self._draw.random() < 0.5:
            first = subprocess.Popen(
                command("enqueue", *words),
                cwd=self._folder,
                env=os.environ | variables,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(self._draw.uniform(0.4, 1.2))
            first.kill()
            first.wait()
            self.report.signals["SIGKILL"] += 1
        found = json.loads(self._haulier("enqueue", *words, "--json", variables=variables))
        run_id: str = found["run_id"]
        return run_id

    def _fire(self, one: Round, run_ids: Sequence[str], crew: Crew, words: Sequence[str]) -> None:
        loses_queue = one.loses_queue
        for _ in range(one.signals):
            if self.is_enough or self._are_closed(one, run_ids):
                return
            target = self._closer_within(self._draw.uniform(0, self._settings.pause_seconds), one, run_ids[-1])
            if target is not None:
                self._hit_closer(target, crew)
            else:
                self.report.signals[crew.disturb(self._draw)] += 1
            if loses_queue and self._draw.random() < 0.2:
                self._store.lose_queue(one.source)
                self.report.lost_queues += 1
                if self._store.wants_repair:
                    for run_id in run_ids:
                        self._haulier("repair", *words, "--run", run_id, variables=crew.variables, codes=(0, 2))
                loses_queue = False
            crew.tend()

    def _closer_within(self, seconds: float, one: Round, run_id: str) -> int | None:
        """Wait so long, or until somebody opens a closing: the id of that process. Each is hit but once."""
        deadline = self._clock.monotonic() + seconds
        while self._clock.monotonic() < deadline:
            name = self._store.closer_at_work(one.source, run_id)
            if name is not None and name not in self._hit:
                self._hit.add(name)
                return int(name.split("-")[-2])
            time.sleep(self._store.look_seconds)
        return None

    def _hit_closer(self, pid: int, crew: Crew) -> None:
        time.sleep(self._draw.uniform(0, CLOSING_SECONDS))
        self.report.closers += 1
        self.report.signals[crew.disturb(self._draw, pid)] += 1

    def _are_closed(self, one: Round, run_ids: Sequence[str]) -> bool:
        return all(self._store.is_closed(one.source, run_id) for run_id in run_ids)

    def _wait(self, one: Round, run_ids: Sequence[str], crew: Crew) -> None:
        """Until its runs are closed; but a few of those who close it are hit all the same."""
        deadline = self._clock.monotonic() + PATIENCE_SECONDS
        hits = 0
        while not self._are_closed(one, run_ids) and self._clock.monotonic() < deadline:
            target = self._closer_within(0.1, one, run_ids[0])
            if target is not None and hits < CLOSER_HITS:
                hits += 1
                self._hit_closer(target, crew)
            crew.tend()

    def _add(self, one: Round, run_id: str, judgement: Judgement, peak: int) -> None:
        report, problems = self.report, list(judgement.problems)
        report.rounds[one.kind] += 1
        report.items += judgement.items
        report.split += judgement.split
        report.records += judgement.records
        report.poisoned += judgement.poisoned
        if judgement.verdict != one.verdict or judgement.poisoned != len(one.failing):
            problems.append(f"the run ended {judgement.verdict} with {judgement.poisoned} poisoned")
        if not (one.loses_queue and self._store.forgets_members):
            report.peak_in_flight = max(report.peak_in_flight, peak)
            if peak > IN_FLIGHT:
                problems.append(f"{peak} requests were in flight, {IN_FLIGHT} may be")
        report.problems += [f"{run_id} ({one.kind}): {problem}" for problem in problems]

    def _haulier(self, *words: str, variables: Mapping[str, str], codes: Sequence[int] = (0,)) -> bytes:
        done = subprocess.run(
            command(*words), cwd=self._folder, env=os.environ | variables, capture_output=True, check=False
        )
        if done.returncode not in codes:
            raise RuntimeError(f"haulier {' '.join(words)} ended with {done.returncode}:\n{done.stderr.decode()}")
        return done.stdout
