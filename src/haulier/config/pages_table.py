"""`pages`: how one page leads to the next. Declared, never detected: a wrong guess would silently lose records.

A kind of paging is a word (``pages = "link"``) or a table with a key that tells it (``pages = { offset = "skip" }``).
"""

from __future__ import annotations

from typing import Any

from haulier.api.paging.continuation import Continuation
from haulier.api.paging.cursors import Cursor, Key, Seek
from haulier.api.paging.declared_end import END_WORDS, LINK_END_WORDS
from haulier.api.paging.graphql import VARIABLES
from haulier.api.paging.link_address import LINK_BASE_WORDS, LINK_ORIGIN_WORDS
from haulier.api.paging.link_list import LinkList
from haulier.api.paging.links import LinkHeader, NextUrl, OData
from haulier.api.paging.paginator import Paginator, Single
from haulier.api.paging.positions import Offset, PageNumber
from haulier.config.environment import fill_variables
from haulier.config.fields import Field, TableShape
from haulier.config.lookups import PathText
from haulier.config.place import Place, nearest, show, suggest
from haulier.config.value_kinds import Choice, Flag, ListOf, NamedValue, OneOfTables, TableOf, Text, WholeNumber

MORE = Field("more", Text(), "The path of a flag that is true where more pages follow.", 'more = "has_more"')
DONE = Field("done", Text(), "The path of a flag that is true on the last page.", 'done = "is_last"')
QUERY = Field("query", Text(), "The query parameter that it is sent back in.", 'query = "cursor"')
BODY = Field("body", Text(), "The path in the JSON body that it is sent back at.", 'body = "page.after"')
HEADER = Field("header", Text(), "The header that it is sent back in.", 'header = "X-Cursor"')
AT = Field("at", Text(), "The path of the value in the answer.", 'at = "next.time"')
FROM_HEADER = Field("from_header", Text(), "The header of the answer with the value.", 'from_header = "X-Next"')
IN = Field(
    "in",
    Choice(("query", "body")),
    "Whether parameters go into the query or into the JSON body.",
    'in = "body"',
    to="place",
)

MISSING = Field(
    "missing",
    Choice(("end",)),
    "Declares that the last page has no token or link, so that a full page without one, or with other tokens "
    "near its place, is not an error.",
    'missing = "end"',
)
FLAG_MISSING = Field(
    "missing",
    Choice(("end",)),
    "Declares that the last page may lack the flag (`more` or `done`): it ends as one without, at the `total` or at an "
    "empty page behind it.",
    'missing = "end"',
)
END = Field(
    "end",
    ListOf(Choice(LINK_END_WORDS)),
    "What ends the list, besides a missing token or link: flag (the flag alone counts, since tokens go on "
    "past the end), repeated (the token or link of the page before comes again), empty page (a page without "
    "records).",
    'end = ["flag"]',
)
KEEP_QUERY = Field(
    "keep_query",
    Flag(),
    "Whether query parameters of the first request are added to links without them. Undeclared, a link that has a "
    "place in the list, and nothing that could stand for them, is an error; `false` takes it as it is.",
    "keep_query = true",
)

KEY = TableShape("A value of the answer that goes into the next request.", AT, FROM_HEADER, QUERY, BODY, HEADER)


ALSO = Field(
    "also",
    ListOf(TableOf(KEY, Key)),
    "More values of the answer that go into the next request.",
    'also = [{ at = "next.time", query = "since" }]',
)
CURSOR = Field("cursor", Text(), "The path of the next page's token in the answer.", 'cursor = "next"', to="at")
CURSOR_HEADER = Field(
    "cursor_header",
    Text(),
    "The header of the answer with the next page's token.",
    'cursor_header = "X-Next"',
    to="from_header",
)
PAGE_SIZE_NAME = Field(
    "size_name",
    Text(),
    "The query parameter, or path in the JSON body, with the page size; halved if the first page is too "
    "large. Later pages keep that size, since a token may be the number of a page.",
    'size_name = "_size"',
)
ALONE = Field(
    "alone",
    Flag(),
    "Whether later requests have no parameter, and no field in the body, but the token and `also`.",
    "alone = true",
)
NEXT_PATH = Field(
    "next_path",
    PathText(),
    "The path of all later requests, below the API's url, where it is another one.",
    'next_path = "/search/scroll"',
)
TOKEN_END = Field(
    "end",
    ListOf(Choice(END_WORDS)),
    f"{END.doc[:-1]}, zero (the token 0), null (the text null, in a header).",
    'end = ["flag"]',
)
PAGE_INFO = Field(
    "page_info",
    Text(),
    "The path of a GraphQL connection's `pageInfo`, with its `endCursor` and `hasNextPage`.",
    'page_info = "data.orders.pageInfo"',
    to="at",
)
VARIABLE = Field("variable", Text(), "The variable of the query that takes the cursor.", 'variable = "after"')
PAGE_INFO_PAGES = TableShape("Pages of a GraphQL connection.", PAGE_INFO, VARIABLE)


