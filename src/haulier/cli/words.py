"""The command lines that haulier starts itself with, and those that it tells people to type."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from haulier.app.site import Options


def child_command(name: str, source: str, options: Options, *more: str) -> tuple[str, ...]:
    """The same haulier, source and places in another process."""
    source = str(Path(source).absolute()) if Path(source).suffix in {".toml", ".py"} else source
    words = [sys.executable, "-m", "haulier", name, source, *_places(options)]
    if name == "work":
        words += ["--lease", f"{options.worker.lease_seconds:g}", "--grace", f"{options.worker.grace_seconds:g}"]
    fixed = ["--fixed"] if options.is_fixed and name in {"work", "isolate"} else []
    return (*words, *fixed, *more)


def typed_command(name: str, source: str, options: Options, *more: str) -> str:
    """What a person types to go on, in the same lake and with the same queue."""
    return shlex.join(["haulier", name, source, *more, *_places(options)])


def _places(options: Options) -> list[str]:
    lake = [] if options.lake is None else ["--lake", options.lake]
    queue = [] if options.queue is None else ["--queue", options.queue]
    return lake + queue
