"""`[streams.NAME.incremental.feed]` and `if_changed`: runs that go on where the one before ended."""

from __future__ import annotations

from typing import Any

from haulier.api.paging.feed_pages import VALIDATORS, Feed
from haulier.config.fields import Field, TableReader, TableShape
from haulier.config.place import Place
from haulier.config.request_kinds import JsonPath, QueryPairs
from haulier.config.rules_table import answers
from haulier.config.value_kinds import Choice, NamedValue, TableBy, Text, errors_at
from haulier.config.values_table import VALUES_TABLE
from haulier.sources.prefixes import Prefixes
from haulier.sources.recipe import FeedRecipe, StreamRecipe

LINK = Field(
    "link",
    JsonPath(),
    "The path of the address, in the last page, with which the next run begins.",
    'link = "@odata.deltaLink"',
)
TOKEN = Field(
    "token",
    JsonPath(),
    "The path of the token with which the next run begins.",
    'token = "last_seq"',
)
TOKEN_HEADER = Field("header", Text(), "The header with that token.", 'header = "ETag"')
QUERY_NAME = Field("query", Text(), "The query parameter in which the token is sent.", 'query = "since"')
BODY_FIELD = Field("body", Text(), "The field of the JSON body in which the token is sent.", 'body = "cursor"')
PAGE = Field(
    "page",
    Choice(("last", "first")),
    "The page whose token counts. `first` where each page has the token of its own moment: a record that changes while "
    "later pages are read would else be left out.",
    'page = "first"',
)
FIRST = Field(
    "first",
    QueryPairs(),
    "Query parameters of the run that begins the feed, and of no other.",
    'first = { since = "now" }',
    to="begin",
)
FIRST_READS = Field(
    "first_reads",
    NamedValue({"all": True}),
    "Declares that the request with `first` reads all there is. Without it, a feed with `first` whose token has "
    "expired is an error, and does not begin anew.",
    'first_reads = "all"',
    to="begin_reads_all",
)
EXPIRED = Field(
    "expired",
    answers("An answer by which the API says that it does not go on."),
    "Answers by which the API says that it does not go on at the token, besides 410 and Microsoft Graph's words.",
    'expired = [{ status = 400, text = "invalid sync token" }]',
)
FEED_VALUES = Field("values", VALUES_TABLE, "A feed for each value of a list.", 'values = { list = ["inbox", "sent"] }')
FEED = TableShape(
    "One feed: the API tells with each answer where it goes on.",
    LINK,
    TOKEN,
    TOKEN_HEADER,
    QUERY_NAME,
    BODY_FIELD,
    PAGE,
    FIRST,
    FIRST_READS,
    EXPIRED,
    FEED_VALUES,
    one_of=("link", "token", "header"),
)

BY = Field("by", Choice(tuple(VALIDATORS)), "The header of the answer that tells its version.", 'by = "ETag"', True)
IF_CHANGED = TableShape("An answer that is read only where it has changed since the last run.", BY, FEED_VALUES)


def read_feed(table: TableReader) -> FeedRecipe:
    arguments: dict[str, Any] = table.arguments(LINK, TOKEN, TOKEN_HEADER, QUERY_NAME, BODY_FIELD, PAGE, EXPIRED)
    with errors_at(table.place):
        feed = Feed(**arguments)
    if FIRST_READS in table and FIRST not in table:
        raise table.place.error("`first_reads` is about `first`.", "Leave it out: without `first` all is read.")
    return _feed(feed, table, FIRST, FIRST_READS, FEED_VALUES)


def read_if_changed(table: TableReader) -> FeedRecipe:
    return _feed(Feed(header=table.need(BY), is_condition=True), table, FEED_VALUES)


def _feed(feed: Feed, table: TableReader, *fields: Field[Any]) -> FeedRecipe:
    recipe = FeedRecipe(feed, **table.arguments(*fields))
    if recipe.values is not None and recipe.values.join is not None:
        raise table.place.at("values").at("join").error("each value has a feed of its own.", "Leave `join` out.")
    if recipe.values is not None and isinstance(recipe.values.values, Prefixes) and recipe.values.values.longest:
        raise (table.place.at("values").at("prefixes").at("longest")).error(
            "a feed has one order, and is never divided.", "Leave `longest` out."
        )
    return recipe


def check_feed(recipe: StreamRecipe, pages: Any, place: Place) -> None:
    """`SourceFileError` where a feed does not fit the request of its stream, whose key `pages` has this value."""
    rule = recipe.incremental
    if not isinstance(rule, FeedRecipe):
        return
    feed, at = rule.feed, place.at("incremental").at("if_changed" if rule.feed.is_condition else "feed")
    if feed.is_condition and pages != "single" and "single" not in pages:
        raise place.at("pages").error(
            "`if_changed` asks about one answer, and these pages are several.", 'Write pages = "single", or use `feed`.'
        )
    if recipe.job is not None:
        raise at.error(
            "the answers of a feed tell where it goes on, and the result of a job does not.",
            "Write windows, or leave out `job`.",
        )
    if feed.body and recipe.method == "GET":
        raise at.at("body").error("a GET request has no body.", "Write `query`, or `post` in place of `get`.")
    own = {name for name, _ in (*recipe.query, *rule.query)}
    for name in (feed.query, *(name for name, _ in rule.begin)):
        if name in own:
            raise at.error(f"the stream's own query has the parameter {name!r} too.", "Keep it in one of the two.")


FEED_TABLE = TableBy(FEED, Feed, read_feed)
IF_CHANGED_TABLE = TableBy(IF_CHANGED, Feed, read_if_changed)