def page_info_cursor(at: str, variable: str = "after") -> Cursor:
    """`endCursor` is there on the last page too: the flag alone counts."""
    return Cursor(f"{at}.endCursor", body=f"{VARIABLES}{variable}", more=f"{at}.hasNextPage", end=("flag",))


_TOKEN_FIELDS = (QUERY, BODY, HEADER, MORE, DONE, ALSO, ALONE, NEXT_PATH, PAGE_SIZE_NAME, TOKEN_END, MISSING)
CURSOR_PAGES = TableShape("Pages by a token that comes with each page.", CURSOR, *_TOKEN_FIELDS)
CURSOR_HEADER_PAGES = TableShape("Pages by a token that comes in a header.", CURSOR_HEADER, *_TOKEN_FIELDS)


OFFSET = Field(
    "offset", Text(), "The parameter with the number of records to skip.", 'offset = "offset"', to="offset_name"
)
LIMIT = Field("limit", WholeNumber(), "The number of records that a page should have.", "limit = 100")
LIMIT_NAME = Field("limit_name", Text(), "The parameter with the limit.", 'limit_name = "limit"')
START = Field("start", WholeNumber(0), "The offset of the first page.", "start = 1")
OVERLAP = Field(
    "overlap",
    WholeNumber(0),
    "The number of records that are asked for again, to see whether the list moved.",
    "overlap = 1",
)
ADVANCE = Field(
    "advance",
    Choice(("received", "limit")),
    "What the offset grows by: the records that came (servers lower limits), or the limit, where the API "
    "removes rows from a page after it was cut, such as those that you may not see.",
    'advance = "limit"',
)
EMPTY_PAGES = Field(
    "empty_pages",
    WholeNumber(),
    "The number of empty pages in a row that end the list, where no flag and no total does: all rows of a "
    "page may be hidden. With 1, no request looks behind an empty page.",
    "empty_pages = 3",
)
PARALLEL = Field(
    "parallel",
    Flag(),
    "Whether the pages of one item are asked for side by side, as many as `in_flight` and other items leave. Needs a "
    "`total` that is exact, or a bound.",
    "parallel = true",
    to="is_parallel",
)
OFFSET_PAGES = TableShape(
    "Pages by offset: the number of records before them.",
    OFFSET,
    LIMIT,
    LIMIT_NAME,
    START,
    IN,
    MORE,
    DONE,
    FLAG_MISSING,
    OVERLAP,
    ADVANCE,
    EMPTY_PAGES,
    PARALLEL,
)


PAGE = Field("page", Text(), "The parameter with the number of the page.", 'page = "page"', to="name")
FIRST = Field("first", WholeNumber(0), "The number of the first page.", "first = 0", to="first_number")
SIZE = Field("size", WholeNumber(), "The number of records that a page should have.", "size = 100")
SIZE_NAME = Field("size_name", Text(), "The parameter with the page size.", 'size_name = "per_page"')
PAGES_AT = Field("pages", Text(), "The path of the number of pages in the answer.", 'pages = "meta.total_pages"')
PAGES_HEADER = Field("pages_header", Text(), "The header with the number of pages.", 'pages_header = "X-Total-Pages"')
END_STATUS = Field("end_status", WholeNumber(400), "The status of a page past the last one.", "end_status = 400")
END_TEXT = Field("end_text", Text(), "Text in the body of that answer.", 'end_text = "rest_post_invalid_page_number"')
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
    FLAG_MISSING,
    END_STATUS,
    END_TEXT,
    EMPTY_PAGES,
    PARALLEL,
)


SEEK = Field("seek", Text(), "The path of the sort key in a record.", 'seek = "id"', to="key")
TEMPLATE = Field(
    "template", Text(), "The text that is sent; {key} is the last record's key.", 'template = "sys_id>{key}"'
)
SEEK_SIZE_NAME = Field(
    "size_name",
    Text(),
    "The query parameter, or path in the JSON body, with the page size; halved if a page is too large.",
    'size_name = "limit"',
)
INCLUSIVE = Field(
    "inclusive",
    Flag(),
    "Whether the next page begins with the records of the last key; keys need not be unique then.",
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
    FLAG_MISSING,
    INCLUSIVE,
    SEEK_SIZE_NAME,
)


NEXT_URL = Field(
    "next_url", Text(), "The path of the next page's address in the answer.", 'next_url = "links.next"', to="at"
)
NEXT_URL_HEADER = Field(
    "next_url_header",
    Text(),
    "The header with the next page's address.",
    'next_url_header = "X-Next-Url"',
    to="from_header",
)
LINK_ORIGIN = Field(
    "link_origin",
    Choice(LINK_ORIGIN_WORDS),
    "own: path and query of a link are asked for at the origin of the API's url, whatever host and scheme it names, as "
    "behind a proxy that links know nothing of. Without it a link to another origin is refused.",
    'link_origin = "own"',
)
LINK_BASE = Field(
    "link_base",
    Choice(LINK_BASE_WORDS),
    "api: path and query of a link go behind the API's url, as where a proxy adds a prefix that links lack. Without "
    "it a link is relative to the page that it stands on.",
    'link_base = "api"',
)
_LINK_FIELDS = (END, MISSING, KEEP_QUERY, LINK_ORIGIN, LINK_BASE)
NEXT_URL_PAGES = TableShape("Pages by the address of the next one.", NEXT_URL, MORE, DONE, *_LINK_FIELDS)
NEXT_URL_HEADER_PAGES = TableShape(
    "Pages by the address of the next one, in a header.", NEXT_URL_HEADER, MORE, DONE, *_LINK_FIELDS
)


