"""docs/source-file.md and the code that reads source files name the same keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from haulier.config.schema import source_schema
from tests.docs.source_keys import PAGE, Section, default_of, refreshed, sections

REFRESH = "python -m tests.docs.source_keys writes the tables anew; look at the words around what changed"


def keys_of_the_page() -> set[tuple[str, str]]:
    """Place and key of every line of every table."""
    found = set()
    for place, table in re.findall(r"<!-- keys of (.+?) -->\n(.*?)<!-- end -->", PAGE.read_text(), re.DOTALL):
        found |= {(place, key) for key in re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE)}
    return found


def test_the_page_has_every_key_and_no_other() -> None:
    """A key that the code reads stands in the page, and what stands in the page is read."""
    code = {(section.place, each.name) for section in sections() for each in section.shape.fields}
    page = keys_of_the_page()
    assert not code - page, f"not in {PAGE.name}; {REFRESH}"
    assert not page - code, f"no longer read; {REFRESH}"


def test_the_tables_are_those_of_the_code() -> None:
    """Types, defaults, examples and meanings are the code's own."""
    assert PAGE.read_text(encoding="utf-8") == refreshed(PAGE.read_text(encoding="utf-8")), REFRESH


def test_no_table_of_a_source_file_is_overlooked() -> None:
    """What the JSON Schema allows, which is made elsewhere, was met on the way through the tables of fields."""
    keys = [tuple(field.name for field in section.shape.fields) for section in sections()]
    met = {(table, key) for table in keys for key in table}
    assert {*allowed(source_schema())} == met, f"teach _tables in {sections.__module__} the new kind of value"


def allowed(schema: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every table, by its keys, and key of a schema."""
    if isinstance(schema, dict):
        if "properties" in schema and "description" in schema:
            yield from (((*schema["properties"],), name) for name in schema["properties"])
        for member in schema.values():
            yield from allowed(member)
    elif isinstance(schema, list):
        for member in schema:
            yield from allowed(member)


@pytest.mark.parametrize(
    ("place", "key", "default"),
    [
        ("the file", "lake", '"lake"'),
        ("the file", "source", "needed"),
        ("api", "in_flight", "4"),
        ("api", "first_byte_timeout", '"60s"'),
        ("api", "contact", ""),
        ("api.auth: bearer", "prefix", '"Bearer"'),
        ("api.auth: header", "prefix", ""),
        ("streams.NAME", "batch", "100"),
        ("streams.NAME", "absent", '"fail"'),
        ("streams.NAME.pages: offset", "limit_name", '"limit"'),
        ("streams.NAME.full.windows", "settle", '"120s"'),
    ],
)
def test_defaults_are_found_in_the_code(place: str, key: str, default: str) -> None:
    """A default stands at one place, the reader's; the page repeats what is found there."""
    section = section_at(place)
    (field,) = (each for each in section.shape.fields if each.name == key)
    assert default_of(section, field) == default


def section_at(place: str) -> Section:
    return next(section for section in sections() if section.place == place)
