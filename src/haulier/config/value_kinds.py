"""The kinds of values in a source file: text, numbers, durations, times, and lists and tables of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Generic, TypeVar

from haulier.api.identity.auth import Secret
from haulier.config.environment import fill_variables, has_reference, read_secret
from haulier.config.fields import Kind, TableReader, TableShape
from haulier.config.place import Place, name_kind, nearest, one_of, show, suggest
from haulier.errors import SourceFileError, UsageError
from haulier.items.windows import parse_duration

T = TypeVar("T")


def unexpected(value: Any, place: Place, wanted: str, example: str) -> SourceFileError:
    """The error about a value of another kind than ``wanted``."""
    return place.error(f"expected {wanted}, found {show(value)}.", f"Write, for example: {example}")


@contextmanager
def errors_at(place: Place) -> Iterator[None]:
    """Adds a place in the source file to the errors of other layers."""
    try:
        yield
    except SourceFileError:
        raise
    except (UsageError, ValueError) as error:
        text = str(error)
        raise place.error(text[:1].lower() + text[1:]) from error


@dataclass(frozen=True)
class Text:
    """Text that is not empty, with its variables filled in."""

    wanted: str = "text"
    may_be_blank: bool = False
    """A space or a tab counts."""

    def read(self, value: Any, place: Place, example: str) -> str:
        if not isinstance(value, str):
            raise unexpected(value, place, self.wanted, example)
        text = fill_variables(value, place, is_secret=False)
        if not (text if self.may_be_blank else text.strip()):
            raise unexpected(value, place, self.wanted, example)
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


@dataclass(frozen=True)
class SecretText:
    """A credential: never shown, and read as late as possible."""

    def read(self, value: Any, place: Place, example: str) -> str | Secret:
        if not isinstance(value, str) or not value:
            raise place.error(f"expected text, found {name_kind(value)}.", f"Write, for example: {example}")
        return read_secret(value, place)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, value: Any, place: Place, example: str) -> str:
        text = fill_variables(value, place, is_secret=False) if isinstance(value, str) else value
        if text not in self.words:
            wanted = one_of(f'"{word}"' for word in self.words)
            is_near = isinstance(text, str) and nearest(text, self.words)
            remedy = suggest(text, self.words) if is_near else f"Write, for example: {example}"
            raise place.error(f"expected {wanted}, found {show(value)}.", remedy)
        return str(text)

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}


@dataclass(frozen=True)
class NamedValue(Generic[T]):
    """One of a few words, each of which names a value."""

    values: Mapping[str, T]

    def read(self, value: Any, place: Place, example: str) -> T:
        return self.values[self.words.read(value, place, example)]

    def schema(self) -> dict[str, Any]:
        return self.words.schema()

    @property
    def words(self) -> Choice:
        return Choice(tuple(self.values))


@dataclass(frozen=True)
class WholeNumber:
    """A whole number of at least ``least``, or text with a variable that holds one."""

    least: int = 1

    def read(self, value: Any, place: Place, example: str) -> int:
        number = value
        if isinstance(value, str) and has_reference(value):
            text = fill_variables(value, place, is_secret=False).strip()
            number = int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None
        if not isinstance(number, int) or isinstance(number, bool) or number < self.least:
            raise unexpected(value, place, f"a whole number of at least {self.least}", example)
        return number

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "integer", "minimum": self.least}, _VARIABLE]}


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def read(self, value: Any, place: Place, example: str) -> bool:
        if not isinstance(value, bool):
            raise unexpected(value, place, "true or false", example)
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Scalar:
    """Text, a whole number, true or false: a value of a JSON answer."""

    def read(self, value: Any, place: Place, example: str) -> str | int | bool:
        if isinstance(value, str):
            return Text().read(value, place, example)
        if not isinstance(value, int):
            raise unexpected(value, place, "text, a whole number, true or false", example)
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "integer", "boolean"]}


@dataclass(frozen=True)
class Duration:
    """``"90s"``, ``"1h"``, ``"2w"``: above zero, unless ``may_be_zero``."""

    may_be_zero: bool = False

    def read(self, value: Any, place: Place, example: str) -> timedelta:
        wanted = 'a duration in quotes, such as "90s", "15m", "2h", "1d" or "2w"'
        if not isinstance(value, str):
            raise unexpected(value, place, wanted, example)
        try:
            duration = parse_duration(fill_variables(value, place, is_secret=False))
        except ValueError:
            raise unexpected(value, place, wanted, example) from None
        if not duration and not self.may_be_zero:
            raise unexpected(value, place, "a duration above zero", example)
        return duration

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d|w)$"}, _VARIABLE]}


@dataclass(frozen=True)
class Seconds(Duration):
    """A duration, read as a number of seconds."""

    def read(self, value: Any, place: Place, example: str) -> float:  # type: ignore[override]
        return super().read(value, place, example).total_seconds()


@dataclass(frozen=True)
class Moment:
    """A time with its offset, or a date, as TOML writes them."""

    def read(self, value: Any, place: Place, example: str) -> datetime | date:
        moment = value
        if isinstance(value, str) and has_reference(value):
            moment = _parsed(fill_variables(value, place, is_secret=False))
        if isinstance(moment, datetime):
            if moment.utcoffset() is None:
                raise place.error(f"{show(value)} has no offset from UTC.", f"Write, for example: {example}")
            return moment.astimezone(UTC)
        if not isinstance(moment, date):
            quoted = " without quotes" if isinstance(value, str) and not has_reference(value) else ""
            raise unexpected(value, place, f"a time{quoted}", example)
        return moment

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}, _VARIABLE]}


@dataclass(frozen=True)
class TableOf(Generic[T]):
    """A table whose keys become the arguments of a class."""

    shape: TableShape
    cls: Callable[..., T]

    def read(self, value: Any, place: Place, example: str) -> T:
        table = self.shape.open(value, place)
        arguments = table.arguments(*self.shape.fields)
        with errors_at(place):
            return self.cls(**arguments)

    def schema(self) -> dict[str, Any]:
        return self.shape.schema()


@dataclass(frozen=True)
class TableBy(Generic[T]):
    """A table whose keys depend on each other, so that a function reads it; ``cls`` tells what holds without a key."""

    shape: TableShape
    cls: Callable[..., Any]
    reader: Callable[[TableReader], T]

    def read(self, value: Any, place: Place, example: str) -> T:
        return self.reader(self.shape.open(value, place))

    def schema(self) -> dict[str, Any]:
        return self.shape.schema()


_MOST_NAMED = 4


class OneOfTables(Generic[T]):
    """A table of one of several shapes, told by a key: where one shape has the key of another too, by its own."""

    def __init__(self, what: str, tables: Mapping[str, TableOf[T]], remedy: str) -> None:
        self.what = what
        self.tables = tables
        self.remedy = remedy

    def read(self, value: Any, place: Place, example: str) -> T:
        if not isinstance(value, Mapping):
            raise place.error(f"expected a {self.what}, found {name_kind(value)}.", self.remedy)
        told = self._told(value)
        if len(told) > 1:
            raise place.error(
                f"`{told[0]}` and `{told[1]}` cannot be used together.", "Keep the one that the API uses."
            )
        if not told:
            raise place.error(f"no key of this table tells the {self.what}.", self._telling(value) or self.remedy)
        known = [field.name for field in self.tables[told[0]].shape.fields]
        for name in value:
            if name in known or nearest(name, known):
                continue
            if remedy := self._telling([told[0], name]):
                raise place.at(name).error("unknown key.", remedy)
            if 0 < len(others := self._with(name)) <= _MOST_NAMED:
                where = one_of(f"`{table}`" for table in others)
                raise place.at(name).error(
                    f"unknown key beside `{told[0]}`: it goes with {where}.", suggest(name, known)
                )
        return self.tables[told[0]].read(value, place, example)

    def _telling(self, names: Iterable[str]) -> str:
        """Which key was misspelt, or left out, that would tell the kind with these; "" where that is not known."""
        for name in names:
            if not any(self._has(table, name) for table in self.tables) and nearest(name, self.tables):
                return suggest(name, self.tables)
        tables = self._with(*names)
        return f"Write {one_of(f'`{table}`' for table in tables)} too." if 0 < len(tables) <= _MOST_NAMED else ""

    def _with(self, *names: str) -> list[str]:
        """The kinds whose tables have all of these keys."""
        return [table for table in self.tables if names and all(self._has(table, name) for name in names)]

    def _told(self, value: Mapping[str, Any]) -> list[str]:
        given = [name for name in self.tables if name in value]
        return [name for name in given if not any(self._has(other, name) for other in given if other != name)]

    def _has(self, table: str, name: str) -> bool:
        return any(field.name == name for field in self.tables[table].shape.fields)

    def schema(self) -> dict[str, Any]:
        shapes = [{**table.schema(), "required": _required(table.shape, name)} for name, table in self.tables.items()]
        return {"anyOf": shapes}


def _required(shape: TableShape, name: str) -> list[str]:
    return list(dict.fromkeys([name, *(field.name for field in shape.fields if field.is_required)]))


@dataclass(frozen=True)
class ListOf(Generic[T]):
    """A non-empty list of values of one kind."""

    member: Kind[T]

    def read(self, value: Any, place: Place, example: str) -> tuple[T, ...]:
        if not isinstance(value, list) or not value:
            raise place.error(f"expected a non-empty list, found {name_kind(value)}.", f"Write, for example: {example}")
        return tuple(self.member.read(member, place.at(index), example) for index, member in enumerate(value))

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "minItems": 1, "items": self.member.schema()}


@dataclass(frozen=True)
class NumberOr(Generic[T]):
    """A whole number, or a table."""

    number: WholeNumber
    table: Kind[T]

    def read(self, value: Any, place: Place, example: str) -> int | T:
        if isinstance(value, Mapping):
            return self.table.read(value, place, example)
        return self.number.read(value, place, example)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.number.schema(), self.table.schema()]}


@dataclass(frozen=True)
class WordOr(Generic[T]):
    """A word that names a value, or a table."""

    values: Mapping[str, T]
    table: Kind[T]

    def read(self, value: Any, place: Place, example: str) -> T:
        if isinstance(value, Mapping):
            return self.table.read(value, place, example)
        return NamedValue(self.values).read(value, place, example)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [NamedValue(self.values).schema(), self.table.schema()]}


_VARIABLE = {"type": "string", "pattern": r"\$\{"}


def _parsed(text: str) -> datetime | date | None:
    try:
        return date.fromisoformat(text) if len(text) == len("2013-01-01") else datetime.fromisoformat(text)
    except ValueError:
        return None
