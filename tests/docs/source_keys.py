"""The tables of docs/source-file.md, made from the tables of fields that read a source file.

`python -m tests.docs.source_keys` writes them anew, from the top folder of the checkout. A table stands between
``<!-- keys of PLACE -->`` and ``<!-- end -->``; what stands around it is written by hand. Places that the page does not
have yet are put at its end.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from haulier.api.jobs.job import JobRequest
from haulier.config import file_path, job_table, lookups, pages_table, request_kinds, stream_table, values_table
from haulier.config import value_kinds as kind
from haulier.config.fields import Field, Kind, TableShape
from haulier.config.source_file import FILE, SourceName, SourceSettings, Streams
from haulier.sources.recipe import ALL_AT_ONCE, ParentRecipe, StreamRecipe
from tests.docs.pages import ROOT, anchor_of

PAGE = ROOT / "docs/source-file.md"
FILE_PLACE = "the file"

_MARKED = re.compile(r"<!-- keys of (?P<place>[^>]+?) -->\n(?P<table>.*?)<!-- end -->", re.DOTALL)
_HEADING = re.compile(r"^#{2,4} +(.+?) *$", re.MULTILINE)
_HEAD = "| key | type | default | example | meaning |\n|---|---|---|---|---|\n"


@dataclass(frozen=True)
class Section:
    """One table that a source file may hold."""

    place: str
    """Where it may stand first; a kind among several is named behind a colon."""
    shape: TableShape
    becomes: tuple[Callable[..., Any], ...]
    """What is called with the values of the keys: its parameters say what holds without a key."""
    others: list[str] = field(default_factory=list)
    """Where else it may stand."""


def sections() -> list[Section]:
    """Every table that a source file may hold, each once, in the order in which they are met."""
    found: dict[int, Section] = {}
    _visit(FILE_PLACE, FILE, (SourceSettings,), found)
    return list(found.values())


def refreshed(page: str) -> str:
    """The page with every table as the code has it now."""
    marks = {match["place"] for match in _MARKED.finditer(page)}
    for section in sections():
        if section.place not in marks:
            page += f"\n### `{section.place}`\n\n<!-- keys of {section.place} -->\n<!-- end -->\n"
    tables = {section.place: table_of(section, anchors(page)) for section in sections()}
    # A place that is gone keeps its heading, and loses its table: somebody has to look at the words around it.
    return _MARKED.sub(
        lambda match: f"<!-- keys of {match['place']} -->\n{tables.get(match['place'], '')}<!-- end -->", page
    )


def anchors(page: str) -> dict[str, str]:
    """Place to the anchor of the heading above its table."""
    headings = [(match.start(), match[1]) for match in _HEADING.finditer(page)]
    return {
        match["place"]: anchor_of([text for start, text in headings if start < match.start()][-1])
        for match in _MARKED.finditer(page)
    }


def table_of(section: Section, links: dict[str, str]) -> str:
    """The keys of a table, a line each."""
    told = [f"One of {_listed(section.shape.one_of)} is needed.\n\n"] if len(section.shape.one_of) > 1 else []
    also = [f"The same table may stand at {_listed(section.others)}.\n\n"] if section.others else []
    lines = [_line(section, each, links) for each in section.shape.fields]
    return "\n" + "".join(told + also) + _HEAD + "".join(lines) + "\n"


def default_of(section: Section, each: Field[Any]) -> str:
    """What holds where the key is not written, as TOML; empty for nothing."""
    if each.is_required or section.shape.one_of == (each.name,) or section.place.endswith(f": {each.name}"):
        return "needed"
    parameters = [inspect.signature(cls).parameters for cls in section.becomes if cls is not dict]
    found = [of_one[each.argument].default for of_one in parameters if each.argument in of_one]
    return _toml(each.kind, found[0]) if found else ""


def type_of(reader: Kind[Any]) -> str:
    """What kind of value a key takes, in words."""
    match reader:
        case SourceName():
            return "name"
        case kind.SecretText():
            return "text, a secret"
        case kind.Choice(words=words) | kind.NamedValue(words=kind.Choice(words=words)):
            return ", ".join(f'`"{word}"`' for word in words)
        case kind.WholeNumber(least=least):
            return f"whole number from {least}"
        case kind.Flag():
            return "`true` or `false`"
        case kind.Duration():
            return "duration"
        case kind.Moment():
            return "time or date"
        case kind.ListOf(member=member):
            return f"list of: {type_of(member)}"
        case kind.NumberOr(number=number):
            return f"{type_of(number)}, or table"
        case kind.WordOr(values=values):
            return ", ".join([*(f'`"{word}"`' for word in values), "or table"])
        case pages_table.PagesKind():
            return ", ".join([*(f'`"{word}"`' for word in pages_table.WORDS), "or table"])
        case kind.TableOf() | kind.TableBy() | kind.OneOfTables():
            return "table"
        case Streams():
            return "tables"
        case request_kinds.QueryPairs():
            return "table of parameters"
        case request_kinds.HeaderPairs():
            return "table of headers"
        case request_kinds.JsonBody():
            return "any value"
        case request_kinds.JsonPath():
            return "path in an answer"
        case job_table.AskedPath():
            return "path of an address, or table"
        case job_table.Words() | job_table.Origins():
            return "text, or list of texts"
        case lookups.PathText():
            return "path of an address"
        case request_kinds.EmptyAnswers():
            return "list of words and statuses"
        case request_kinds.EncodedText():
            return "text, encoded"
        case file_path.FilePath():
            return "path of a file"
        case values_table.ValueList():
            return "list of texts or whole numbers"
        case _:
            return _type_in_schema(reader.schema())


def _type_in_schema(schema: dict[str, Any]) -> str:
    """For a kind of value that has no words of its own here: what JSON Schema calls it."""
    if "anyOf" in schema:
        return ", or ".join(dict.fromkeys(_type_in_schema(each) for each in schema["anyOf"]))
    names = schema.get("type", "any value")
    names = [names] if isinstance(names, str) else names
    words = {"string": "text", "integer": "whole number", "boolean": "`true` or `false`", "object": "table"}
    return ", or ".join(words.get(name, name) for name in names)


def _visit(place: str, shape: TableShape, becomes: tuple[Callable[..., Any], ...], found: dict[int, Section]) -> None:
    known = found.get(id(shape))
    if known is not None:
        known.others.append(place)
        return
    found[id(shape)] = Section(place, shape, becomes)
    for each in shape.fields:
        for suffix, table, classes in _tables(each.kind):
            path = each.name if place == FILE_PLACE else f"{place}.{each.name}"
            _visit(path + suffix, table, classes, found)


def _tables(reader: object) -> Iterator[tuple[str, TableShape, tuple[Callable[..., Any], ...]]]:
    """The tables that a kind of value reads: what is put behind the key's place, the shape, and what it becomes."""
    match reader:
        case kind.TableOf(shape=shape, cls=cls) | kind.TableBy(shape=shape, cls=cls):
            yield "", shape, (cls,)
        case kind.ListOf(member=member):
            yield from _tables(member)
        case job_table.AskedPath():
            yield "", job_table.JOB_REQUEST, (JobRequest,)
        case kind.NumberOr(table=table) | kind.WordOr(table=table):
            yield from _tables(table)
        case kind.OneOfTables(tables=tables):
            yield from ((f": {name}", table.shape, (table.cls,)) for name, table in tables.items())
        case pages_table.PagesKind():
            yield from ((f": {name}", table.shape, (table.cls,)) for name, table in pages_table.TABLES.items())
        case request_kinds.QueryPairs(are_of_form=False):
            yield ".NAME", request_kinds.ENCODED_VALUE, ()
        case Streams():
            yield ".NAME", stream_table.STREAM, (StreamRecipe, ParentRecipe)
        case _:
            return


