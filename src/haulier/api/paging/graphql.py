"""A GraphQL query as the body of a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from haulier.api.paging.graphql_text import Operation, operations_of
from haulier.api.paging.paginator import Paginator, kind_of
from haulier.errors import UsageError

VARIABLES: Final = "variables."
"""Path in the body, below which a page's token goes."""


@dataclass(frozen=True)
class GraphQL:
    """A query and its variables, as the ``json`` of a POST: ``json=GraphQL("query ($after: String) { ... }")``.

    An answer with ``errors`` is a failure, also beside data and under status 200. Raises `UsageError` for variables
    that the query does not declare, for required ones that are not given, and for anything but a query, since a request
    may be sent more than once.
    """

    query: str
    """Sent as it is: it has no placeholders."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    operation: str = ""
    """Which one, where the text has several."""
    allowed_errors: tuple[str, ...] = ()
    """Codes (``extensions.code``, or ``type``) of errors that do not matter: what came beside them is kept."""
    file: str = field(default="", compare=False, metadata={"shapes_records": False})
    """Name of the file that the query was read from."""

    def __post_init__(self) -> None:
        operation = self._operation
        for name in self.variables:
            if operation.variable(name) is None:
                raise UsageError(f"The query does not declare ${name}. {_declared(operation)}")
        for variable in operation.variables:
            if variable.is_required and variable.name not in self.variables:
                raise UsageError(
                    f"The query wants ${variable.name}: {variable.type}, and `variables` has none. Write it there, or "
                    "let the query declare it without `!`, or with a default."
                )

    @property
    def body(self) -> dict[str, Any]:
        """What is sent."""
        name = self._operation.name
        named = {"operationName": name} if name else {}
        return {"query": self.query, **named, "variables": dict(self.variables)}

    def check_pages(self, paginator: Paginator) -> None:
        """Raises `UsageError` where what leads to the next page does not go into a variable of the query."""
        kind = kind_of(paginator)
        if getattr(kind, "query", "") or getattr(kind, "place", "") == "query":
            raise UsageError(
                "The next page is asked for in the query of the address, which a GraphQL server does not read. Write "
                f'a variable in place of it, such as body = "{VARIABLES}after"; for an offset or a page number '
                'in = "body".'
            )
        for path in body_paths(paginator):
            if not path.startswith(VARIABLES):
                raise UsageError(
                    f"`{path}` of the body is no variable of the query. Write {VARIABLES}{path.rpartition('.')[2]}."
                )
            name = path.removeprefix(VARIABLES).partition(".")[0]
            if self._operation.variable(name) is None:
                raise UsageError(
                    f"The next page is asked for by ${name}, which the query does not declare. "
                    f"{_declared(self._operation)}"
                )

    @property
    def _operation(self) -> Operation:
        found = operations_of(self.query)
        names = ", ".join(each.name or "one without a name" for each in found)
        if self.operation:
            chosen = next((each for each in found if each.name == self.operation), None)
            if chosen is None:
                raise UsageError(f"The query has no operation {self.operation!r}. It has: {names or 'none'}.")
        elif len(found) != 1:
            raise UsageError(
                f"The query has {len(found)} operations ({names}). Write which one, such as operation = "
                f'"{found[0].name}".'
                if found
                else "The query has no operation. Write, for example: query { orders { id } }"
            )
        else:
            chosen = found[0]
        if chosen.kind != "query":
            raise UsageError(
                f"The operation is a {chosen.kind}. Only a query can be read, since a request may be sent more than "
                "once."
            )
        return chosen


def body_of(json: object) -> Any:
    return json.body if isinstance(json, GraphQL) else json


def body_paths(paginator: Paginator) -> Iterator[str]:
    """Paths of the body in which a kind, such as `Seek`, asks for the next page."""
    kind = kind_of(paginator)
    for key in (kind, *getattr(kind, "also", ())):
        if path := getattr(key, "body", ""):
            yield path
    if getattr(kind, "place", "") == "body":
        for name in ("offset_name", "name"):
            if path := getattr(kind, name, ""):
                yield path
        for size, name in (("limit", "limit_name"), ("size", "size_name")):
            if getattr(kind, size, None) is not None:
                yield getattr(kind, name)


def _declared(operation: Operation) -> str:
    names = ", ".join(f"${each.name}" for each in operation.variables)
    return f"It declares: {names}." if names else "It declares no variable: write query ($after: String) { ... }."
