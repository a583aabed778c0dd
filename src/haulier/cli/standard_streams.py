"""Standard output and standard error of a process whose reader may leave, or whose disk may fill up, before its end."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer


class PatientFile(io.RawIOBase):
    """Writes for as long as somebody takes it; what comes after is dropped, and the program goes on."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.problem: OSError | None = None
        """Why some of it was not written."""

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


@contextlib.contextmanager
def patient_streams() -> Iterator[list[OSError]]:
    """Give the process such streams. After the block, the list has what standard output failed with, if it did.

    Where `haulier run | head` ends early, or the disk behind `> file` is full, the run has still to be worked to its
    end, and it is the run that the exit code is about.
    """
    problems: list[OSError] = []
    out, err = _patient(sys.stdout), _patient(sys.stderr)
    sys.stdout, sys.stderr = out or sys.stdout, err or sys.stderr
    try:
        yield problems
    finally:
        for stream in (out, err):
            if stream is not None:
                stream.flush()
        if out is not None and (problem := out.buffer.raw.problem) is not None:  # type: ignore[attr-defined]
            problems.append(problem)


def _patient(stream: TextIO | None) -> io.TextIOWrapper | None:
    """The same stream with patience; None where it is no file of this process's."""
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
