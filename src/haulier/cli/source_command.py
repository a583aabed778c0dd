"""The frame of a command about one SOURCE."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import click

from haulier.app.app import App
from haulier.app.open_source import Options
from haulier.app.source_loader import load_app
from haulier.cli.event_loop import run_loop
from haulier.cli.logs import note_source_of_lines
from haulier.cli.options import json_option, on_close_option, options_of, place_options, source_argument, worker_options
from haulier.cli.output import set_up_output

_WORKER_FLAGS = ("lease_seconds", "grace_seconds", "is_fixed", "hook")


@dataclass(frozen=True)
class SourceCall:
    """Arguments of every such command."""

    app: App
    source: str
    """As it was typed."""
    options: Options
    as_json: bool


def source_command(
    name: str,
    *parameters: Callable[[Any], Any],
    group: click.Group | None = None,
    short_help: str | None = None,
    has_worker: bool = False,
    has_json: bool = True,
) -> Callable[[Callable[..., Coroutine[Any, Any, int]]], click.Command]:
    """Make a command of a coroutine function that takes a `SourceCall` and its own ``parameters`` by name.

    It returns the exit code. ``has_worker`` adds the flags of a worker. Without ``has_json`` it prints no document.
    """

    def decorate(main: Callable[..., Coroutine[Any, Any, int]]) -> click.Command:
        @functools.wraps(main)
        def command(*, source: str, lake: str | None, queue: str | None, as_json: bool = False, **own: Any) -> int:
            set_up_output(as_json)
            worker = {flag: own.pop(flag) for flag in _WORKER_FLAGS if has_worker}
            app = load_app(source)
            note_source_of_lines(app.name)
            call = SourceCall(app, source, options_of(lake, queue, **worker), as_json)
            return run_loop(main(call, **own))

        last = (worker_options, on_close_option) if has_worker else ()
        prints = (json_option,) if has_json else ()
        for parameter in reversed((source_argument, *parameters, *prints, place_options, *last)):
            command = parameter(command)
        make = click.command if group is None else group.command
        return make(name, short_help=short_help)(command)

    return decorate
