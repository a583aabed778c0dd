"""Python's collector of cycles, run rarely and not at the end."""

from __future__ import annotations

import gc

COLLECT_AFTER = 5_000
"""New objects after which cycles are looked for. At Python's 700 that takes a tenth of a worker's CPU, for a hundred
objects of each item under way, and a twentieth of a command's imports. This many more are a megabyte."""


def collect_rarely() -> None:
    """Apply `COLLECT_AFTER`."""
    gc.set_threshold(COLLECT_AFTER)


def leave_the_rest() -> None:
    """Let the process end without a last search, which takes a sixth of the CPU of a short command."""
    gc.freeze()
