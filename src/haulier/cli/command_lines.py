"""Command lines for child processes, and for people to type."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from haulier.app.open_source import Options
from haulier.worker.settings import WorkerSettings


def child_command(name: str, source: str, options: Options, *more: str) -> tuple[str, ...]:
    """Build the command of another process with the same source, lake and queue."""
    source = str(Path(source).absolute()) if Path(source).suffix in {".toml", ".py"} else source
    words = [sys.executable, "-m", "haulier", name, source, *_places(options)]
    if name == "work":
        words += ["--lease", f"{options.worker.lease_seconds:g}", "--grace", f"{options.worker.grace_seconds:g}"]
        words += _hook(options)
    fixed = ["--fixed"] if options.is_fixed and name in {"work", "isolate"} else []
    return (*words, *fixed, *more)


def typed_command(name: str, source: str, options: Options, *more: str) -> str:
    """Build the command that goes on in the same lake, with the same queue and settings."""
    hook = _hook(options) if name == "run" else []
    return shlex.join(["haulier", name, source, *more, *_places(options), *_manner(options), *hook])


def run_command(source: str, options: Options, plans: str, max_items: int | None) -> str:
    """Build the command that finishes the open run of a mode, or a trial of it; or starts one."""
    trial = [] if max_items is None else ["--max-items", str(max_items)]
    return typed_command("run", source, options, plans, *trial)


def _manner(options: Options) -> list[str]:
    """The options whose values differ from the defaults."""
    usual, worker = WorkerSettings(), options.worker
    lease = ["--lease", f"{worker.lease_seconds:g}"] if worker.lease_seconds != usual.lease_seconds else []
    grace = ["--grace", f"{worker.grace_seconds:g}"] if worker.grace_seconds != usual.grace_seconds else []
    return [*lease, *grace, *(["--fixed"] if options.is_fixed else [])]


def _hook(options: Options) -> list[str]:
    return [] if options.hook is None else options.hook.flags


def _places(options: Options) -> list[str]:
    lake = [] if options.lake is None else ["--lake", options.lake]
    queue = [] if options.queue is None else ["--queue", options.queue]
    return lake + queue
