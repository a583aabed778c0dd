"""`full.values` and `full.once`: items that are single values, or everything at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from haulier.api.paging.pages_ahead import check_parallel
from haulier.config.environment import fill_variables
from haulier.config.fields import Field, TableReader, TableShape
from haulier.config.format_table import FORMAT, check_format
from haulier.config.joins import JOIN, JOINED_BATCH
from haulier.config.lookups import EMPTY, GET
from haulier.config.lookups import QUERY as LOOKUP_QUERY
from haulier.config.pages_table import PagesKind
from haulier.config.place import Place, name_kind, show
from haulier.config.request_kinds import SHAPE, JsonPath, QueryPairs
from haulier.config.value_kinds import TableBy, TableOf, Text, WholeNumber, errors_at, unexpected
from haulier.sources.prefixes import Prefixes
from haulier.sources.recipe import ListLookup, OnceRecipe, ValuesRecipe


@dataclass(frozen=True)
class WrittenValues:
    """Values from the file: all texts, or all whole numbers."""

    values: tuple[str, ...]
    are_numbers: bool


class ValueList:
    """A list of texts or of whole numbers, without duplicates."""

    def read(self, value: Any, place: Place, example: str) -> WrittenValues:
        if not isinstance(value, list) or not value:
            raise place.error(f"expected a non-empty list, found {name_kind(value)}.", f"Write, for example: {example}")
        are_numbers = all(isinstance(member, int) and not isinstance(member, bool) for member in value)
        values: list[str] = []
        for index, member in enumerate(value):
            if not are_numbers and not isinstance(member, str):
                raise unexpected(member, place.at(index), "only texts or only whole numbers in this list", example)
            text = str(member) if are_numbers else fill_variables(member, place.at(index))
            if text in values:
                raise place.at(index).error(f"{show(member)} is listed twice.", "Remove one of the two.")
            values.append(text)
        return WrittenValues(tuple(values), are_numbers)

    def schema(self) -> dict[str, Any]:
        lists = [{"type": "array", "minItems": 1, "items": {"type": kind}} for kind in ("string", "integer")]
        return {"anyOf": lists}


AT = Field(
    "at",
    JsonPath(),
    "The path of the value in an element; `.` for the element itself, `{key}` for the key under which it stands in an "
    "object.",
    'at = "carrier"',
)
RECORDS = Field("records", JsonPath(), "The path of the list in an answer.", 'records = "rows"', True)
PAGES = Field("pages", PagesKind(), "How one page of the list leads to the next.", 'pages = "single"', True)
LIST_LOOKUP = TableShape("A request for a list of values.", GET, LOOKUP_QUERY, RECORDS, SHAPE, FORMAT, AT, PAGES, EMPTY)


@dataclass(frozen=True)
class ValuesLookup:
    """A `ListLookup`; ``may_be_empty``: an empty list is no error."""

    lookup: ListLookup
    may_be_empty: bool = False


def read_list_lookup(table: TableReader) -> ValuesLookup:
    lookup = ListLookup(**table.arguments(GET, LOOKUP_QUERY, RECORDS, SHAPE, FORMAT, AT, PAGES))
    with errors_at(table.place.at("pages")):
        check_parallel(lookup.pages, None)
    check_format(lookup, None, table.place)
    return ValuesLookup(lookup, **table.arguments(EMPTY))


LIST = Field("list", ValueList(), "The values.", 'list = ["AA", "B6"]')
FROM = Field(
    "from",
    TableBy(LIST_LOOKUP, ListLookup, read_list_lookup),
    "A request for the values.",
    'from = { get = "/carriers", records = "rows", at = "carrier", pages = "single" }',
)
QUERY = Field("query", QueryPairs(), "Query parameters that tell the API the item.", 'query = { carrier = "{value}" }')

OF = Field(
    "of", Text(), "The characters that keys are made of, and ranges of them.", 'of = "0-9a-f"', True, to="alphabet"
)
LENGTH = Field("length", WholeNumber(), "The number of characters of each prefix.", "length = 2")
LONGEST = Field(
    "longest",
    WholeNumber(),
    "An item that is too large is divided by one character more, up to so many; each key has at least as many. Without "
    "it none is divided.",
    "longest = 8",
)
PREFIXES_TABLE = TableOf(
    TableShape("All prefixes of keys of an alphabet, each an item.", OF, LENGTH, LONGEST), Prefixes
)
PREFIXES = Field("prefixes", PREFIXES_TABLE, PREFIXES_TABLE.shape.doc, 'prefixes = { of = "0-9a-f", length = 2 }')
VALUES = TableShape(
    "Items that are the values of a list.",
    LIST,
    FROM,
    PREFIXES,
    QUERY,
    JOIN,
    JOINED_BATCH,
    one_of=("list", "from", "prefixes"),
)
ONCE = TableShape("One item with everything.", QUERY)


def read_values(table: TableReader) -> ValuesRecipe:
    if JOINED_BATCH in table and JOIN not in table:
        raise table.place.at("batch").error(
            "only values with `join` are asked for several at once.",
            f"Remove it, or write, for example: {JOIN.example}",
        )
    others = table.arguments(QUERY, JOIN, JOINED_BATCH)
    if PREFIXES in table:
        if JOIN in table:
            raise table.place.at("join").error(
                "what begins with a prefix is not told by the prefix in a record.", "Leave `join` out."
            )
        return ValuesRecipe(table.need(PREFIXES), **others)
    if FROM in table:
        asked = table.need(FROM)
        return ValuesRecipe(asked.lookup, may_be_empty=asked.may_be_empty, **others)
    written = table.need(LIST)
    if JOIN in table:
        for index, value in enumerate(written.values):
            if problem := table.need(JOIN).problem_of(value):
                raise table.place.at("list").at(index).error(problem, "Write another text in `join.with`.")
    return ValuesRecipe(written.values, are_numbers=written.are_numbers, **others)


VALUES_TABLE = TableBy(VALUES, ValuesRecipe, read_values)
ONCE_TABLE = TableOf(ONCE, OnceRecipe)
