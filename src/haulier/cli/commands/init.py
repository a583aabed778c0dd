"""``haulier init``."""

from __future__ import annotations

from pathlib import Path

import click

from haulier.cli.output import say
from haulier.config.starter import starter
from haulier.errors import UsageError


@click.command("init")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default="source.toml")
def command(file: Path) -> int:
    """Write FILE, a source with every line explained, which pulls from `haulier sandbox` until you enter your API."""
    if file.suffix != ".toml":
        raise UsageError(f"The name of a source file ends in .toml. Write: haulier init {file.with_suffix('.toml')}")
    name = "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in file.stem.lower()).strip("_")
    if not name or not name[0].isalpha():
        name = f"source_{name}".strip("_")
    try:
        with open(file, "x", encoding="utf-8") as new:
            new.write(starter(name[:40], str(file)))
    except FileExistsError as error:
        raise UsageError(f"{file} already exists, and was not changed. Name another file.") from error
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}. Name another file.") from error
    say(f"Wrote {file}. Start the sandbox (haulier sandbox --port 8002), then: haulier try {file}")
    return 0
