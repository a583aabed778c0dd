"""Real processes that are cut off, or stopped, at any step of a run's life, and others that go on.

Each process is forked from a server that has everything imported and holds neither connection nor thread, so that one
costs some 50 milliseconds. It does the whole of a run: plan, enqueue, work, close; or goes on where another one was.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import multiprocessing
import os
import signal
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from haulier.clock import SystemClock
from haulier.errors import UnavailableError
from haulier.items.workitem import WorkItem
from haulier.lake.local.lake import LocalLake
from haulier.lake.paths import runs_root
from haulier.queues.seam import Queue
from haulier.queues.sqlite.queue import SqliteQueue
from haulier.rows.seam import Rows
from haulier.runs.closing import Closer
from haulier.runs.enqueue import Enqueuer
from haulier.runs.run import NewRun, Run, claim_run, list_runs
from haulier.runs.verify import verify_run
from haulier.worker.settings import WorkerSettings
from haulier.worker.watch import Watch
from tests.harness.cuts.calls import Cuts
from tests.harness.cuts.steps import CUT_OFF, Fate, Step, Steps
from tests.harness.oracle import judge_run
from tests.harness.things import SOURCE, Things, ThingsApi, client_of, things
from tests.harness.wiring import deps_of, worker_of

LEASE_SECONDS = 1.0
STOPPED_SECONDS = 1.5 * LEASE_SECONDS
LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 40.0
"""No process of a trial takes so long, on however busy a machine."""


@dataclass(frozen=True)
class Role:
    """What one process of a trial is there for."""

    name: str
    fates: tuple[Fate, ...] = ()

    @property
    def is_first(self) -> bool:
        return self.name == "first"


LATER = Role("later")
KEPT_OUT = 75
"""Exit code of a process that the queue was held from all the time: it came to no step, and did no harm."""


@dataclass(frozen=True)
class Scene:
    """A small run: its items by their first and last ID, and what the API answers."""

    items: tuple[tuple[int, int], ...]
    empty: frozenset[int] = frozenset()
    divided: frozenset[int] = frozenset()
    refused: frozenset[int] = frozenset()
    divided_later: frozenset[int] = frozenset()
    """Served whole to the first process of a trial, and divided by all others."""
    refused_later: frozenset[int] = frozenset()

    @property
    def api(self) -> ThingsApi:
        """What is answered in the end, which the oracle goes by."""
        return self.api_for(LATER)

    def api_for(self, role: Role) -> ThingsApi:
        divided = self.divided if role.is_first else self.divided | self.divided_later
        refused = self.refused if role.is_first else self.refused | self.refused_later
        return ThingsApi(empty=set(self.empty), divided=set(divided), statuses=dict.fromkeys(refused, 404))

    async def enumerate(self) -> AsyncIterator[WorkItem]:
        for start, end in self.items:
            yield things(start, end)


_one_at_a_time = threading.Lock()
"""`multiprocessing` looks after all processes whenever one starts, and two threads that read one exit code get 255."""

Act = Callable[[Scene, Path, Role], None]


@dataclass(frozen=True)
class Outcome:
    """What came of a trial."""

    was_reached: bool
    verdict: str
    problems: tuple[str, ...]


class Stage:
    """Trials of one scene, each in a folder of its own below ``folder``. Methods may be called by several threads."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self._scene = scene
        self._folder = folder
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        # The server finds it only where tests run in the project's folder; elsewhere each process imports it anew.
        self._context.set_forkserver_preload([__name__])

    def steps(self) -> list[Step]:
        """Every step of a process that lives through the whole run, undisturbed, in their order."""
        trial = self._trial("whole")
        self._end(self._start(trial, live, Role("first")))
        return [Step(**step) for step in json.loads((trial / "steps-first.json").read_bytes())]

    def cut_off(self, at: Step) -> Outcome:
        """A process ends at a step; another one comes and finishes."""
        trial = self._trial(f"exit {at}")
        code = self._end(self._start(trial, live, Role("first", (Fate(at, "exit"),))))
        return self._judge(trial, was_reached=code == CUT_OFF)

    def stopped(self, at: Step) -> Outcome:
        """A process stops at a step for one and a half leases, while another one goes on; then it goes on too."""
        trial = self._trial(f"stop {at}")
        first = self._start_stopped(trial, Role("first", (Fate(at, "stop"),)))
        second = self._start(trial, live, LATER)
        time.sleep(STOPPED_SECONDS)
        _let_go(first)
        for process in (first, second):
            self._end(process)
        return self._judge(trial, was_reached=_mark(trial, "first").exists())

    def crossed(self, stops: Step, ends: Step, other: Step) -> Outcome:
        """A process stops at a step. Another one goes on, and stops at ``other``; the first goes on to its end at
        ``ends``; then the second does what is left."""
        trial = self._trial(f"cross {stops} {other}")
        first = self._start_stopped(trial, Role("first", (Fate(stops, "stop"), Fate(ends, "exit"))))
        second = self._start_stopped(trial, Role("second", (Fate(other, "stop"),)))
        _let_go(first)
        self._end(first)
        _let_go(second)
        self._end(second)
        return self._judge(trial, was_reached=_mark(trial, "second").exists())

    def _judge(self, trial: Path, *, was_reached: bool) -> Outcome:
        self._end(self._start(trial, finish, LATER))
        found = json.loads((trial / "judgement.json").read_bytes())
        return Outcome(was_reached, found["verdict"], tuple(found["problems"]))

    def _trial(self, name: str) -> Path:
        trial = self._folder / name.replace("/", "-").replace(" ", "_")
        trial.mkdir()
        return trial

    def _start_stopped(self, trial: Path, role: Role) -> ForkServerProcess:
        """Start a process and wait until it has come to its first fate, or to its end."""
        process = self._start(trial, live, role)
        while self._code(process) is None and not _mark(trial, role.name).exists():
            time.sleep(LOOK_SECONDS)
        return process

    def _start(self, trial: Path, act: Act, role: Role) -> ForkServerProcess:
        process = self._context.Process(target=act, args=(self._scene, trial, role), daemon=True)
        with _one_at_a_time:
            process.start()
        return process

    def _code(self, process: ForkServerProcess) -> int | None:
        with _one_at_a_time:
            return process.exitcode

    def _end(self, process: ForkServerProcess) -> int:
        clock = SystemClock()
        deadline = clock.monotonic() + PATIENCE_SECONDS
        while (code := self._code(process)) is None:
            if clock.monotonic() > deadline:
                process.kill()
                raise AssertionError("a process of a trial does not end")
            _let_go(process)  # Again and again: it marks that it stops just before it does.
            time.sleep(LOOK_SECONDS)
        if code not in (0, CUT_OFF, KEPT_OUT):
            raise AssertionError(f"a process of a trial ended with {code}")
        return code