def _line(section: Section, each: Field[Any], links: dict[str, str]) -> str:
    default = default_of(section, each)
    path = each.name if section.place == FILE_PLACE else f"{section.place}.{each.name}"
    places = {path + suffix for suffix, _, _ in _tables(each.kind)}
    # A table that was met before is described there.
    held = [each for each in sections() if places & {each.place, *each.others}]
    found = list(dict.fromkeys(links[each.place] for each in held if each.place in links))
    meaning = each.doc + "".join(f" [Its keys.](#{anchor})" for anchor in found[:1])
    cells = [
        f"`{each.name}`",
        type_of(each.kind),
        default if default in ("", "needed") else f"`{default}`",
        f"`{each.example}`",
        meaning,
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _toml(reader: Kind[Any], value: Any) -> str:
    match reader, value:
        case kind.NamedValue(values=values) | kind.WordOr(values=values), _:
            return next((f'"{word}"' for word, named in values.items() if named == value), "")
        case kind.Seconds(), _:
            return f'"{value:g}s"'
        case _, bool():
            return "true" if value else "false"
        case _, int():
            return str(value)
        case _, str():
            return f'"{value}"' if value else ""
        case _, timedelta():
            if value == ALL_AT_ONCE:
                return ""
            return f'"{value // timedelta(seconds=1)}s"'
        case _:
            return ""


def _listed(names: list[str] | tuple[str, ...]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
