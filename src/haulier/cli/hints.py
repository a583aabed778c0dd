"""Commands in messages: SOURCE is replaced by what was typed."""

from __future__ import annotations

import re
import shlex
from typing import Any, Final

import click

_COMMAND: Final = re.compile(r"(\bhaulier (?:[a-z]+ )+)SOURCE\b")
_TYPED: Final = "haulier.typed"
"""Key of what was typed, in the context of a command and of whoever called it."""


def note_source(ctx: click.Context, _option: click.Parameter, source: str) -> str:
    """Callback of the argument SOURCE."""
    _typed(ctx)["source"] = source
    return source


def note_place(ctx: click.Context, option: click.Parameter, place: str | None) -> str | None:
    """Callback of ``--lake`` and ``--queue``, without which a command would look elsewhere."""
    if place is not None:
        _typed(ctx)[f"--{option.name}"] = place
    return place


def fill_source(text: str) -> str:
    """Make the commands in a text ready to type."""
    ctx = click.get_current_context(silent=True)
    typed = {} if ctx is None else _typed(ctx)
    if "source" not in typed:
        return text
    places = [word for name, place in typed.items() if name != "source" for word in (name, place)]
    words = shlex.join([typed["source"], *places])
    return _COMMAND.sub(lambda command: command[1] + words, text)


def _typed(ctx: click.Context) -> dict[str, Any]:
    typed: dict[str, Any] = ctx.meta.setdefault(_TYPED, {})
    return typed