LINK = Field("link", Text(), "The relation of the next page in the Link header.", 'link = "next"', to="rel")
END_IF = Field(
    "end_if",
    Text(),
    "An attribute of the link which says that the page behind it is empty.",
    "end_if = 'results=\"false\"'",
)
LINK_PAGES = TableShape("Pages by the Link header.", LINK, END_IF, *_LINK_FIELDS)


CONTINUE = Field(
    "continue",
    Text(),
    "The path of an object whose keys are query parameters of the next request, all of them, whichever they are.",
    'continue = "continue"',
    to="at",
)
CONTINUE_PAGES = TableShape("Pages by an object of parameters that goes back whole (MediaWiki).", CONTINUE, MISSING)


LINKS = Field("links", Text(), "The path of the list of links in the answer.", 'links = "links"', to="at")
REL = Field("rel", Text(), "The relation of the next page.", 'rel = "next"')
REL_AT = Field("rel_at", Text(), "The path of the relation in a link.", 'rel_at = "relation"')
URL_AT = Field("url_at", Text(), "The path of the address in a link.", 'url_at = "url"')
BODY_AT = Field(
    "body_at", Text(), "The path in a link of the JSON body of the next request (STAC by POST).", 'body_at = "body"'
)
MERGE_AT = Field(
    "merge_at",
    Text(),
    "The path in a link of a flag: where it is true, that body is put into the one that was sent.",
    'merge_at = "merge"',
)
LINKS_END_IF = Field(
    "end_if",
    Text(),
    "A value in the link which says that the page behind it is empty.",
    "end_if = 'results=\"false\"'",
)
LINKS_PAGES = TableShape(
    "Pages by a list of links, each with its relation.",
    LINKS,
    REL,
    REL_AT,
    URL_AT,
    BODY_AT,
    MERGE_AT,
    LINKS_END_IF,
    *_LINK_FIELDS,
)


ODATA = Field(
    "odata",
    Choice(("v4", "v3", "v2")),
    "The version of OData, which is asked for; `v4` is also 4.01.",
    'odata = "v4"',
    to="version",
)
PAGE_SIZE = Field("page_size", WholeNumber(), "The number of records that the server is asked for.", "page_size = 500")
NESTED = Field(
    "nested",
    Choice(("cut",)),
    "Declares that lists inside records ($expand) may be cut by the server. Such a list has a next link of "
    "its own, which is not followed; it is an error unless this is given.",
    'nested = "cut"',
)
ODATA_PAGES = TableShape("Pages by OData's next link.", ODATA, PAGE_SIZE, *_LINK_FIELDS, NESTED)


SINGLE = Field(
    "single",
    NamedValue({"may be full": True}),
    "Declares that a page may have as many records as the request asks for, and no more are wanted.",
    'single = "may be full"',
    to="may_be_full",
)
SINGLE_PAGES = TableShape("All records in one page.", SINGLE)


WORDS: dict[str, Paginator] = {"single": Single(), "link": LinkHeader(), "odata": OData()}
"""Kinds of paging that need no more than their name."""
TABLES: dict[str, TableOf[Paginator]] = {
    "cursor": TableOf(CURSOR_PAGES, Cursor),
    "cursor_header": TableOf(CURSOR_HEADER_PAGES, Cursor),
    "continue": TableOf(CONTINUE_PAGES, Continuation),
    "page_info": TableOf(PAGE_INFO_PAGES, page_info_cursor),
    "offset": TableOf(OFFSET_PAGES, Offset),
    "page": TableOf(PAGE_PAGES, PageNumber),
    "seek": TableOf(SEEK_PAGES, Seek),
    "next_url": TableOf(NEXT_URL_PAGES, NextUrl),
    "next_url_header": TableOf(NEXT_URL_HEADER_PAGES, NextUrl),
    "link": TableOf(LINK_PAGES, LinkHeader),
    "links": TableOf(LINKS_PAGES, LinkList),
    "single": TableOf(SINGLE_PAGES, Single),
    "odata": TableOf(ODATA_PAGES, OData),
}
"""Kinds of paging by the key that tells them."""


class PagesKind:
    """The word of a kind of paging, or a table with a key that tells the kind."""

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
    near = nearest(text, [*WORDS, *TABLES])
    raise place.error(f"{show(value)} is not a kind of paging.", suggest(text, [near]) if near else _REMEDY)
