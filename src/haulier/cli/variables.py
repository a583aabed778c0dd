"""Variables that take the place of options, so that one image serves every place (docs/running.md#variables)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

SOURCE_VARIABLE: Final = "HAULIER_SOURCE"
_FORMS: Final = "a .toml or .py file, or module:app"


class VariableOption(click.Option):
    """An option that a variable sets too. An empty variable counts as unset.

    What a variable says is refused by its own name: nobody typed the option.
    """

    def __init__(self, *declared: Any, expected: str, **attributes: Any) -> None:
        super().__init__(*declared, **({"show_envvar": True} | attributes))
        self._expected = expected

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        try:
            return super().handle_parse_result(ctx, opts, args)
        except click.BadParameter as error:
            found = self.resolve_envvar_value(ctx)
            if found is None or not is_from_variable(ctx, self):
                raise
            raise click.UsageError(f"{self.envvar}: expected {self._expected}, found {found!r}.", ctx) from error


class SecondsRange(click.FloatRange):
    """A finite number: a worker that waits for ever cannot be stopped."""

    name = "seconds"

    def __init__(self, min: float, max: float | None = None) -> None:
        super().__init__(min=min, max=max)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        seconds = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a finite number of seconds.", param, ctx)
        return seconds


class SourceArgument(click.Argument):
    """SOURCE, which may be left out where its variable names one: what is typed is then all that follows it."""

    def __init__(self, *declared: Any, **attributes: Any) -> None:
        super().__init__(*declared, envvar=SOURCE_VARIABLE, **attributes)

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        if (known := self.resolve_envvar_value(ctx)) is not None:
            assert isinstance(opts, dict)
            args = self._leave_out(ctx, opts, args, known)
        try:
            return super().handle_parse_result(ctx, opts, args)
        except click.MissingParameter as error:
            raise click.UsageError(
                f"Missing argument 'SOURCE': {_FORMS}. Write it, or name it in {SOURCE_VARIABLE}.", ctx
            ) from error

    def _leave_out(self, ctx: click.Context, opts: dict[str, Any], args: list[str], known: str) -> list[str]:
        """Give the words to the arguments behind SOURCE, unless the first word is one. Returns those left over."""
        arguments = [one for one in ctx.command.params if isinstance(one, click.Argument)]
        words = [*_words(opts, arguments), *args]
        if not words or _is_source(words[0]):
            return args
        for argument in arguments:
            opts.pop(argument.name, None)
        first = words[0]
        for argument in arguments[1:]:
            if words:
                count = len(words) if argument.nargs < 0 else 1
                opts[argument.name] = tuple(words[:count]) if argument.nargs < 0 else words[0]
                del words[:count]
        if words:
            raise click.UsageError(
                f"There is a word too many: {words[-1]!r}. {SOURCE_VARIABLE} names {known}; SOURCE in the place of it "
                f"is {_FORMS}, and {first!r} is none of these.",
                ctx,
            )
        return words


def _words(opts: Mapping[str, Any], arguments: list[click.Argument]) -> Iterator[str]:
    """What was typed for them, in its order; click marks the rest by a value of no such type."""
    for argument in arguments:
        value = opts.get(argument.name)
        if isinstance(value, str):
            yield value
        elif isinstance(value, tuple):
            yield from value


def _is_source(word: str) -> bool:
    """No mode, stream or key looks so."""
    return Path(word).suffix in {".toml", ".py"} or ":" in word


def is_from_variable(ctx: click.Context, parameter: click.Parameter) -> bool:
    return ctx.get_parameter_source(parameter.name or "") is ParameterSource.ENVIRONMENT
