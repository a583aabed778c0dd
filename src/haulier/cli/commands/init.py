"""``haulier init``: a source file that runs as it stands."""

from __future__ import annotations

from pathlib import Path

import click

from haulier.cli.output import say
from haulier.config.starter import starter
from haulier.errors import UsageError


@click.command("init")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default="source.toml")
def command(file: Path) -> int:
    """Write FILE, a source with every line explained, which pulls from `haulier sandbox` until you put your API in."""
    if file.suffix != ".toml":
        raise UsageError(f"A source file ends in .toml: haulier init {file.with_suffix('.toml')}.")
    name = "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in file.stem.lower()).strip("_")
    if not name or not name[0].isalpha():
        name = f"source_{name}".strip("_")
    try:
        with open(file, "x", encoding="utf-8") as new:
            new.write(starter(name[:40], str(file)))
    except FileExistsError as error:
        raise UsageError(f"{file} exists already, and is left as it is. Name another file.") from error
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.") from error
    say(f"Wrote {file}. Start the sandbox (haulier sandbox --port 8002), then: haulier try {file}")
    return 0
