"""`errors` of a GraphQL answer, which come with status 200, beside half of the data or none."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import msgspec

from haulier.api.records.paths import raw_at
from haulier.api.records.surrogates import hide

_THROTTLED: Final = frozenset({"THROTTLED", "RATE_LIMITED", "RATE_LIMIT_EXCEEDED", "TOO_MANY_REQUESTS"})
"""Of Shopify, GitHub (a ``type``), and others."""
_REFUSED: Final = frozenset({"UNAUTHENTICATED"})
"""Of Apollo: there are no credentials, or wrong ones. FORBIDDEN is about what is asked for."""
_WRONG: Final = frozenset(
    {
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
        "BAD_USER_INPUT",
        "OPERATION_RESOLUTION_FAILURE",
        "FORBIDDEN",
        "ACCESS_DENIED",
        "INSUFFICIENT_SCOPES",
        "MAX_COST_EXCEEDED",
        "MAX_NODE_LIMIT_EXCEEDED",
        "NOT_FOUND",
    }
)
"""Of Apollo, Shopify and GitHub: the same query gets the same answer."""
_SHOWN_CHARACTERS: Final = 200


class ErrorMeaning(Enum):
    THROTTLED = "throttled"
    REFUSED = "credentials are refused"
    WRONG = "the query is wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class GraphQLFailure:
    meaning: ErrorMeaning
    reason: str


def find_errors(body: bytes, allowed: Collection[str]) -> GraphQLFailure | None:
    """None where there is no error, or all have a code that is ``allowed``. The gravest meaning counts."""
    try:
        found = raw_at(body, "errors")
    except (msgspec.DecodeError, RecursionError):
        return None  # Whoever reads the records tells what is wrong with it.
    if found is None:
        return None
    hidden = hide(bytes(found))
    try:
        errors = msgspec.json.decode(found if hidden is None else hidden.body)
    except (msgspec.DecodeError, RecursionError) as error:
        return GraphQLFailure(ErrorMeaning.UNKNOWN, f"it holds GraphQL errors that cannot be read ({error})")
    if not errors:
        return None
    told = [_told(error) for error in (errors if isinstance(errors, list) else [errors])]
    failures = [(code, message) for code, message in told if code not in allowed]
    if not failures:
        return None
    codes = {code for code, _ in failures}
    meaning = next(
        (
            meaning
            for meaning, known in (
                (ErrorMeaning.THROTTLED, _THROTTLED),
                (ErrorMeaning.REFUSED, _REFUSED),
                (ErrorMeaning.WRONG, _WRONG),
            )
            if codes & known
        ),
        ErrorMeaning.WRONG if _is_of_request(body, errors) else ErrorMeaning.UNKNOWN,
    )
    code, message = failures[0]
    more = f", and {len(failures) - 1} more" if len(failures) > 1 else ""
    shown = ": ".join(filter(None, (code, message)))[:_SHOWN_CHARACTERS]
    if hidden is not None:
        shown = hidden.restore(shown.encode()).decode()
    return GraphQLFailure(meaning, f"it holds GraphQL errors ({shown}{more})")


def count_errors(body: bytes) -> int:
    """Of an answer in which `find_errors` found none that matters."""
    found = raw_at(body, "errors")
    hidden = None if found is None else hide(bytes(found))
    errors = None if found is None else msgspec.json.decode(found if hidden is None else hidden.body)
    return len(errors) if isinstance(errors, list) else int(bool(errors))


def refuses_credentials(body: bytes) -> bool:
    if not any(code.encode() in body for code in _REFUSED):
        return False
    failure = find_errors(body, ())
    return failure is not None and failure.meaning is ErrorMeaning.REFUSED


def _is_of_request(body: bytes, errors: Any) -> bool:
    """The query was refused before it was run, as by graphql-core, which gives no code: each error has a place in the
    query and none in the answer (GraphQL, October 2021, 7.1.2). An outage has neither."""
    data = raw_at(body, "data")
    return (
        (data is None or bytes(data) == b"null")
        and isinstance(errors, list)
        and all(isinstance(error, dict) and error.get("locations") and not error.get("path") for error in errors)
    )


def _told(error: Any) -> tuple[str, str]:
    if not isinstance(error, dict):
        return "", str(error)
    extensions = error.get("extensions")
    code = (extensions.get("code") if isinstance(extensions, dict) else None) or error.get("type")
    message = error.get("message")
    return code if isinstance(code, str) else "", message if isinstance(message, str) else ""
