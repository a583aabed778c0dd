"""What many commands take, once: SOURCE, where lake and queue are, and ``--json``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from haulier.app.site import Options
from haulier.worker.settings import WorkerSettings

F = TypeVar("F", bound=Callable[..., Any])

MIN_LEASE_SECONDS = 1.0
"""Below it the renewals of a busy machine come too late."""

source_argument = click.argument("source", metavar="SOURCE")
mode_argument = click.argument("mode", default="full", type=click.Choice(["full", "incremental"]), metavar="[MODE]")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
run_option = click.option("--run", "run_id", metavar="RUN_ID", help="Which run; the newest by default.")


def place_options(command: F) -> F:
    """``--lake`` and ``--queue``, by flag or by environment variable."""
    for option in (
        click.option("--queue", envvar="HAULIER_QUEUE", show_envvar=True, help="Queue instead of the source's own."),
        click.option("--lake", envvar="HAULIER_LAKE", show_envvar=True, help="Lake instead of the source's own."),
    ):
        command = option(command)
    return command


def worker_options(command: F) -> F:
    """How long leases and drains are."""
    seconds = click.FloatRange(min=MIN_LEASE_SECONDS)
    for option in (
        click.option(
            "--grace",
            "grace_seconds",
            type=click.FloatRange(min=0),
            default=WorkerSettings.grace_seconds,
            show_default=True,
            help="Seconds that a drain waits for items under way.",
        ),
        click.option(
            "--lease",
            "lease_seconds",
            type=seconds,
            default=WorkerSettings.lease_seconds,
            show_default=True,
            help="Seconds that an item stays with a silent worker.",
        ),
    ):
        command = option(command)
    return command


def options_of(
    lake: str | None,
    queue: str | None,
    lease_seconds: float = WorkerSettings.lease_seconds,
    grace_seconds: float = WorkerSettings.grace_seconds,
) -> Options:
    """The flags as the app takes them."""
    return Options(lake, queue, WorkerSettings(lease_seconds=lease_seconds, grace_seconds=grace_seconds))
