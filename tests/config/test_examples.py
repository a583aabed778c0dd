"""What errors tell a person to write."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haulier.config.fields import Field, TableShape
from haulier.config.pages_table import TABLES
from haulier.config.place import Place, SourceText
from haulier.config.source_file import FILE
from haulier.config.stream_table import STREAM
from haulier.config.value_kinds import TableOf


def shapes(value: Any) -> Iterator[TableShape]:
    """Every table that a source file may hold."""
    if isinstance(value, TableShape):
        yield value
        for field in value.fields:
            yield from shapes(field.kind)
    elif isinstance(value, TableOf):
        yield from shapes(value.shape)
    elif isinstance(value, dict):
        for member in value.values():
            yield from shapes(member)
    elif hasattr(value, "__dict__"):
        yield from shapes(vars(value))


FIELDS = {
    f"{shape.doc} {field.name}": field
    for root in (FILE, STREAM, TABLES)
    for shape in shapes(root)
    for field in shape.fields
}


@pytest.mark.parametrize("name", FIELDS)
def test_what_errors_tell_to_write_can_be_written(name: str, tmp_path: Path) -> None:
    """Every example of a key is TOML, and is read without a complaint."""
    field: Field[Any] = FIELDS[name]
    if field.example.startswith("["):
        tomllib.loads(field.example)
        return
    written = tomllib.loads(field.example)
    (tmp_path / "orders.graphql").write_text("{ orders { id } }")
    place = Place(SourceText("s.toml", {"API_TOKEN": "t"}, tmp_path), field.name)
    assert list(written) == [field.name]
    field.kind.read(written[field.name], place, field.example)
