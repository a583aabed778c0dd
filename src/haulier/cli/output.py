"""Where words go: results on standard output, everything else on standard error."""

from __future__ import annotations

import logging
import sys
from typing import Any

import click
import msgspec

from haulier.cli.hints import as_typed
from haulier.cli.logs import set_up_logs

_encoder = msgspec.json.Encoder(enc_hook=str)


def say(text: str = "") -> None:
    """A line for a person, on standard error."""
    click.echo(as_typed(text), err=True)


def emit(document: Any) -> None:
    """The one JSON document of a command, on standard output."""
    click.echo(msgspec.json.format(_encoder.encode(document), indent=2).decode())


def set_up_output(quiet: bool = False) -> None:
    """Log lines: none below a warning if ``quiet``, and on a terminal, where a progress bar says the rest."""
    set_up_logs(level=logging.WARNING if quiet or sys.stderr.isatty() else logging.INFO)


def is_quiet() -> bool:
    """Whether log lines below a warning are left out; so they are in child processes then."""
    return logging.getLogger("haulier").getEffectiveLevel() >= logging.WARNING
