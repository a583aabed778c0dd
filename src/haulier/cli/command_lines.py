"""The command lines that haulier starts itself with, and those that it tells people to type."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from haulier.app.open_source import Options
from haulier.worker.settings import WorkerSettings


def child_command(name: str, source: str, options: Options, *more: str) -> tuple[str, ...]:
    """The same haulier, source and places in another process."""
    source = str(Path(source).absolute()) if Path(source).suffix in {".toml", ".py"} else source
    words = [sys.executable, "-m", "haulier", name, source, *_places(options)]
    if name == "work":
        words += ["--lease", f"{options.worker.lease_seconds:g}", "--grace", f"{options.worker.grace_seconds:g}"]
    fixed = ["--fixed"] if options.is_fixed and name in {"work", "isolate"} else []
    return (*words, *fixed, *more)


def typed_command(name: str, source: str, options: Options, *more: str) -> str:
    """What a person types to go on: in the same lake, with the same queue, and worked in the same way."""
    return shlex.join(["haulier", name, source, *more, *_places(options), *_manner(options)])


def _manner(options: Options) -> list[str]:
    """What is not as it is unless it is said."""
    usual, worker = WorkerSettings(), options.worker
    lease = ["--lease", f"{worker.lease_seconds:g}"] if worker.lease_seconds != usual.lease_seconds else []
    grace = ["--grace", f"{worker.grace_seconds:g}"] if worker.grace_seconds != usual.grace_seconds else []
    return [*lease, *grace, *(["--fixed"] if options.is_fixed else [])]


def _places(options: Options) -> list[str]:
    lake = [] if options.lake is None else ["--lake", options.lake]
    queue = [] if options.queue is None else ["--queue", options.queue]
    return lake + queue
