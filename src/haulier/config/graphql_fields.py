"""`graphql` of a stream: a query, in a file of its own or in the source file, with its variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from haulier.api.paging.graphql import GraphQL
from haulier.config.fields import Field, TableReader
from haulier.config.place import Place, show
from haulier.config.request_kinds import JsonBody
from haulier.config.value_kinds import ListOf, Text, errors_at, unexpected

MAX_QUERY_BYTES = 256 * 1024
"""A file that is larger is hardly a query: GitHub takes 50 KB at most."""


@dataclass(frozen=True)
class QueryText:
    text: str
    file: str = ""


class GraphQLText:
    """A query, told by its braces; or the name of the file that holds it. Nothing in it is filled in."""

    def read(self, value: Any, place: Place, example: str) -> QueryText:
        if not isinstance(value, str) or not value.strip():
            raise unexpected(value, place, "a query, or the name of a file with one", example)
        if "{" in value and not value.startswith("${"):
            return QueryText(value)
        name = Text().read(value, place, example)
        try:
            data = (place.source.folder / name).read_bytes()
        except OSError as error:
            raise place.error(
                f"the file {show(name)} cannot be read: {error.strerror}.",
                "Write its name relative to this file, or the query itself.",
            ) from error
        if len(data) > MAX_QUERY_BYTES:
            raise place.error(f"the file {show(name)} has {len(data):,} bytes.", "Name a file with a query.")
        try:
            return QueryText(data.decode("utf-8-sig"), name)
        except UnicodeDecodeError as error:
            raise place.error(f"the file {show(name)} is not UTF-8.", "Save it as UTF-8.") from error

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


class Variables:
    """Variables of a query, as JSON; placeholders in their texts are filled in."""

    def read(self, value: Any, place: Place, example: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise unexpected(value, place, "a table of variables", example)
        found: dict[str, Any] = JsonBody().read(value, place, example)
        return found

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


GRAPHQL = Field(
    "graphql",
    GraphQLText(),
    "A GraphQL query, or the name of a file with one beside this file. It is sent as it is, as the body of the `post`; "
    "an answer with `errors` is a failure.",
    'graphql = "orders.graphql"',
)
VARIABLES: Field[dict[str, Any]] = Field(
    "variables",
    Variables(),
    "The variables of the query. A placeholder that stands alone keeps its type.",
    'variables = { since = "{start}", first = 100 }',
)
OPERATION = Field(
    "operation", Text(), "The operation that is meant, where the query has several.", 'operation = "Orders"'
)
ALLOWED_ERRORS = Field(
    "allowed_errors",
    ListOf(Text()),
    "Codes of errors (`extensions.code`, or `type`) that do not matter: what came beside them is kept.",
    'allowed_errors = ["NOT_FOUND"]',
)
_BESIDE = (VARIABLES, OPERATION, ALLOWED_ERRORS)
GRAPHQL_FIELDS: tuple[Field[Any], ...] = (GRAPHQL, *_BESIDE)


def read_graphql(table: TableReader, *, is_get: bool, has_json: bool) -> GraphQL | None:
    """None for a stream that has none."""
    place = table.place
    if GRAPHQL not in table:
        for field in _BESIDE:
            if field in table:
                raise place.at(field.name).error(
                    "only a stream with `graphql` can have this key.", "Remove it, or write the query."
                )
        return None
    if is_get:
        raise place.at("graphql").error("a GET request has no body.", "Write `post` in place of `get`.")
    if has_json:
        raise place.at("json").error("`graphql` and `json` cannot be used together.", "Keep one of them.")
    query, variables = table.need(GRAPHQL), table.get(VARIABLES, None)
    with errors_at(place.at("graphql")):
        return GraphQL(
            query.text,
            variables or {},
            table.get(OPERATION, ""),
            table.get(ALLOWED_ERRORS, ()),
            query.file,
        )
