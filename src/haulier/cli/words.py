"""The command lines that haulier starts itself with."""

from __future__ import annotations

import sys
from pathlib import Path

from haulier.app.site import Options


def child_command(name: str, source: str, options: Options, *more: str) -> tuple[str, ...]:
    """The same haulier, source and places in another process."""
    source = str(Path(source).absolute()) if Path(source).suffix in {".toml", ".py"} else source
    words = [sys.executable, "-m", "haulier", name, source]
    if options.lake is not None:
        words += ["--lake", options.lake]
    if options.queue is not None:
        words += ["--queue", options.queue]
    if name == "work":
        words += ["--lease", f"{options.worker.lease_seconds:g}", "--grace", f"{options.worker.grace_seconds:g}"]
    return (*words, *more)
