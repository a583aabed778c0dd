"""The kinds of values that stand in a source file: text, numbers, durations, times, pairs, JSON, and tables of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Generic, TypeVar

from haulier.api.auth import Secret
from haulier.api.paths import check_path
from haulier.api.settings import Api
from haulier.config.environment import filled, has_reference, secret
from haulier.config.fields import Kind, Opened, Shape
from haulier.config.place import Place, kind_of, shown, suggestion
from haulier.errors import SourceFileError, UsageError
from haulier.items.windows import parse_duration
from haulier.sources.recipe import Pairs

T = TypeVar("T")


def wrong(value: Any, place: Place, wanted: str, example: str) -> SourceFileError:
    """What to raise about a value of another kind than ``wanted``."""
    return place.error(f"here stands {shown(value)}; {wanted} is wanted.", f"Write, for example: {example}")


@contextmanager
def refusals(place: Place) -> Iterator[None]:
    """What another layer refuses by itself is said with the place that it stands at."""
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

    def read(self, value: Any, place: Place, example: str) -> str:
        if not isinstance(value, str):
            raise wrong(value, place, self.wanted, example)
        text = filled(value, place, is_secret=False)
        if not text.strip():
            raise wrong(value, place, self.wanted, example)
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


@dataclass(frozen=True)
class JsonPath:
    """A dotted path into an answer; `.` is the whole of it."""

    def read(self, value: Any, place: Place, example: str) -> str:
        path = Text("a path").read(value, place, example)
        try:
            return check_path(path)
        except UsageError:
            raise wrong(value, place, "keys with dots between, or a dot alone,", example) from None

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


@dataclass(frozen=True)
class SecretText:
    """A credential: never shown, and as late as possible read."""

    def read(self, value: Any, place: Place, example: str) -> str | Secret:
        if not isinstance(value, str) or not value:
            raise place.error(
                f"here stands {kind_of(value) if value else 'nothing'}; text is wanted.",
                f"Write, for example: {example}",
            )
        return secret(value, place)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, value: Any, place: Place, example: str) -> str:
        text = filled(value, place, is_secret=False) if isinstance(value, str) else value
        if text not in self.words:
            wanted = " or ".join(f'"{word}"' for word in self.words)
            near = suggestion(text, self.words) if isinstance(text, str) else ""
            remedy = near if near.startswith("Did") else f"Write, for example: {example}"
            raise place.error(f"here stands {shown(value)}; {wanted} is wanted.", remedy)
        return str(text)

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}


@dataclass(frozen=True)
class Whole:
    """A whole number from ``least`` up; text with a variable in it may hold one."""

    least: int = 1

    def read(self, value: Any, place: Place, example: str) -> int:
        number = value
        if isinstance(value, str) and has_reference(value):
            text = filled(value, place, is_secret=False).strip()
            number = int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None
        if not isinstance(number, int) or isinstance(number, bool) or number < self.least:
            raise wrong(value, place, f"a whole number from {self.least} up", example)
        return number

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "integer", "minimum": self.least}, _VARIABLE]}


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def read(self, value: Any, place: Place, example: str) -> bool:
        if not isinstance(value, bool):
            raise wrong(value, place, "true or false", example)
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Duration:
    """``"90s"``, ``"1h"``, ``"2w"``; above zero, or from zero."""

    may_be_zero: bool = False

    def read(self, value: Any, place: Place, example: str) -> timedelta:
        wanted = "a duration such as 90s, 15m, 2h, 1d or 2w"
        if not isinstance(value, str):
            raise wrong(value, place, f"{wanted}, in quotes,", example)
        try:
            duration = parse_duration(filled(value, place, is_secret=False))
        except ValueError:
            raise wrong(value, place, wanted, example) from None
        if not duration and not self.may_be_zero:
            raise wrong(value, place, f"{wanted}, above zero,", example)
        return duration

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d|w)$"}, _VARIABLE]}


@dataclass(frozen=True)
class Moment:
    """A time with its offset, or a date, as TOML writes them."""

    def read(self, value: Any, place: Place, example: str) -> datetime | date:
        moment = value
        if isinstance(value, str) and has_reference(value):
            moment = _parsed(filled(value, place, is_secret=False))
        if isinstance(moment, datetime):
            if moment.utcoffset() is None:
                raise place.error(f"{shown(value)} does not say its offset from UTC.", f"Write, for example: {example}")
            return moment.astimezone(UTC)
        if not isinstance(moment, date):
            quoted = " without quotes" if isinstance(value, str) and not has_reference(value) else ""
            raise wrong(value, place, f"a time{quoted}", example)
        return moment

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}, _VARIABLE]}


@dataclass(frozen=True)
class QueryPairs:
    """Query parameters: text, whole numbers, true or false, or lists of them for a name that is sent several times."""

    def read(self, value: Any, place: Place, example: str) -> Pairs:
        if not isinstance(value, Mapping):
            raise place.error(
                f"here stands {kind_of(value)}; a table of query parameters is wanted.",
                f"Write, for example: {example}",
            )
        pairs: list[tuple[str, str]] = []
        for name, given in value.items():
            if has_reference(name):
                raise place.at(name).error(
                    "a key cannot come from the environment.", "Write variables in values alone."
                )
            members = given if isinstance(given, list) else [given]
            pairs += [(name, _sent(member, place.at(name))) for member in members]
        return tuple(pairs)

    def schema(self) -> dict[str, Any]:
        single = {"type": ["string", "number", "boolean"]}
        return {"type": "object", "additionalProperties": {"anyOf": [single, {"type": "array", "items": single}]}}


@dataclass(frozen=True)
class HeaderPairs:
    """Headers. What comes from the environment is taken for a credential."""

    def read(self, value: Any, place: Place, example: str) -> Pairs:
        if not isinstance(value, Mapping):
            raise place.error(
                f"here stands {kind_of(value)}; a table of headers is wanted.", f"Write, for example: {example}"
            )
        pairs = []
        for name, given in value.items():
            if has_reference(name):
                raise place.at(name).error(
                    "a key cannot come from the environment.", "Write variables in values alone."
                )
            if not isinstance(given, str):
                raise place.at(name).error(
                    f"here stands {kind_of(given)}; text is wanted.", f"Write, for example: {example}"
                )
            pairs.append((name, filled(given, place.at(name), is_secret=True)))
        with refusals(place):
            return Api("http://localhost", headers=tuple(pairs)).headers

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": {"type": "string"}}


@dataclass(frozen=True)
class JsonBody:
    """A JSON value, as TOML writes it."""

    def read(self, value: Any, place: Place, example: str) -> Any:
        match value:
            case str():
                return filled(value, place)
            case Mapping():
                for name in value:
                    if has_reference(name):
                        raise place.at(name).error(
                            "a key cannot come from the environment.", "Write variables in values alone."
                        )
                return {name: self.read(member, place.at(name), example) for name, member in value.items()}
            case list():
                return [self.read(member, place.at(index), example) for index, member in enumerate(value)]
            case bool() | int():
                return value
            case float() if math.isfinite(value):
                return value
            case float():
                raise place.error(f"JSON cannot write {value}.")
            case _:
                raise place.error(
                    f"JSON has no times, and here stands {shown(value)}.", "Write it in quotes, as the API reads it."
                )

    def schema(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class TableOf(Generic[T]):
    """A table of its own shape, and what it is read into."""

    shape: Shape
    make: Callable[[Opened], T]

    def read(self, value: Any, place: Place, example: str) -> T:
        return self.make(self.shape.open(value, place))

    def schema(self) -> dict[str, Any]:
        return self.shape.schema()


@dataclass(frozen=True)
class ListOf(Generic[T]):
    """A list of values of one kind; not empty."""

    member: Kind[T]

    def read(self, value: Any, place: Place, example: str) -> tuple[T, ...]:
        if not isinstance(value, list) or not value:
            raise place.error(
                f"here stands {kind_of(value) if value else 'nothing'}; a list is wanted.",
                f"Write, for example: {example}",
            )
        return tuple(self.member.read(member, place.at(index), example) for index, member in enumerate(value))

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "minItems": 1, "items": self.member.schema()}


@dataclass(frozen=True)
class NumberOr(Generic[T]):
    """A whole number written out, or a table."""

    number: Whole
    table: Kind[T]

    def read(self, value: Any, place: Place, example: str) -> int | T:
        if isinstance(value, Mapping):
            return self.table.read(value, place, example)
        return self.number.read(value, place, example)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.number.schema(), self.table.schema()]}


_VARIABLE = {"type": "string", "pattern": r"\$\{"}


def _sent(value: Any, place: Place) -> str:
    """A query parameter as it is sent."""
    match value:
        case str():
            return filled(value, place)
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() if math.isfinite(value):
            return repr(value)
        case _:
            raise place.error(
                f"here stands {shown(value)}, which no query parameter can be.",
                "Write text as the API reads it, a number, true or false, or a list of them.",
            )


def _parsed(text: str) -> datetime | date | None:
    try:
        return date.fromisoformat(text) if len(text) == len("2013-01-01") else datetime.fromisoformat(text)
    except ValueError:
        return None
