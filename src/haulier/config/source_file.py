"""`load_source`: a source file as typed settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from haulier.api.answers.judgement import Rule
from haulier.api.settings import Api
from haulier.config.api_table import API_TABLE
from haulier.config.environment import fill_variables, has_reference
from haulier.config.fields import Field, TableShape
from haulier.config.place import Place, SourceText, name_kind
from haulier.config.stream_parents import check_new_names, check_parents
from haulier.config.stream_table import STREAM, read_stream
from haulier.config.toml_text import read_tables
from haulier.config.value_kinds import ListOf, Text, unexpected
from haulier.sources.recipe import StreamRecipe

MAX_STREAM_CHARACTERS = 30
"""Limits the name of a stream: a kind is that name and a suffix, 40 characters in all."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MAX_SOURCE_CHARACTERS = 40


@dataclass(frozen=True)
class SourceSettings:
    """The content of a source file."""

    name: str
    path: Path
    api: Api
    streams: tuple[StreamRecipe, ...]
    lake: str = "lake"
    """A folder, relative to the file's own, or a URL."""
    queue: str = "sqlite"
    rules: tuple[Rule, ...] = ()
    """Rules about the meaning of answers, ahead of haulier's own."""
    on_close: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Values from the environment in headers, queries and bodies, for the redactor."""


class SourceName:
    """The name of a source, which is also that of a folder in the lake, on any file system."""

    def read(self, value: Any, place: Place, example: str) -> str:
        name = Text("a name").read(value, place, example)
        return check_name(name, value, place, _MAX_SOURCE_CHARACTERS, example)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_NAME.pattern}$", "maxLength": _MAX_SOURCE_CHARACTERS}


class CommandWord:
    """A word of a command. Variables in it may be credentials: they are noted for the redactor."""

    def read(self, value: Any, place: Place, example: str) -> str:
        if not isinstance(value, str) or not value:
            raise unexpected(value, place, "a word of a command", example)
        return fill_variables(value, place)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


class Streams:
    """The tables of all streams, by name."""

    def read(self, value: Any, place: Place, example: str) -> tuple[StreamRecipe, ...]:
        if not isinstance(value, Mapping):
            raise place.error(
                f"expected a table of streams, found {name_kind(value)}.", f"Write, for example: {example}"
            )
        if not value:
            raise place.error("there are no streams.", f"Write, for example: {example}")
        recipes = []
        for name, table in value.items():
            if has_reference(name):
                raise place.at(name).error("a key cannot come from the environment.", "Use variables in values only.")
            check_name(name, name, place.at(name), MAX_STREAM_CHARACTERS, "[streams.flights]")
            recipes.append(read_stream(name, table, place.at(name)))
        by_name = {recipe.name: recipe for recipe in recipes}
        check_parents(by_name, place)
        check_new_names(by_name, place)
        return tuple(recipes)

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "minProperties": 1, "additionalProperties": STREAM.schema()}


SOURCE = Field(
    "source",
    SourceName(),
    "The name of the source, and of its folder in the lake.",
    'source = "flights"',
    True,
    to="name",
)
LAKE = Field(
    "lake",
    Text(),
    "A folder, relative to this file, or a URL; --lake and HAULIER_LAKE take precedence.",
    'lake = "lake"',
)
QUEUE = Field(
    "queue", Text(), "sqlite, memory, or a URL; --queue and HAULIER_QUEUE take precedence.", 'queue = "sqlite"'
)
ON_CLOSE = Field(
    "on_close",
    ListOf(CommandWord()),
    "A command, word by word, that is called with each verdict as JSON on its standard input; it starts in this file's "
    "folder. --on-close takes precedence.",
    'on_close = ["./alert.sh"]',
)
API = Field("api", API_TABLE, API_TABLE.shape.doc, "[api]", True)
STREAMS = Field("streams", Streams(), "The kinds of records that are pulled.", "[streams.flights]", True)

FILE = TableShape(
    "A source of haulier: an API and the records that are pulled from it.", SOURCE, LAKE, QUEUE, ON_CLOSE, API, STREAMS
)


def load_source(path: Path, environ: Mapping[str, str]) -> SourceSettings:
    """Read a source file. Raises `SourceFileError` that names file, key, and what to write instead.

    Credentials that are one variable are read only when the API is opened; every other variable must be set.
    """
    text = SourceText(str(path), environ, path.parent)
    table = FILE.open(read_tables(path, text), Place(text))
    api, rules = table.need(API)
    others = table.arguments(SOURCE, LAKE, QUEUE, ON_CLOSE, STREAMS)
    return SourceSettings(path=path, api=api, rules=rules, secrets=tuple(dict.fromkeys(text.secrets)), **others)


def check_name(name: str, value: Any, place: Place, most: int, example: str) -> str:
    """``name``, if it is fit for a folder and a kind; else `SourceFileError`."""
    if _NAME.fullmatch(name) and len(name) <= most:
        return name
    raise unexpected(
        value, place, f"a name of at most {most} characters (a-z, 0-9 and _, beginning with a letter)", example
    )
