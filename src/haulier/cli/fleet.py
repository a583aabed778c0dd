"""Child workers: a killed one is replaced, and all drain when their parent drains or dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence

from haulier.cli.logs import is_log_line
from haulier.errors import UnavailableError, sentence
from haulier.worker.watch import Watch

LOOK_SECONDS = 1.0
"""Between two full looks at the run."""
ENDED_SECONDS = 0.1
"""Between two checks whether a child has closed the run, which only read a few names."""
RESTART_SECONDS = 0.2
"""Before the first restart of a child; doubled up to `RESTART_CAP_SECONDS` until one lives for `LIVED_SECONDS`."""
RESTART_CAP_SECONDS = 5.0
LIVED_SECONDS = 30.0
LINE_BYTES = 1 << 20
"""Longest line of a child that is passed on whole. It may hold a traceback."""
REASON_SECONDS = 60.0
"""Before a stopped child's reason is said while others work. Mostly all stop for one, which is said once, at the end;
each looks for proof of its own first."""
MAX_RESTARTS = 50
"""Deaths of a child in a row, each within `LIVED_SECONDS`, that end the fleet."""

_LAST_WORDS = "haulier: "
"""Begins the line in which a command says why it ends."""


class Fleet:
    """``count`` processes that work a run, and the watch that closes it.

    Each is a process group of its own: Ctrl-C reaches only the parent, whose death ends their standard input.
    """

    def __init__(self, command: Sequence[str], count: int, watch: Watch, say: Callable[[str], None]) -> None:
        self._command = command
        self._count = count
        self._watch = watch
        self._say = say
        self._children: set[Process] = set()
        self._draining = asyncio.Event()
        self._ends: list[tuple[int, str]] = []
        """Exit code and reason of children that are not replaced."""
        self._told: set[str] = set()
        self.reason = ""
        """The reason that it did not end well."""

    @property
    def living(self) -> int:
        return len(self._children)

    async def run(self) -> int:
        """Work until the run is closed. Returns the exit code."""
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._look_after())
                keeping = [group.create_task(self._keep()) for _ in range(self._count)]
                await asyncio.wait(keeping)
                watching.cancel()
        finally:
            self._watch.close()
        # A child that says that the run is drained may have closed it since the last look from here.
        if self._watch.closed or any(code == 0 for code, _ in self._ends):
            if not self._draining.is_set():
                for _, reason in self._ends:
                    if reason:
                        self._tell(reason)  # The closing words of a run that ended well have none.
            return 0
        # What a person must change is said before what may pass by itself.
        order = (2, 1, 4)
        code, reason = min(self._ends, key=lambda end: (order.index(end[0]), not end[1]), default=(4, ""))
        self.reason = self.reason or reason
        return code

    def wake(self) -> None:
        """Tell waiting children that there is work."""
        for child in self._children:
            assert child.stdin is not None
            child.stdin.write(b"\n")

    def drain(self, why: str) -> None:
        """Stop; children finish their items within their grace."""
        self.reason = self.reason or f"stopped by {why}"
        self._draining.set()
        self._signal(signal.SIGTERM)

    def stop_now(self) -> None:
        self._signal(signal.SIGTERM)

    async def _keep(self) -> None:
        """Run one child, and replace it while it is needed."""
        restarts, wait_seconds = 0, RESTART_SECONDS
        loop = asyncio.get_running_loop()
        while not self._draining.is_set():
            alarm = asyncio.Event()
            lived = loop.call_later(LIVED_SECONDS, alarm.set)
            code, reason = await self._live()
            lived.cancel()
            if code in (0, 2, 4) or self._draining.is_set():
                self._note_end(code, reason)
                return
            if reason:
                self._say(f"{_LAST_WORDS}{reason}")
            restarts = 1 if alarm.is_set() else restarts + 1
            wait_seconds = RESTART_SECONDS if alarm.is_set() else min(wait_seconds * 2, RESTART_CAP_SECONDS)
            if restarts > MAX_RESTARTS:
                self._ends.append(
                    (1, f"a worker died {MAX_RESTARTS} times in a row, the last time with exit code {code}")
                )
                return
            self._say(f"A worker ended ({_how(code)}); another takes its place.")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._draining.wait(), wait_seconds)

    def _note_end(self, code: int, reason: str) -> None:
        self._ends.append((code if code in (0, 1, 2) else 4, reason))
        if self._draining.is_set():
            # A child that was told to stop says so; the closing words say by what.
            if reason and not reason.startswith("stopped "):
                self._tell(reason)
        elif reason:
            asyncio.get_running_loop().call_later(REASON_SECONDS, self._tell_working, reason)

    def _tell_working(self, reason: str) -> None:
        if self._children and not self._draining.is_set():
            self._tell(reason)

    def _tell(self, reason: str) -> None:
        if reason not in self._told:
            self._told.add(reason)
            self._say(f"A worker has stopped: {reason}")

    async def _live(self) -> tuple[int, str]:
        """Run a child to its end. Returns its exit code, and the reason that it gave."""
        reason = ""
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=LINE_BYTES,
                start_new_session=True,
            )
        except OSError as error:
            raise UnavailableError(f"No worker can be started here: {error}") from error
        self._children.add(child)
        try:
            if self._draining.is_set():
                child.terminate()  # It was started too late to be told.
            assert child.stderr is not None
            is_reason = False
            while line := await _line_of(child.stderr):
                text = line.decode(errors="replace").rstrip()
                if text.startswith(_LAST_WORDS):
                    reason, is_reason = text.removeprefix(_LAST_WORDS), True
                elif is_reason and not is_log_line(text):
                    reason = f"{reason}\n{text}"  # Last words of several lines.
                else:
                    is_reason = False  # Telemetry may tell of its losses in the end.
                    self._say(text)
            return await child.wait(), reason
        finally:
            self._children.discard(child)
            if child.returncode is None:
                child.terminate()
                await child.wait()

    async def _look_after(self) -> None:
        """Close the run when it is drained."""
        while not self._watch.closed:
            try:
                for _ in range(round(LOOK_SECONDS / ENDED_SECONDS)):
                    await asyncio.sleep(max(ENDED_SECONDS, self._watch.look_seconds))
                    if await self._watch.has_ended():
                        break
                await self._watch.look()
            except UnavailableError as error:
                self._say(f"haulier: {sentence(error)} Trying again.")

    def _signal(self, number: signal.Signals) -> None:
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, number)


async def _line_of(stream: asyncio.StreamReader) -> bytes:
    """Read a line, cut at `LINE_BYTES`; empty at the end of the stream."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as rest:
        return rest.partial
    except asyncio.LimitOverrunError as overrun:
        return await stream.readexactly(overrun.consumed)


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
