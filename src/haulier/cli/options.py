"""Options that several commands take."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from haulier.app.open_source import Options, said_by
from haulier.cli.close_hook import HOOK_VARIABLE, CloseHook
from haulier.cli.hints import note_place, note_source
from haulier.cli.variables import SecondsRange, SourceArgument, VariableOption, is_from_variable
from haulier.queues.opening import anchor_url
from haulier.worker.settings import WorkerSettings

F = TypeVar("F", bound=Callable[..., Any])

MIN_LEASE_SECONDS = 1.0
"""Renewals of a shorter one come too late on a busy machine."""
MAX_LEASE_SECONDS = 7 * 86_400
"""Azure's queue hides no message for longer."""
MAX_GRACE_SECONDS = 86_400
"""A worker that waits for longer cannot be stopped."""
YES_OR_NO = "1 (yes) or 0 (no)"

source_argument = click.argument("source", cls=SourceArgument, metavar="SOURCE", callback=note_source)
mode_argument = click.argument("mode", default="full", type=click.Choice(["full", "incremental"]), metavar="[MODE]")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
streams_option = click.option(
    "--stream", "streams", multiple=True, metavar="STREAM", help="Only this stream; may be repeated."
)
max_items_option = click.option(
    "--max-items",
    type=click.IntRange(1),
    metavar="N",
    help="A trial: plan the first N items alone, in a run of its own that is no snapshot.",
)


def _hook_of(ctx: click.Context, option: click.Parameter, text: str | None) -> CloseHook | None:
    return None if text is None or is_from_variable(ctx, option) else CloseHook.of_text(text)


def _run_option(default: str) -> Callable[[F], F]:
    return click.option("--run", "run_id", metavar="RUN_ID", help=f"The run to use; by default {default}.")


run_option = _run_option("the newest that is no trial")
shown_run_option = _run_option("the newest open one that is no trial, or else the newest")
open_run_option = _run_option("the only open one that is no trial, or else the newest")
on_close_option = click.option(
    "--on-close",
    "hook",
    cls=VariableOption,
    envvar=HOOK_VARIABLE,
    expected="a command line",
    callback=_hook_of,
    metavar="COMMAND",
    help="Call this with the verdict as JSON on its standard input, instead of the source's `on_close`.",
)
fixed_option = click.option(
    "--fixed",
    "is_fixed",
    cls=VariableOption,
    envvar="HAULIER_FIXED",
    expected=YES_OR_NO,
    is_flag=True,
    help="Always use all of in_flight, even if the API gets slower.",
)
exit_idle_option = click.option(
    "--exit-idle",
    cls=VariableOption,
    envvar="HAULIER_EXIT_IDLE",
    expected=YES_OR_NO,
    is_flag=True,
    help="Exit when no item is ready, for autoscalers.",
)


def place_options(command: F) -> F:
    """Add ``--lake`` and ``--queue``, also taken from the environment."""
    for option in (
        click.option(
            "--queue",
            cls=VariableOption,
            envvar="HAULIER_QUEUE",
            expected="a queue",
            callback=note_place,
            help="Queue to use instead of the source's own; a relative path starts at the current folder.",
        ),
        click.option(
            "--lake",
            cls=VariableOption,
            envvar="HAULIER_LAKE",
            expected="a lake",
            callback=note_place,
            help="Lake to use instead of the source's own; a relative path starts at the current folder.",
        ),
    ):
        command = option(command)
    return command


def worker_options(command: F) -> F:
    """Add ``--lease``, ``--grace`` and ``--fixed``."""
    for option in (
        fixed_option,
        click.option(
            "--grace",
            "grace_seconds",
            cls=VariableOption,
            envvar="HAULIER_GRACE",
            expected=f"a number of seconds from 0 to {MAX_GRACE_SECONDS:,}",
            type=SecondsRange(min=0, max=MAX_GRACE_SECONDS),
            default=WorkerSettings.grace_seconds,
            show_default=True,
            help="Seconds that a stopping worker waits for items under way.",
        ),
        click.option(
            "--lease",
            "lease_seconds",
            cls=VariableOption,
            envvar="HAULIER_LEASE",
            expected=f"a number of seconds from {MIN_LEASE_SECONDS:g} to {MAX_LEASE_SECONDS:,}",
            type=SecondsRange(min=MIN_LEASE_SECONDS, max=MAX_LEASE_SECONDS),
            default=WorkerSettings.lease_seconds,
            show_default=True,
            help="Seconds until an item of a silent worker is given to another.",
        ),
    ):
        command = option(command)
    return command


def options_of(
    lake: str | None,
    queue: str | None,
    lease_seconds: float = WorkerSettings.lease_seconds,
    grace_seconds: float = WorkerSettings.grace_seconds,
    *,
    is_fixed: bool = False,
    hook: CloseHook | None = None,
) -> Options:
    """Collect the flags. `UsageError` for a queue in a place that is surely not meant, and for a variable that is no
    command."""
    variables = {name: _variable_of(name) for name in ("lake", "queue")}
    lake = None if lake is None else _lake_from_here(lake)
    with said_by(variables["queue"]):
        queue = None if queue is None else anchor_url(queue, Path.cwd())
    return Options(
        lake,
        queue,
        WorkerSettings(lease_seconds=lease_seconds, grace_seconds=grace_seconds),
        is_fixed,
        hook or CloseHook.of_variable(),
        lake_variable=variables["lake"],
        queue_variable=variables["queue"],
    )


def _variable_of(name: str) -> str:
    """The variable that set an option of the command that runs; empty if none did."""
    ctx = click.get_current_context(silent=True)
    option = None if ctx is None else next((one for one in ctx.command.params if one.name == name), None)
    return str(option.envvar) if ctx is not None and option is not None and is_from_variable(ctx, option) else ""


def _lake_from_here(lake: str) -> str:
    """A relative path starts where the command was typed; one in a source file, at the file."""
    is_relative = lake.strip() and not re.match(r"/|~|[A-Za-z][A-Za-z0-9+.-]*:", lake)
    return os.path.join(os.getcwd(), lake) if is_relative else lake
