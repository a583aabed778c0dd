"""The kinds of values in a request: query parameters, headers, a JSON body, a path into an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from haulier.api.http.urls import Encoded
from haulier.api.records.empty_forms import EMPTY_STATUSES, EMPTY_WORDS, EmptyForms
from haulier.api.records.paths import check_path
from haulier.api.records.record_finder import RECORD_SHAPES
from haulier.api.records.record_keys import key_paths
from haulier.api.settings import Api
from haulier.config.environment import fill_variables, has_reference
from haulier.config.fields import Field, TableShape
from haulier.config.place import Place, name_kind, nearest, show
from haulier.config.value_kinds import Choice, Text, errors_at, unexpected
from haulier.errors import UsageError
from haulier.sources.recipe import Pairs


@dataclass(frozen=True)
class JsonPath:
    """A dotted path into an answer; `.` is the whole of it."""

    def read(self, value: Any, place: Place, example: str) -> str:
        if isinstance(value, str) and not value.strip():
            remedy = f'Write, for example: {example}, or `.` for the answer itself: {place.name} = "."'
            raise place.error(f"expected a path, found {show(value)}.", remedy)
        path = Text("a path").read(value, place, example)
        try:
            return check_path(path)
        except UsageError:
            raise unexpected(value, place, "a path (keys joined by dots, or a single dot)", example) from None

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


SHAPE = Field(
    "shape",
    Choice(RECORD_SHAPES),
    "What stands at `records`: a list; one record; a list, or a record where it would be a list of one; or an object "
    "of records by their keys.",
    'shape = "values"',
)


class EmptyAnswers:
    """Words and statuses that mean: no records."""

    def read(self, value: Any, place: Place, example: str) -> EmptyForms:
        members = value if isinstance(value, list) else []
        if not members or not all(isinstance(each, str | int) and not isinstance(each, bool) for each in members):
            raise unexpected(value, place, "a list of words and statuses", example)
        if len(set(members)) < len(members):
            twice = next(each for each in members if members.count(each) > 1)
            raise place.error(f"{show(twice)} is listed twice.", "Remove one of the two.")
        with errors_at(place):
            return EmptyForms.of(members)

    def schema(self) -> dict[str, Any]:
        statuses = {"type": "integer", "enum": sorted(EMPTY_STATUSES)}
        return {"type": "array", "minItems": 1, "items": {"anyOf": [{"enum": list(EMPTY_WORDS)}, statuses]}}


class EncodedText:
    """A query value that is percent-encoded already."""

    def read(self, value: Any, place: Place, example: str) -> Encoded:
        with errors_at(place):
            return Encoded(Text("text that is encoded already").read(value, place, example))

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


ENCODED = Field(
    "encoded",
    EncodedText(),
    "A value that is percent-encoded already, and is sent unchanged.",
    'encoded = "a%2Cb"',
    is_required=True,
)
ENCODED_VALUE = TableShape("A value of a query parameter that haulier does not encode.", ENCODED)


@dataclass(frozen=True)
class JsonPaths:
    """A dotted path, or a list of them."""

    def read(self, value: Any, place: Place, example: str) -> tuple[str, ...]:
        if not isinstance(value, list):
            return (JsonPath().read(value, place, example),)
        paths = tuple(JsonPath().read(member, place.at(index), example) for index, member in enumerate(value))
        with errors_at(place):
            return key_paths(paths)

    def schema(self) -> dict[str, Any]:
        path = JsonPath().schema()
        return {"anyOf": [path, {"type": "array", "minItems": 1, "items": path}]}


@dataclass(frozen=True)
class FieldTexts:
    """Fields of a record, each with a text."""

    def read(self, value: Any, place: Place, example: str) -> Pairs:
        if not isinstance(value, Mapping) or not value:
            raise place.error(
                f"expected a non-empty table of fields, found {name_kind(value)}.",
                f"Write, for example: {example}",
            )
        for name in value:
            _check_name(name, place)
        return tuple((name, Text().read(text, place.at(name), example)) for name, text in value.items())

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "minProperties": 1, "additionalProperties": Text().schema()}


@dataclass(frozen=True)
class QueryPairs:
    """Query parameters: text, numbers, true or false, or a list of these for a name that is sent several times."""

    are_of_form: bool = False
    """They go into the body of a form, where no value can be encoded already."""

    def read(self, value: Any, place: Place, example: str) -> Pairs:
        if not isinstance(value, Mapping):
            raise place.error(
                f"expected a table of query parameters, found {name_kind(value)}.",
                f"Write, for example: {example}",
            )
        pairs: list[tuple[str, str]] = []
        for name, given in value.items():
            _check_name(name, place)
            members = given if isinstance(given, list) else [given]
            pairs += [(name, self._sent(member, place.at(name))) for member in members]
        return tuple(pairs)

    def _sent(self, value: Any, place: Place) -> str:
        if not self.are_of_form and isinstance(value, Mapping) and any(nearest(name, [ENCODED.name]) for name in value):
            return ENCODED_VALUE.open(value, place).need(ENCODED)
        return _sent(value, place)

    def schema(self) -> dict[str, Any]:
        single: dict[str, Any] = {"type": ["string", "number", "boolean"]}
        if not self.are_of_form:
            single = {"anyOf": [single, ENCODED_VALUE.schema()]}
        return {"type": "object", "additionalProperties": {"anyOf": [single, {"type": "array", "items": single}]}}


@dataclass(frozen=True)
class HeaderPairs:
    """Headers. Values from the environment are taken for credentials."""

    def read(self, value: Any, place: Place, example: str) -> Pairs:
        if not isinstance(value, Mapping):
            raise place.error(
                f"expected a table of headers, found {name_kind(value)}.", f"Write, for example: {example}"
            )
        pairs = []
        for name, given in value.items():
            _check_name(name, place)
            if not isinstance(given, str):
                raise place.at(name).error(
                    f"expected text, found {name_kind(given)}.", f"Write, for example: {example}"
                )
            pairs.append((name, fill_variables(given, place.at(name), is_secret=True)))
        with errors_at(place):
            return Api("http://localhost", headers=tuple(pairs)).headers

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": {"type": "string"}}


@dataclass(frozen=True)
class JsonBody:
    """A JSON value, written as TOML."""

    def read(self, value: Any, place: Place, example: str) -> Any:
        match value:
            case str():
                return fill_variables(value, place)
            case Mapping():
                for name in value:
                    _check_name(name, place)
                return {name: self.read(member, place.at(name), example) for name, member in value.items()}
            case list():
                return [self.read(member, place.at(index), example) for index, member in enumerate(value)]
            case bool() | int():
                return value
            case float() if math.isfinite(value):
                return value
            case float():
                raise place.error(f"JSON has no number {value}.", "Write a finite number, or text in quotes.")
            case _:
                raise place.error(
                    f"JSON has no times, found {show(value)}.", "Write it in quotes, in the form that the API reads."
                )

    def schema(self) -> dict[str, Any]:
        return {}


def _sent(value: Any, place: Place) -> str:
    match value:
        case str():
            return fill_variables(value, place)
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() if math.isfinite(value):
            return repr(value)
        case _:
            raise place.error(
                f"expected text, a number, true or false, or a list of these, found {show(value)}.",
                "Write it as text, in the form that the API reads.",
            )


def _check_name(name: str, place: Place) -> None:
    if has_reference(name):
        raise place.at(name).error("a key cannot come from the environment.", "Use variables in values only.")
