"""Results go to standard output, all else to standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from haulier.cli.hints import fill_source
from haulier.cli.logs import log_file, log_form, set_up_logs, stderr_level

F = TypeVar("F", bound=Callable[..., Any])

_LOGS = "haulier.logs."
"""Prefix of what a command was asked about its log."""
_encoder = msgspec.json.Encoder(enc_hook=str)


def say(text: str = "") -> None:
    """Tell a person, on standard error."""
    click.echo(fill_source(text), err=True)


def emit(document: Any) -> None:
    """Print the one JSON document of a command."""
    click.echo(document_text(document))


def document_text(document: Any) -> str:
    return msgspec.json.format(_encoder.encode(document), indent=2).decode()


def log_options(command: F) -> F:
    """Add ``--verbose`` and ``--log-file``, for `set_up_output`."""
    for option in (
        click.option(
            "--log-file",
            type=click.Path(dir_okay=False),
            expose_value=False,
            callback=_note,
            metavar="FILE",
            help="Also append every log line to FILE, as JSON.",
        ),
        click.option(
            *("-v", "--verbose"),
            is_flag=True,
            expose_value=False,
            callback=_note,
            help="Show a log line for each item that fails, is retried or is divided.",
        ),
    ):
        command = option(command)
    return command


def set_up_output(quiet: bool = False, *, is_on_terminal: bool = False) -> None:
    """Set the log up: no line below a warning if ``quiet`` or on a terminal, unless asked for by ``--verbose`` or
    ``HAULIER_LOG=json``. ``is_on_terminal``: a parent's terminal is meant too."""
    ctx = click.get_current_context(silent=True)
    asked = {} if ctx is None else ctx.meta
    verbose = bool(asked.get(f"{_LOGS}verbose"))
    is_short = log_form() != "json" and (quiet or sys.stderr.isatty())
    level = logging.WARNING if is_short and not verbose else logging.INFO
    file = asked.get(f"{_LOGS}log_file")
    set_up_logs(level=level, is_for_people=verbose, is_on_terminal=is_on_terminal, file=file)


def is_quiet() -> bool:
    """Whether lines below a warning are left out."""
    return stderr_level() >= logging.WARNING


def log_words() -> list[str]:
    """Flags that give a child process the same log."""
    ctx, file = click.get_current_context(silent=True), log_file()
    is_verbose = ctx is not None and bool(ctx.meta.get(f"{_LOGS}verbose"))
    level = ["--verbose"] if is_verbose else ["--quiet"] if is_quiet() else []
    terminal = ["--on-terminal"] if sys.stderr.isatty() else []
    return [*level, *terminal, *([] if file is None else ["--log-file", str(file)])]


def _note(ctx: click.Context, option: click.Parameter, value: object) -> None:
    ctx.meta[f"{_LOGS}{option.name}"] = value
