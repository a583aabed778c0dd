"""Whether windows find every document of a search: looked at before a run, and where an item is empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from haulier.api.errors import ApiError
from haulier.api.search.body import lacking_body
from haulier.api.search.dialect import Dialect
from haulier.api.search.query_fields import asked_names, fields_of, missing_field, needs_of
from haulier.api.search.search import Search
from haulier.api.search.server import FieldCapability, SearchServer, closed_words, some_of
from haulier.errors import UsageError
from haulier.plurals import count_of

_DATES: Final = frozenset({"date", "date_nanos"})
_NUMBERS: Final = frozenset(
    {"byte", "short", "integer", "long", "unsigned_long", "float", "half_float", "double", "scaled_float"}
)


async def check_search(server: SearchServer, search: Search) -> None:
    """Raises `UsageError` where a day would seem to be empty, or its documents could not be paged."""
    dialect = await server.dialect()
    if dialect.has_points_in_time and not search.tie:
        require_tie(dialect, search)
    names = [name for name in (search.time, search.tie) if name and not name.startswith("_")]
    needs = needs_of(search.query)
    try:
        types = await server.field_types(search.index, [*names, *asked_names(fields_of(needs))] or ["_id"])
    except ApiError as error:
        if error.status == 404:
            raise UsageError(_no_index(search)) from error
        raise
    if types is None:
        raise UsageError(_no_index(search))
    if "*" in search.index and (closed := await server.closed_indices(search.index)):
        raise UsageError(closed_words(search, closed))
    server.knowledge.shards[search.index] = 0
    if search.time:
        _check_time(search, types.get(search.time, {}))
    if (missing := missing_field(needs, types)) is not None:
        raise UsageError(_no_field(search, missing, types))
    if search.time:
        lacking = await server.search(search, lacking_body(search))
        if lacking.total != 0:
            counted = "Documents" if lacking.total is None else count_of(lacking.total, "document")
            raise UsageError(
                f"{counted} of {search.index!r} would be in no window: they have no {search.time!r}. If they are not "
                "wanted, say so in the search: "
                f'query = {{ exists = {{ field = "{search.time}" }} }}. Else name a field that all have.'
            )
    if search.tie in names:
        _check_tie(search, types.get(search.tie, {}))
    server.knowledge.note_checked(search)


def require_tie(dialect: Dialect, search: Search) -> None:
    """Raises `UsageError` where two documents may be equal for all that the server sorts by."""
    if not dialect.has_shard_doc and not search.tie:
        raise UsageError(
            f"{dialect.name} cannot sort by `_shard_doc`, and pages between documents that it sorts as equal lose "
            'some. Name a field that is different in each document, of type keyword: tie = "event_id".'
        )


def _check_time(search: Search, types: Mapping[str, FieldCapability]) -> None:
    mapped = {name: found for name, found in types.items() if name != "unmapped"}
    if not mapped:
        raise UsageError(
            f"No index of {search.index!r} has a field {search.time!r}, so that every window would be empty. Correct "
            "`time` or `index`."
        )
    unmapped = types.get("unmapped")
    if unmapped is not None:
        raise UsageError(
            f"The field {search.time!r} is missing in {some_of(unmapped.indices)}, so that no window would have their "
            f'documents. Leave them out: index = "{search.index},-{(unmapped.indices or ("NAME",))[0]}".'
        )
    wanted, kind = (_NUMBERS, "a number") if search.unit else (_DATES, "a date")
    for name, found in mapped.items():
        if name not in wanted:
            remedy = "Leave out `unit`." if search.unit else 'If it is a number, write its unit: unit = "ms".'
            where = f" in {some_of(found.indices)}" if found.indices else ""
            raise UsageError(f"The field {search.time!r} is mapped as {name}{where}, which is not {kind}. {remedy}")
        if not found.searchable:
            raise UsageError(f"The field {search.time!r} is not indexed, so that it cannot be searched by.")


def _check_tie(search: Search, types: Mapping[str, FieldCapability]) -> None:
    if not types or "unmapped" in types:
        where = some_of(types["unmapped"].indices) if "unmapped" in types else f"every index of {search.index!r}"
        raise UsageError(f"The field {search.tie!r} (`tie`) is missing in {where}, which could not be paged.")
    if "text" in types:
        raise UsageError(
            f"The field {search.tie!r} (`tie`) is mapped as text, which cannot be sorted by. Its keyword is mostly "
            f'called: tie = "{search.tie}.keyword".'
        )


def _no_field(search: Search, name: str, types: Mapping[str, object]) -> str:
    whole = name.removesuffix(".keyword")
    remedy = f"Is {whole!r} meant?" if whole != name and whole in types else "Correct it, or leave its clause out."
    return (
        f"No index of {search.index!r} has a field {name!r}, which the `query` of the search names, so that its clause "
        f"would find nothing. {remedy}"
    )


def _no_index(search: Search) -> str:
    return (
        f"No index is called {search.index!r}, or none that the credentials may read. A search of nothing is answered "
        "as an empty one. Correct `index`."
    )
