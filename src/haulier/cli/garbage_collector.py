"""Python's collector of cycles, kept from looking where there is nothing: at the start, while it works, at the end."""

from __future__ import annotations

import gc

COLLECT_AFTER = 5_000
"""New objects after which the collector looks for cycles. At Python's 700 it takes a tenth of a worker's CPU, since
every item under way has a hundred objects that it looks at in vain; this many more are a megabyte. Of the imports of a
command it takes a twentieth."""


def collect_rarely() -> None:
    """From now on."""
    gc.set_threshold(COLLECT_AFTER)


def leave_the_rest() -> None:
    """The process ends: what it holds goes with it, and need not be looked through (a sixth of the CPU of a short
    command)."""
    gc.freeze()
