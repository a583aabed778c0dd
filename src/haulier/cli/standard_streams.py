"""Standard output and error whose reader may leave, or whose disk may fill up."""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from haulier.cli.json_stream import JsonStream


LOG_VARIABLE = "HAULIER_LOG"
WITH_PARENT = "--with-parent"
"""The flag of a worker whose parent reads its standard error."""


class PatientFile(io.RawIOBase):
    """Writes while it can; the rest is dropped, and the program goes on."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.problem: OSError | None = None
        """The error of a failed write."""

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, text: Buffer, /) -> int | None:
        if self.problem is None:
            try:
                return os.write(self._descriptor, text)
            except BlockingIOError:
                return None
            except OSError as error:
                self.problem = error
        return memoryview(text).nbytes


def is_read(stream: TextIO) -> bool:
    """Whether anybody may still read what is written there: not where the other end of a pipe is closed."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return True
    poll = select.poll()
    poll.register(descriptor, 0)
    return not any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


@contextlib.contextmanager
def patient_streams() -> Iterator[list[OSError]]:
    """Give the process such streams. Afterwards the list has the problem of standard output, if there was one.
    Standard error has JSON lines alone where `says_json`.

    In `haulier run | head`, or on a full disk, the run is worked to its end, and the exit code is about the run.
    """
    problems: list[OSError] = []
    out, err = _patient(sys.stdout), _patient(sys.stderr)
    ends = [stream.flush for stream in (out, err) if stream is not None]
    if says_json() and err is not None:
        err = lines = _with_json_lines(err)
        ends.append(lines.write_held)
    sys.stdout, sys.stderr = out or sys.stdout, err or sys.stderr
    try:
        yield problems
    finally:
        for end in ends:
            end()
        if out is not None and (problem := out.buffer.raw.problem) is not None:  # type: ignore[attr-defined]
            problems.append(problem)


def says_json() -> bool:
    """Whether all that this process writes to standard error are JSON lines. Those of a child worker are its parent's
    matter, which reads in them why it ended."""
    return os.environ.get(LOG_VARIABLE) == "json" and WITH_PARENT not in sys.argv


def _with_json_lines(err: io.TextIOWrapper) -> JsonStream:
    from haulier.cli.json_stream import JsonStream, log_faults

    log_faults()
    return JsonStream(io.BufferedWriter(PatientFile(err.fileno())))


def _patient(stream: TextIO | None) -> io.TextIOWrapper | None:
    """Wrap a stream; None if it has no open file."""
    try:
        descriptor = -1 if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None
    if stream is None or descriptor < 0:
        return None
    return io.TextIOWrapper(
        io.BufferedWriter(PatientFile(descriptor)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream is sys.stderr or stream.isatty(),
    )
