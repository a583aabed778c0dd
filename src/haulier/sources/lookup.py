"""Single values of an API: the last ID, the number of records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from haulier.api.answers.judgement import ExpectedAnswer
from haulier.api.records.empty_forms import EmptyForms
from haulier.api.records.paths import ROOT, describe, find, parts_of
from haulier.errors import UsageError
from haulier.sources.recipe import Lookup

if TYPE_CHECKING:
    from haulier.api.client import ItemApi


Expect = Callable[["ItemApi"], Awaitable[dict[str, int]]]
"""Asks the API for the count of each stream; streams without a count are absent."""


@dataclass(frozen=True)
class MissingValue:
    """Nothing at a path. ``is_empty``: null is there, or a list on the way is empty."""

    reason: str
    is_empty: bool = False


async def ask(api: ItemApi, lookup: Lookup) -> Any | MissingValue:
    if lookup.header:
        # Whatever the body is: it is the header that was asked for.
        expected = ExpectedAnswer(empty=EmptyForms.of(["no body"]), wants_json=False)
        response = await api.request(lookup.method, lookup.path, lookup.query, expected=expected)
        text = response.headers.get(lookup.header, "").strip()
        return text or MissingValue(f"the answer has no header {lookup.header!r}")
    tree = await api.json(lookup.path, lookup.query)
    try:
        found = find(tree, lookup.at)
    except LookupError as error:
        return MissingValue(str(error), is_empty=_is_empty(tree, lookup.at))
    return MissingValue(f"the value at {lookup.at!r} is null", is_empty=True) if found is None else found


def whole_number(found: Any, lookup: Lookup, what: str, remedy: str) -> int:
    """Raises `UsageError`. APIs write IDs as numbers and as text."""
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    if isinstance(found, str) and found.isascii() and found.removeprefix("-").isdigit():
        return int(found)
    where = f"in the header {lookup.header!r}" if lookup.header else f"at {lookup.at!r}"
    reason = (
        found.reason
        if isinstance(found, MissingValue)
        else f"the value {where} is {describe(found)}, not a whole number"
    )
    raise UsageError(f"{what}: {lookup.method} {lookup.path} was answered, but {reason}. {remedy}")


def expect_by(lookups: Mapping[str, Lookup], place: str) -> Expect | None:
    """None where there is no lookup. ``place`` names one in messages, with ``{}`` for its stream."""

    async def expect(api: ItemApi) -> dict[str, int]:
        counts = {}
        for stream, lookup in lookups.items():
            found, source = await ask(api, lookup), "header" if lookup.header else "at"
            counts[stream] = whole_number(found, lookup, place.format(stream), f"Correct `{source}` or the query.")
        return counts

    return expect if lookups else None


def _is_empty(tree: Any, path: str) -> bool:
    """Whether an empty list or null ends the path early: the API has no items."""
    parts = parts_of(path)
    for length in range(len(parts)):
        try:
            found = find(tree, ".".join(parts[:length]) or ROOT)
        except LookupError:
            continue
        if found is None or found == []:
            return True
    return False
