"""``python -m haulier``, and the command ``haulier``."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


def start() -> int:
    """Run the command line of this process. Returns the exit code."""
    open_closed_streams()
    is_of_worker = "isolate" in sys.argv[1:2]  # A worker goes by how it ends.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler and not is_of_worker:
        signal.signal(signal.SIGINT, _end)
    if os.getpid() == 1 and not is_of_worker:
        # The first process of a container: the system drops a signal for which it has no handler.
        signal.signal(signal.SIGTERM, _end)
    from haulier.cli.main import main  # Takes a while, in which Ctrl-C would show a traceback.

    code = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # What was done is done, and its exit code stands.
    return code


def open_closed_streams() -> None:
    """Open each standard stream that is closed (``<&-``) on the null device, before anything else is opened.

    The queue's file would else become standard error; and uvloop aborts the process when it closes such a number.
    Standard output takes nothing then: what exists for its output alone fails, as on a full disk.
    """
    for descriptor, name, mode, flags in (
        (0, "stdin", "r", os.O_RDONLY),
        (1, "stdout", "w", os.O_RDONLY),
        (2, "stderr", "w", os.O_WRONLY),
    ):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)  # It takes the lowest number, which is this one.
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


def _end(_number: int, _frame: FrameType | None) -> None:
    """Until the event loop begins nothing has been done."""
    os.write(2, b'{"level":"info","event":"said","text":"Interrupted."}\n' if _has_json_lines() else b"Interrupted.\n")
    os._exit(4)


def _has_json_lines() -> bool:
    return os.environ.get("HAULIER_LOG") == "json"


if __name__ == "__main__":
    sys.exit(start())
