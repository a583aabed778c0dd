"""Commands that messages tell a person to type. All of haulier writes SOURCE there; what was typed takes its place."""

from __future__ import annotations

import re
import shlex
from typing import Any, Final

import click

_COMMAND: Final = re.compile(r"(\bhaulier (?:[a-z]+ )+)SOURCE\b")
_TYPED: Final = "haulier.typed"
"""Under this name a command keeps what was typed, for itself and for whoever called it."""


def note_source(ctx: click.Context, _option: click.Parameter, source: str) -> str:
    """The callback of the argument SOURCE."""
    _typed(ctx)["source"] = source
    return source


def note_place(ctx: click.Context, option: click.Parameter, place: str | None) -> str | None:
    """The callback of an option that says where lake or queue are: without it, a command would look elsewhere."""
    if place is not None:
        _typed(ctx)[f"--{option.name}"] = place
    return place


def as_typed(text: str) -> str:
    """The text with commands that can be typed as they stand."""
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