def live(scene: Scene, trial: Path, role: Role) -> None:
    """A process's whole life: start the run or go on with it, work, close."""
    logging.basicConfig(filename=trial / f"{os.getpid()}.log", level=logging.INFO)
    steps = Steps(role.fates, _mark(trial, role.name).touch)
    steps.hook_disk(trial / "lake")
    steps.hook_sql(trial / "queue.sqlite3")
    asyncio.run(_again_while_busy(partial(_live, scene, trial, role, Cuts(on_call=steps.on_call))))
    if not role.fates:
        (trial / f"steps-{role.name}.json").write_text(json.dumps([asdict(step) for step in steps.seen]))


def finish(scene: Scene, trial: Path, role: Role) -> None:
    """The last process of a trial: go on to the end, `verify`, and ask the oracle."""
    logging.basicConfig(filename=trial / f"{os.getpid()}.log", level=logging.INFO)
    run = asyncio.run(_again_while_busy(partial(_live, scene, trial, role, Cuts(), verifies=True)))
    seen = judge_run(trial / "lake", SOURCE, run.run_id, scene.api.served, scene.api.refuses)
    (trial / "judgement.json").write_text(json.dumps({"verdict": seen.verdict, "problems": seen.problems}))


def _mark(trial: Path, name: str) -> Path:
    """Stands once the process of that role has come to a fate."""
    return trial / f"reached-{name}"


def _let_go(process: ForkServerProcess) -> None:
    with contextlib.suppress(ProcessLookupError):
        assert process.pid is not None
        os.kill(process.pid, signal.SIGCONT)


async def _again_while_busy(life: Callable[[], Any]) -> Run:
    """A process that finds the queue held by one that stands still would be started again by whoever started it."""
    for _ in range(20):
        try:
            run: Run = await life()
        except* UnavailableError:
            await asyncio.sleep(0.2)
        else:
            return run
    # A thread of the one that stands still is inside a transaction. It may be waiting for this very process.
    os._exit(KEPT_OUT)


async def _live(scene: Scene, trial: Path, role: Role, cuts: Cuts, *, verifies: bool = False) -> Run:
    clock, name = SystemClock(), f"p{os.getpid()}-{uuid.uuid4().hex[:8]}"
    settings, answers = WorkerSettings(lease_seconds=LEASE_SECONDS), scene.api_for(role)

    def open_both() -> tuple[Queue, Rows]:
        own = SqliteQueue(trial / "queue.sqlite3", clock, busy_timeout_seconds=LEASE_SECONDS / 4)
        return cuts.wrap(own), cuts.wrap(own.rows)

    lake, (queue, rows), api = cuts.wrap(LocalLake(trial / "lake", clock)), open_both(), cuts.wrap(answers)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(lake.close)
        stack.push_async_callback(queue.close)
        run = await _run(lake, clock)
        closer = Closer(lake, queue, clock, name)
        verdict = await closer.close(run)
        if verdict is None:
            client = await stack.enter_async_context(client_of(api, rows, clock, name, beat_seconds=0.2))
            await Enqueuer(lake, queue, clock, shard_items=2).enqueue(run, scene.enumerate)
            deps = deps_of(
                SOURCE,
                lake=lake,
                queue=queue,
                open_queue=lambda: open_both()[0],
                client=client,
                clock=clock,
                name=name,
                settings=settings,
                processors={Things: answers.work},
            )
            watch = Watch(lake, queue, closer, SOURCE, only=run.run_id)
            worker = worker_of(deps, watch, on_stall=partial(os._exit, 1))
            if code := await worker.run():
                if "held by another process" in worker.reason:
                    raise UnavailableError(worker.reason)
                raise AssertionError(f"a worker ended with {code}: {worker.reason}")
            verdict = watch.closed[run.run_id]
        if verifies:
            seen = await verify_run(lake, run, verdict)
            assert seen.is_sound, seen.findings
    return run


async def _run(lake: Any, clock: SystemClock) -> Run:
    """The run of the trial: the one that somebody claimed, or a new one."""
    if await lake.names(runs_root(SOURCE)):
        for run in await list_runs(lake, SOURCE):
            return run
    return await claim_run(lake, clock, NewRun(SOURCE, "full", "as it was", (Things.stream,), False, "0"))


def chosen(steps: Sequence[Step], quiet: Sequence[str] = (), occurrences: int = 2) -> list[Step]:
    """Of each name the first few steps, before and after; none of a name that begins with one of ``quiet``."""
    return [
        step
        for step in dict.fromkeys(steps)
        if step.occurrence <= occurrences and not step.name.startswith(tuple(quiet))
    ]
