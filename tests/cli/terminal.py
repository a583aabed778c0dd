"""haulier on a terminal, as a person sees it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """What a command has drawn so far, without colours and cursor codes."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self.drawn = ""
        self._descriptor = descriptor

    def until(self, pattern: str) -> re.Match[str]:
        """Read on until a pattern was drawn. It must come."""
        while (found := re.search(pattern, self.drawn)) is None:
            assert self._read(), f"it ended without {pattern!r}:\n{self.drawn}"
        return found

    def end(self) -> int:
        """Read on to the end. Returns the exit code."""
        while self._read():
            pass
        return self.process.wait(timeout=60)

    def _read(self) -> bool:
        try:
            piece = os.read(self._descriptor, 1 << 16)
        except OSError:  # Linux says EIO where the other end is closed.
            return False
        self.drawn += _CODES.sub("", piece.decode(errors="replace"))
        return bool(piece)


@contextlib.contextmanager
def terminal(folder: Path, *words: str, columns: int = 160) -> Iterator[Terminal]:
    """A command on a terminal. What is left of it at the end is killed."""
    descriptor, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "haulier", *words],
        cwd=folder,
        env=os.environ | {"TERM": "xterm"},
        stdin=other,
        stdout=other,
        stderr=other,
        start_new_session=True,
    )
    os.close(other)
    try:
        yield Terminal(process, descriptor)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(descriptor)
