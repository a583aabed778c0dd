"""`pages`: how one page leads to the next. Declared, never detected: a wrong guess loses records in silence.

A kind is a word (``pages = "link"``) or a table with a key that tells it (``pages = { offset = "skip" }``).
"""

from __future__ import annotations

from typing import Any

from haulier.api.paging.cursors import Cursor, Key, Seek
from haulier.api.paging.declared_end import END_WORDS
from haulier.api.paging.links import LinkHeader, NextUrl, OData
from haulier.api.paging.paginator import Paginator, Single
from haulier.api.paging.positions import Offset, PageNumber
from haulier.config.environment import fill_variables
from haulier.config.fields import Field, TableShape
from haulier.config.kinds import Choice, Flag, ListOf, NamedValue, OneOfTables, TableOf, Text, WholeNumber
from haulier.config.place import Place, show, suggestion

MORE = Field("more", Text(), "Path of a flag that says whether there is more.", 'more = "has_more"')
DONE = Field("done", Text(), "Path of a flag that says whether this was all.", 'done = "is_last"')
QUERY = Field("query", Text(), "Query parameter that it is sent back as.", 'query = "cursor"')
BODY = Field("body", Text(), "Path in the JSON body that it is sent back at.", 'body = "page.after"')
HEADER = Field("header", Text(), "Header that it is sent back as.", 'header = "X-Cursor"')
AT = Field("at", Text(), "Path of the value in the answer.", 'at = "next.time"')
FROM_HEADER = Field("from_header", Text(), "Header of the answer that holds the value.", 'from_header = "X-Next"')
IN = Field(
    "in", Choice(("query", "body")), "Whether it goes into the query or into the JSON body.", 'in = "body"', to="place"
)

MISSING = Field(
    "missing",
    Choice(("end",)),
    "Declares that the API leaves the sign of a next page out of the last one, so that a full page without it, or with "
    "other tokens beside its place, is not suspicious.",
    'missing = "end"',
)
END = Field(
    "end",
    ListOf(Choice(END_WORDS)),
    "What ends the list besides a sign that is missing: flag (the flag alone counts, as the token goes on past the "
    "end), repeated (the token or link of the page before comes again), empty page (a page without records).",
    'end = ["flag"]',
)
KEEP_QUERY = Field(
    "keep_query",
    Flag(),
    "Whether parameters of the first request that a link lacks are put behind it.",
    "keep_query = true",
)

KEY = TableShape("A value of the answer that goes into the next request.", AT, FROM_HEADER, QUERY, BODY, HEADER)


ALSO = Field(
    "also", ListOf(TableOf(KEY, Key)), "Values that go along.", 'also = [{ at = "next.time", query = "since" }]'
)
CURSOR = Field("cursor", Text(), "Path of the token of the next page in the answer.", 'cursor = "next"', to="at")
CURSOR_HEADER = Field(
    "cursor_header", Text(), "Header of the answer with that token.", 'cursor_header = "X-Next"', to="from_header"
)
PAGE_SIZE_NAME = Field(
    "size_name",
    Text(),
    "Parameter, or path of the JSON body, with the page's size; halved if the first page is too large. Later pages "
    "keep the first one's size: a token may be a page's number.",
    'size_name = "_size"',
)
_SENT = (QUERY, BODY, HEADER, MORE, DONE, ALSO, PAGE_SIZE_NAME, END, MISSING)
CURSOR_PAGES = TableShape("Pages by a token that comes with each page.", CURSOR, *_SENT)
CURSOR_HEADER_PAGES = TableShape("Pages by a token that comes in a header.", CURSOR_HEADER, *_SENT)


OFFSET = Field("offset", Text(), "Parameter: how many records to pass over.", 'offset = "offset"', to="offset_name")
LIMIT = Field("limit", WholeNumber(), "How many records a page should have.", "limit = 100")
LIMIT_NAME = Field("limit_name", Text(), "Parameter of the limit; limit unless given.", 'limit_name = "limit"')
START = Field("start", WholeNumber(0), "The offset of the first page; 0 unless given.", "start = 1")
OVERLAP = Field("overlap", WholeNumber(0), "Records asked for again, to see whether the list moved.", "overlap = 1")
ADVANCE = Field(
    "advance",
    Choice(("received", "limit")),
    "What the offset goes on by: the records that came (servers lower limits), unless given; or the limit, where the "
    "API leaves rows out of a page after it has cut it, such as those that you may not see.",
    'advance = "limit"',
)
EMPTY_PAGES = Field(
    "empty_pages",
    WholeNumber(),
    "So many empty pages in a row are the end, where no flag and no total says it; 2 unless given, since all rows of a "
    "page may be hidden. 1 saves the request that looks behind an empty page.",
    "empty_pages = 3",
)
OFFSET_PAGES = TableShape(
    "Pages by the number of records before them.",
    OFFSET,
    LIMIT,
    LIMIT_NAME,
    START,
    IN,
    MORE,
    DONE,
    OVERLAP,
    ADVANCE,
    EMPTY_PAGES,
)


PAGE = Field("page", Text(), "Parameter: the page's number.", 'page = "page"', to="name")
FIRST = Field("first", WholeNumber(0), "The number of the first page; 1 unless given.", "first = 0", to="first_number")
SIZE = Field("size", WholeNumber(), "How many records a page should have.", "size = 100")
SIZE_NAME = Field("size_name", Text(), "Parameter of the size; per_page unless given.", 'size_name = "per_page"')
PAGES_AT = Field("pages", Text(), "Path of the number of pages in the answer.", 'pages = "meta.total_pages"')
PAGES_HEADER = Field("pages_header", Text(), "Header with it.", 'pages_header = "X-Total-Pages"')
END_STATUS = Field("end_status", WholeNumber(400), "Status of a page past the last one.", "end_status = 400")
END_TEXT = Field("end_text", Text(), "Text in that answer's body.", 'end_text = "rest_post_invalid_page_number"')
PAGE_PAGES = TableShape(
    "Pages by their number.",
    PAGE,
    FIRST,
    SIZE,
    SIZE_NAME,
    IN,
    PAGES_AT,
    PAGES_HEADER,
    MORE,
    DONE,
    END_STATUS,
    END_TEXT,
    EMPTY_PAGES,
)


