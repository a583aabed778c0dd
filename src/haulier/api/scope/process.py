"""Whether a process of this machine surely ended, so that nobody waits for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal


def this_process() -> str:
    """A mark that no other process ever has; empty where the system cannot tell.

    Boot, namespace, id and start time: no reused id or container deceives it.
    """
    place, start = _place(), _start_time(os.getpid())
    return f"{place}/{os.getpid()}:{start}" if place and start else ""


def find_process(mark: str) -> Literal["here", "gone", "unknown"]:
    """``unknown`` is a process that cannot be seen from here."""
    if is_gone(mark):
        return "gone"
    place = mark.rpartition("/")[0]
    return "here" if place and place == _place() else "unknown"


def is_gone(mark: str) -> bool:
    """False in doubt, as for another machine's process."""
    place, _, process = mark.rpartition("/")
    pid, _, start = process.partition(":")
    if not place or place != _place() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # It exists, and is somebody else's.
    return _start_time(int(pid)) not in {start, ""}


def _start_time(pid: int) -> str:
    """``ended`` for a zombie, empty where it cannot be inspected."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # proc_pid_stat(5): the name in brackets may hold anything, so fields count from the last bracket. The first is the
    # state, the twentieth the start time.
    fields = stat.rpartition(")")[2].split()
    return "ended" if fields[0] in {"Z", "X"} else fields[19]


def _place() -> str:
    if sys.platform != "linux":
        return ""
    try:
        if os.readlink("/proc/self") != str(os.getpid()):
            return ""  # This is the /proc of another namespace: it tells of other processes under our numbers.
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
