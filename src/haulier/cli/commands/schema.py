"""``haulier schema``."""

from __future__ import annotations

import click

from haulier.cli.output import emit
from haulier.config.schema import source_schema


@click.command("schema")
def command() -> int:
    """Print the JSON Schema of TOML source files, for editors and for programs that write such files."""
    emit(source_schema())
    return 0
