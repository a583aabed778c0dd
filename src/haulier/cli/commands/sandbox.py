"""``haulier sandbox``."""

from __future__ import annotations

import click

from haulier.testing.sandbox.command import main


@click.command(
    "sandbox",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def command(words: tuple[str, ...]) -> int:
    """Serve the sandbox until Ctrl-C. `haulier sandbox --help` lists a flag for each of its settings."""
    try:
        main([*words, "--stay"])
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 2
    return 0
