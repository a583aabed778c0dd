"""Where words go: results on standard output, everything else on standard error."""

from __future__ import annotations

import sys
from typing import Any

import click
import msgspec

from haulier.cli.logs import set_up_logs

_encoder = msgspec.json.Encoder(enc_hook=str)


def say(text: str = "") -> None:
    """A line for a person, on standard error."""
    click.echo(text, err=True)


def emit(document: Any) -> None:
    """The one JSON document of a command, on standard output."""
    click.echo(msgspec.json.format(_encoder.encode(document), indent=2).decode())


def set_up_output(as_json: bool = False) -> None:
    """Log lines: none below a warning on a terminal, where a progress bar says the rest."""
    import logging

    set_up_logs(level=logging.WARNING if sys.stderr.isatty() or as_json else logging.INFO)
