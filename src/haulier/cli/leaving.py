"""The end of a process that was asked to stop, whatever it still waits for."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Final

from haulier.cli.standard_streams import says_json

LAST_SECONDS: Final = 6.0
"""After the grace: for handing back, the last receipts, and what telemetry sends (2 s). With the default grace a
process is gone within 25 s; platforms kill after 30."""
PARENT_SECONDS: Final = LAST_SECONDS + 1.0
"""The same for a parent, whose children hear of the signal from it."""
_MOST_SECONDS: Final = 1e8
"""Python's timers bear no more than some hundred years."""
_CODE: Final = 4
_LAST_WORDS: Final = "Stopped: what was still waited for did not answer in time. No record is lost by it."

_timer: threading.Timer | None = None


def leave_within(seconds: float) -> None:
    """End this process after so long, even if its event loop is blocked. It is as safe as a kill: what could not be
    handed back comes when its lease runs out. A later call takes the place of an earlier one."""
    global _timer
    stay()
    _timer = threading.Timer(min(seconds, _MOST_SECONDS), _leave)
    _timer.daemon = True
    _timer.start()


def stay() -> None:
    """The command has ended by itself."""
    global _timer
    if _timer is not None:
        _timer.cancel()
        _timer = None


def _leave() -> None:
    with contextlib.suppress(OSError):
        os.write(2, _last_line().encode() + b"\n")
    os._exit(_CODE)


def _last_line() -> str:
    if not says_json():
        return _LAST_WORDS
    from haulier.cli.json_stream import line_of

    return line_of(_LAST_WORDS)