SEEK = Field("seek", Text(), "Path in a record of the key that sorts the list.", 'seek = "id"', to="key")
TEMPLATE = Field("template", Text(), "What is sent; {key} is the last record's key.", 'template = "sys_id>{key}"')
SEEK_SIZE_NAME = Field(
    "size_name",
    Text(),
    "Parameter, or path of the JSON body, with the page's size; halved if a page is too large.",
    'size_name = "limit"',
)
INCLUSIVE = Field(
    "inclusive",
    Flag(),
    "Whether records with the last key come again; it need not be unique then.",
    "inclusive = true",
    to="is_inclusive",
)
SEEK_PAGES = TableShape(
    "Pages by the key of the last record; it must sort the list, and be unique unless `inclusive`.",
    SEEK,
    QUERY,
    BODY,
    TEMPLATE,
    MORE,
    DONE,
    INCLUSIVE,
    SEEK_SIZE_NAME,
)


NEXT_URL = Field("next_url", Text(), "Path of the next page's address.", 'next_url = "links.next"', to="at")
NEXT_URL_HEADER = Field(
    "next_url_header", Text(), "Header with that address.", 'next_url_header = "X-Next-Url"', to="from_header"
)
_FOLLOWED = (END, MISSING, KEEP_QUERY)
NEXT_URL_PAGES = TableShape("Pages by the address of the next one.", NEXT_URL, MORE, DONE, *_FOLLOWED)
NEXT_URL_HEADER_PAGES = TableShape(
    "Pages by the address of the next one, in a header.", NEXT_URL_HEADER, MORE, DONE, *_FOLLOWED
)


LINK = Field(
    "link", Text(), "The relation of the next page in the Link header; next unless given.", 'link = "next"', to="rel"
)
END_IF = Field(
    "end_if",
    Text(),
    "An attribute of the link which says that nothing stands behind it.",
    "end_if = 'results=\"false\"'",
)
LINK_PAGES = TableShape("Pages by the Link header.", LINK, END_IF, *_FOLLOWED)


ODATA = Field(
    "odata",
    Choice(("v4",)),
    "The version of OData; the links of versions 2 to 4.01 are read alike.",
    'odata = "v4"',
    to="",
)
PAGE_SIZE = Field("page_size", WholeNumber(), "How many records the server is asked for.", "page_size = 500")
NESTED = Field(
    "nested",
    Choice(("cut",)),
    "Declares that what comes of lists inside records ($expand) is enough, where the server cuts them. Each then has a "
    "next link of its own, which is not followed, and is an error unless this is given.",
    'nested = "cut"',
)
ODATA_PAGES = TableShape("Pages by OData's next link.", ODATA, PAGE_SIZE, *_FOLLOWED, NESTED)


SINGLE = Field(
    "single",
    NamedValue({"may be full": True}),
    "Says that a page with as many records as the request asks for is all that is wanted.",
    'single = "may be full"',
    to="may_be_full",
)
SINGLE_PAGES = TableShape("All records in one page.", SINGLE)


WORDS: dict[str, Paginator] = {"single": Single(), "link": LinkHeader(), "odata": OData()}
"""Kinds that need no more than their name."""
TABLES: dict[str, TableOf[Paginator]] = {
    "cursor": TableOf(CURSOR_PAGES, Cursor),
    "cursor_header": TableOf(CURSOR_HEADER_PAGES, Cursor),
    "offset": TableOf(OFFSET_PAGES, Offset),
    "page": TableOf(PAGE_PAGES, PageNumber),
    "seek": TableOf(SEEK_PAGES, Seek),
    "next_url": TableOf(NEXT_URL_PAGES, NextUrl),
    "next_url_header": TableOf(NEXT_URL_HEADER_PAGES, NextUrl),
    "link": TableOf(LINK_PAGES, LinkHeader),
    "single": TableOf(SINGLE_PAGES, Single),
    "odata": TableOf(ODATA_PAGES, OData),
}
"""Kinds by the key that tells them."""


class PagesKind:
    """The word of a kind, or a table whose first key tells the kind."""

    def read(self, value: Any, place: Place, example: str) -> Paginator:
        if isinstance(value, str):
            return _word(fill_variables(value, place, is_secret=False), value, place)
        return _TOLD.read(value, place, example)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(WORDS)}, *_TOLD.schema()["anyOf"]]}


_REMEDY = (
    "Write one of: "
    + ", ".join([*(f'"{word}"' for word in WORDS), *(f"{{ {kind} = ... }}" for kind in TABLES if kind not in WORDS)])
    + "."
)
_TOLD = OneOfTables("kind of paging", TABLES, _REMEDY)


def _word(text: str, value: str, place: Place) -> Paginator:
    if text in WORDS:
        return WORDS[text]
    if text in TABLES:
        example = TABLES[text].shape.fields[0].example
        raise place.error(
            f"the kind of paging {text!r} needs more than its name.", f"Write pages = {{ {example}, ... }}."
        )
    near = suggestion(text, [*WORDS, *TABLES])
    raise place.error(f"{show(value)} is not a kind of paging.", near if near.startswith("Did") else _REMEDY)
