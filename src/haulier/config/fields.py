"""The tables of a source file, as lists of typed fields: files are read by them, the schema and the page are made of
them.

A `TableShape` lists every key of a table, so a misspelt key is found before a missing one is reported. A `Field` says
how the value of a key is read, and which argument it becomes. Absent keys are not passed on: the default is that of the
class which takes the arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from haulier.config.environment import has_reference
from haulier.config.place import Place, name_kind, nearest, one_of, suggest

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
D = TypeVar("D")


class Kind(Protocol[T_co]):
    """Reads one kind of value."""

    def read(self, value: Any, place: Place, example: str) -> T_co:
        """The typed value. `SourceFileError`, which shows ``example``, for any other."""
        ...

    def schema(self) -> dict[str, Any]:
        """The kind as JSON Schema."""
        ...


@dataclass(frozen=True, eq=False)
class Field(Generic[T]):
    """One key of a table."""

    name: str
    kind: Kind[T]
    doc: str
    example: str
    """What to write, as a line of TOML; it is read back by a test."""
    is_required: bool = False
    to: str | None = None
    """The argument that the value becomes, if its name is not that of the key; "" if it becomes none."""

    @property
    def argument(self) -> str:
        return self.name if self.to is None else self.to


class TableShape:
    """The keys that a table may have."""

    def __init__(self, doc: str, *fields: Field[Any], one_of: tuple[str, ...] = (), alone: str = "") -> None:
        """``alone``: a key of ``one_of`` that takes the place of the required ones."""
        self.doc = doc
        self.alone = alone
        self.fields = fields
        self.one_of = one_of
        """Keys of which exactly one must be given."""

    def open(self, value: Any, place: Place) -> TableReader:
        """The table at ``place``. `SourceFileError` for a value that is not a table, and for unknown keys."""
        if not isinstance(value, Mapping):
            names = ", ".join(field.name for field in self.fields)
            raise place.error(f"expected a table, found {name_kind(value)}.", f"Its keys are: {names}.")
        known = [field.name for field in self.fields]
        for name in value:
            if has_reference(name):
                raise place.at(name).error("a key cannot come from the environment.", "Use variables in values only.")
            if name not in known:
                free = [other for other in known if other not in value]
                raise place.at(name).error("unknown key.", suggest(name, free if nearest(name, free) else known))
        if self.one_of:
            self._require_one(value, place)
        return TableReader(value, place)

    def schema(self) -> dict[str, Any]:
        """The table as JSON Schema."""
        tree: dict[str, Any] = {
            "type": "object",
            "description": self.doc,
            "additionalProperties": False,
            "properties": {field.name: {**field.kind.schema(), "description": field.doc} for field in self.fields},
        }
        required = [field.name for field in self.fields if field.is_required]
        if required and self.alone:
            tree["anyOf"] = [{"required": [self.alone]}, {"required": required}]
        elif required:
            tree["required"] = required
        if self.one_of:
            tree["oneOf"] = [{"required": [name]} for name in self.one_of]
        return tree

    def _require_one(self, value: Mapping[str, Any], place: Place) -> None:
        given = [name for name in self.one_of if name in value]
        names = one_of(f"`{name}`" for name in self.one_of)
        if len(given) > 1:
            raise place.error(f"`{given[0]}` and `{given[1]}` cannot be used together.", f"Keep one of them: {names}.")
        if not given:
            examples = [field.example for field in self.fields if field.name in self.one_of]
            raise place.error(f"{names} is missing.", f"Write, for example: {examples[0]}")


@dataclass(frozen=True)
class TableReader:
    """A table without unknown keys."""

    tables: Mapping[str, Any]
    place: Place

    def __contains__(self, field: Field[Any]) -> bool:
        return field.name in self.tables

    def need(self, field: Field[T]) -> T:
        """The value of a field. `SourceFileError` where it is missing."""
        if field.name not in self.tables:
            raise self.place.error(f"`{field.name}` is missing.", f"Write, for example: {field.example}")
        return field.kind.read(self.tables[field.name], self.place.at(field.name), field.example)

    def get(self, field: Field[T], default: D) -> T | D:
        """The value of a field, or ``default`` where it is absent."""
        return self.need(field) if field.name in self.tables else default

    def arguments(self, *fields: Field[Any]) -> dict[str, Any]:
        """The values of these fields by argument. Absent fields are left out, unless they are required."""
        return {
            field.argument: self.need(field)
            for field in fields
            if field.argument and (field.is_required or field in self)
        }
