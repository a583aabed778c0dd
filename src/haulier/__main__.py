"""``python -m haulier``, and the command ``haulier``."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


def start() -> int:
    """Run the command line of this process. Returns the exit code."""
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


def _end(_number: int, _frame: FrameType | None) -> None:
    """Until the event loop begins nothing has been done."""
    os.write(2, b'{"level":"info","event":"said","text":"Interrupted."}\n' if _has_json_lines() else b"Interrupted.\n")
    os._exit(4)


def _has_json_lines() -> bool:
    return os.environ.get("HAULIER_LOG") == "json"


if __name__ == "__main__":
    sys.exit(start())
