"""The steps of a process, from its calls to the seams down to what it asks of the disk and of SQLite, and an end at
any one of them: `os._exit` there, or a stop by SIGSTOP until somebody sends SIGCONT."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import apsw

CUT_OFF = 77
"""The exit code of a process that was cut off: not one of haulier's own."""

_TEMPORARY = ".tmp-"


@dataclass(frozen=True, order=True)
class Step:
    """One step of one process: the ``occurrence``-th (from 1) of a name such as ``LocalLake.publish``, ``link bronze``
    or ``sql COMMIT``; before it or after it."""

    name: str
    occurrence: int = 1
    is_after: bool = False

    def __str__(self) -> str:
        return f"{'after' if self.is_after else 'before'} {self.name} #{self.occurrence}"


@dataclass(frozen=True)
class Fate:
    """What happens to a process, and at which of its steps."""

    at: Step
    how: Literal["exit", "stop"]


@dataclass
class Steps:
    """Counts the steps of this process, and ends or stops it where its fates say. Safe in any thread."""

    fates: tuple[Fate, ...]
    on_reached: Callable[[], None]
    """Called just before the process ends or stops."""
    seen: list[Step] = field(default_factory=list)
    _counts: Counter[tuple[str, bool]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, name: str, is_after: bool) -> None:
        """The process is before or after a step of this name."""
        with self._lock:
            self._counts[name, is_after] += 1
            step = Step(name, self._counts[name, is_after], is_after)
            self.seen.append(step)
        for fate in self.fates:
            if step == fate.at:
                self.on_reached()
                if fate.how == "exit":
                    os._exit(CUT_OFF)
                # To this very thread, which stops the process too: one sent to the process may be taken by another
                # thread, and this one would be well past the step by then.
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    async def on_call(self, _number: int, name: str, is_after: bool) -> None:
        """Passed to `Cuts`: the calls to wrapped parts are steps."""
        self.note(name, is_after)

    def hook_disk(self, lake: Path) -> None:
        """Whatever this process writes below the lake's folder is a step, from now to its end."""
        names: dict[int, str] = {}
        plain_open = os.open

        def opened(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            descriptor = plain_open(path, flags, *arguments, **options)
            names[descriptor] = os.fspath(path)
            return descriptor

        def hook(name: str, path_of: Callable[[tuple[Any, ...]], str | None]) -> None:
            plain = getattr(os, name)

            def hooked(*arguments: Any, **options: Any) -> Any:
                path = path_of(arguments)
                place = None if path is None else _place(path, lake)
                if place is None:
                    return plain(*arguments, **options)
                self.note(f"{name} {place}", False)
                result = plain(*arguments, **options)
                self.note(f"{name} {place}", True)
                return result

            setattr(os, name, hooked)

        os.open = opened
        hook("write", lambda arguments: names.get(arguments[0]))
        hook("fsync", lambda arguments: names.get(arguments[0]))
        hook("link", lambda arguments: str(arguments[1]))
        hook("unlink", lambda arguments: str(arguments[0]))
        hook("mkdir", lambda arguments: str(arguments[0]))

    def hook_sql(self, queue: Path) -> None:
        """Each statement that this process executes in the queue's file is a step. There is no moment after one: it
        is the moment before the next."""

        def trace(_cursor: apsw.Cursor, sql: str, _bindings: Any) -> bool:
            self.note("sql " + " ".join(sql.split()[:2]), False)
            return True

        def connected(connection: apsw.Connection) -> None:
            if os.path.realpath(connection.filename) == os.path.realpath(queue):
                connection.set_exec_trace(trace)

        apsw.connection_hooks.append(connected)


def _place(path: str, lake: Path) -> str | None:
    """Where in the lake a path leads, without the names that differ from run to run; None outside of it."""
    if not path.startswith(f"{lake}/"):
        return None
    parts = path[len(str(lake)) + 1 :].split("/")
    if parts[0] != "_haulier":
        return "bronze" + ("/sign" if parts[-1].startswith("_") else _temporary(parts))
    folder = parts[4:]
    match folder:
        case ["plan", _, name]:
            return f"plan/{name.rpartition('.')[2]}" if not name.startswith(_TEMPORARY) else "plan/temporary"
        case ["closings", _, name]:
            return f"closings{_temporary(folder) or '/' + name}"
        case []:
            return "run"
        case [_]:
            return "run" + (_temporary(folder) or f"/{folder[0]}")
        case _:
            return folder[0] + _temporary(folder)


def _temporary(parts: list[str]) -> str:
    return "/temporary" if parts[-1].startswith(_TEMPORARY) else ""
