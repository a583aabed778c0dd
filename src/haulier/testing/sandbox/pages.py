"""The ways in which real APIs lead from page to page, all over the same records: [from_id, to_id), in order."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from urllib.parse import urlencode

from haulier.testing.sandbox.data import events_start, rank_of, rank_since, time_at
from haulier.testing.sandbox.drift import Drift
from haulier.testing.sandbox.listing import Listing, Page, id_span, make_listing, page_at, page_from, reorder
from haulier.testing.sandbox.question import BadQuestionError, Question, read_graphql, read_search, read_whole_number
from haulier.testing.sandbox.settings import SandboxSettings
from haulier.testing.sandbox.tokens import read_cursor, read_token, write_cursor, write_token
from haulier.testing.sandbox.wire import Answer

NEXT_HEADER = "X-Next-Token"
PAGE_SIZE_PREFERENCE = re.compile(r"odata\.maxpagesize *= *(\d{1,9})", re.ASCII)
_FILTER = re.compile(r"id (ge|lt) (\d{1,18})", re.ASCII)


def by_cursor(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    listing = make_listing(settings, drift, *id_span(settings, question))
    return cursor_page(listing, question, "items", question.query.get("cursor"))


def by_search(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    question, cursor = read_search(question)
    listing = make_listing(settings, drift, *id_span(settings, question))
    return cursor_page(listing, question, "search", cursor, sign=b"cursor")


def by_graphql(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    """Answer a connection, with all fields whatever the query selects; another query has errors, under status 200."""
    question, query, cursor = read_graphql(question)
    if re.search(r"\bitems\b", query) is None:
        return Answer(
            200,
            b'{"errors":[{"message":"There is no other field than items.",'
            b'"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}',
        )
    listing = make_listing(settings, drift, *id_span(settings, question))
    page, gave = _bound_page(listing, question, "graphql", cursor)
    end = gave or write_cursor(page.ranks[0] if page.ranks else listing.last, _bound(listing, "graphql"))
    info = b'"pageInfo":{"endCursor":"%s","hasNextPage":%s}' % (end, b"true" if gave else b"false")
    after = b'],%s,"totalCount":%d}}}' % (info, listing.promised)
    return page.answer(b'{"data":{"items":{"nodes":[', after, took=cursor, gave=gave)


def by_offset(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    return _offset_page(make_listing(settings, drift, *id_span(settings, question)), question)


def events(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    end = time_at(settings, settings.records + settings.events_per_step)
    first = rank_since(settings, question.time("since", events_start(settings)))
    listing = make_listing(settings, drift, first, rank_since(settings, question.time("until", end)))
    if "offset" in question.query:
        return _offset_page(listing, question)
    return cursor_page(listing, question, "events", question.query.get("cursor"))


def by_token(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    """Page as Google does: the last page has no token."""
    listing = make_listing(settings, drift, *id_span(settings, question))
    token = question.query.get("pageToken")
    page, gave = _bound_page(listing, question, "token", token)
    told = gave or _repeat_token(settings, token)
    sign = b',"nextPageToken":"%s"' % told if told else b""
    return page.answer(b'{"items":[', b']%s,"total":%d}' % (sign, listing.promised), took=token, gave=gave)


def by_header_token(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    listing = make_listing(settings, drift, *id_span(settings, question))
    token = question.header(NEXT_HEADER.lower()) or question.query.get("token")
    page, gave = _bound_page(listing, question, "header token", token)
    headers = ((NEXT_HEADER.encode(), gave),) if gave else ()
    after = b'],"total":%d}' % listing.promised
    return page.answer(b'{"items":[', after, headers=headers, took=token, gave=gave)


def by_link(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    """Page as GitHub does: the body is an array, and the links have page numbers."""
    listing = make_listing(settings, drift, *id_span(settings, question))
    limit = question.limit(settings)
    number = max(1, question.whole_number("page", 1))
    page = page_at(listing, (number - 1) * limit, limit)
    pages = max(1, -(-listing.rows // limit))
    has_more = page.following is not None
    targets = {"next": number + 1, "last": pages} if has_more or settings.is_link_endless else {}
    quote = {"double": '"', "single": "'", "none": ""}[settings.link_quotes]
    results = f'; results="{str(has_more).lower()}"' if settings.is_link_endless else ""
    dropped = ("from_id", "to_id") if settings.is_filter_dropped else ()
    links = [
        f"<{_link(settings, question, *dropped, page=target)}>; rel={quote}{rel}{quote}"
        f"{results if rel == 'next' else ''}"
        for rel, target in targets.items()
    ]
    headers = [(b"X-Total-Count", b"%d" % listing.promised)]
    if links:
        headers.append((b"Link", ", ".join(links).encode()))
    return page.answer(b"[", b"]", headers=tuple(headers))


def by_next_url(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    """Page by an absolute link that repeats the whole query."""
    listing = make_listing(settings, drift, *id_span(settings, question))
    cursor = question.query.get("cursor")
    page, gave = _bound_page(listing, question, "next url", cursor)
    link = b'"%s"' % _link(settings, question, cursor=gave.decode()).encode() if gave else b"null"
    after = b'],"links":{"next":%s},"total":%d}' % (link, listing.promised)
    return page.answer(b'{"items":[', after, took=cursor, gave=gave)


def by_link_list(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    """Page as STAC does: the body has a list of links, of which the last page has no next one."""
    listing = make_listing(settings, drift, *id_span(settings, question))
    cursor = question.query.get("cursor")
    page, gave = _bound_page(listing, question, "link list", cursor)
    links = [{"rel": "self", "href": _link(settings, question)}]
    if gave:
        links.append({"rel": "next", "href": _link(settings, question, cursor=gave.decode())})
    after = b'],"links":%s,"total":%d}' % (json.dumps(links).encode(), listing.promised)
    return page.answer(b'{"items":[', after, took=cursor, gave=gave)


def by_continue(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    """Page as MediaWiki does: an object of parameters, of which one comes and goes, and all must come back."""
    listing = make_listing(settings, drift, *id_span(settings, question))
    cursor, place = question.query.get("cursor"), question.query.get("place")
    is_whole = cursor is None or question.query.get("continue") == "-||"
    if not is_whole or (place is not None) is not (cursor is not None and _has_place(cursor)):
        raise BadQuestionError("Send every key of `continue` back, and no key of an earlier one.")
    page, gave = _bound_page(listing, question, "continue", cursor)
    told = {"cursor": gave.decode(), **({"place": len(gave)} if _has_place(gave.decode()) else {}), "continue": "-||"}
    sign = b',"continue":%s' % json.dumps(told).encode() if gave else b""
    return page.answer(b'{"items":[', b']%s,"total":%d}' % (sign, listing.promised), took=cursor, gave=gave)


def _has_place(cursor: str) -> bool:
    return sum(cursor.encode()) % 2 == 1


def by_relative_url(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    """Page as Salesforce does: the link is relative, and nothing may be added to its query."""
    token = question.query.get("locator")
    if token is None:
        first, last = id_span(settings, question)
        start, limit = first, question.limit(settings)
    else:
        question.refuse_others("locator", "api_key")
        start, first, last, limit = read_token(token, 4, settings.seed)
    listing = make_listing(settings, drift, first, last)
    page = page_from(listing, start, limit)
    gave = _own_query(page, limit)
    link = b',"nextRecordsUrl":"%s?locator=%s"' % (question.path.encode(), gave) if gave else b""
    after = b'],"done":%s%s,"totalSize":%d}' % (b"false" if gave else b"true", link, listing.promised)
    return page.answer(b'{"records":[', after, took=token, gave=gave)


def by_page(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    """Page as WordPress does: a header has the number of pages, and a page past the end is a 400."""
    listing = make_listing(settings, drift, *id_span(settings, question))
    limit = question.limit(settings, "per_page")
    number = question.whole_number("page", 1)
    pages = -(-listing.rows // limit)
    if not 1 <= number <= max(1, pages):
        message = f"Page {number} does not exist: the query has {pages} pages, numbered from 1."
        raise BadQuestionError(message, code="invalid_page_number")
    headers = ((b"X-Total", b"%d" % listing.promised), (b"X-Total-Pages", b"%d" % pages))
    after = b'],"page":%d,"per_page":%d,"pages":%d}' % (number, limit, pages)
    return page_at(listing, (number - 1) * limit, limit).answer(b'{"items":[', after, headers=headers)


def by_seek(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    listing = make_listing(settings, drift, *id_span(settings, question))
    after_id = question.query.get("after_id")
    start = listing.first
    if after_id is not None:
        start = max(start, rank_of(settings, read_whole_number("after_id", after_id) + 1))
    page = page_from(listing, start, question.limit(settings))
    has_more = b"false" if page.following is None else b"true"
    return page.answer(b'{"items":[', b'],"has_more":%s,"total":%d}' % (has_more, listing.promised))


def by_odata(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    """Page as OData v4 does: `$filter=id ge 1 and id lt 1001` or from_id and to_id; `$top` limits the rows of all
    pages, `Prefer` sizes pages."""
    token = question.query.get("$skiptoken")
    preference = PAGE_SIZE_PREFERENCE.search(question.header("prefer") or "")
    if token is None:
        first, last = id_span(settings, _apply_filter(question))
        limit = replace(question, query={"limit": preference[1]}).limit(settings) if preference else settings.page_size
        start, top, is_counted = (
            first,
            question.whole_number("$top", settings.records),
            question.query.get("$count") == "true" or question.query.get("$inlinecount") == "allpages",
        )
    else:
        question.refuse_others("$skiptoken", "api_key")
        start, first, last, limit, top, counted = read_token(token, 6, settings.seed)
        is_counted = bool(counted)
    listing = make_listing(settings, drift, first, last)
    skip = listing.rows_before(min(start, listing.last))
    page = page_at(listing, skip, min(limit, max(0, top - skip)))
    is_last = page.following is None or skip + len(page.ranks) >= top
    gave = b"" if is_last else _own_query(page, limit, top, int(is_counted))
    link = b"%s%s?$skiptoken=%s" % (question.origin.encode(), question.path.encode(), gave)
    if settings.odata_version == "2.0":
        before = b'{"d":{"__count":"%d","results":[' % listing.promised if is_counted else b'{"d":{"results":['
        after = b"]%s}}" % (b',"__next":"%s"' % link if gave else b"")
        headers = ((b"DataServiceVersion", b"2.0"),)
        cut = b',"parts":{"results":[{"n":1}],"__next":"%s/odata/items/parts"}' % question.origin.encode()
        within = cut if settings.is_expand_cut else b""
        return page.answer(before, after, headers=headers, took=token, gave=gave, within=within)
    prefix = {"4.0": b"@odata.", "4.01": b"@", "3.0": b"odata."}[settings.odata_version]
    link = b',"%snextLink":"%s"' % (prefix, link)
    count = b',"%scount":%d' % (prefix, listing.promised) if is_counted else b""
    context = b"odata.metadata" if prefix == b"odata." else b"%scontext" % prefix
    before = b'{"%s":"$metadata#items"%s,"value":[' % (context, count)
    headers = ((b"OData-Version", settings.odata_version.encode()),)
    cut = b',"parts":[{"n":1}],"parts@%snextLink":"%s/odata/items/parts"' % (
        prefix.removeprefix(b"@"),
        question.origin.encode(),
    )
    within = cut if settings.is_expand_cut else b""
    return page.answer(before, b"]%s}" % (link if gave else b""), headers=headers, took=token, gave=gave, within=within)


def cursor_page(
    listing: Listing, question: Question, route: str, cursor: str | None, *, sign: bytes = b"next"
) -> Answer:
    page, gave = _bound_page(listing, question, route, cursor)
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if listing.settings.is_end_in_header and not gave:
        headers, gave = (
            ((b"X-Last-Page", b"true"),),
            write_cursor(page.ranks[0] if page.ranks else listing.last, _bound(listing, route)),
        )
    last = _repeat_token(listing.settings, cursor)
    told = b'"%s"' % (gave or last) if gave or last else b"null"
    after = b'],"%s":%s,"total":%d}' % (sign, told, listing.promised)
    return page.answer(b'{"items":[', after, headers=headers, took=cursor, gave=gave)


def _repeat_token(settings: SandboxSettings, token: str | None) -> bytes:
    return token.encode() if settings.is_token_repeated and token is not None else b""


def _bound_page(listing: Listing, question: Question, route: str, cursor: str | None) -> tuple[Page, bytes]:
    limit = question.limit(listing.settings)
    bound = _bound(listing, route)
    page = page_from(listing, listing.first if cursor is None else read_cursor(cursor, bound), limit)
    return page, b"" if page.following is None else write_cursor(page.following, bound)


def _bound(listing: Listing, route: str) -> str:
    return f"{route} {listing.first} {listing.last} {listing.settings.seed}"


def _offset_page(listing: Listing, question: Question) -> Answer:
    """Answer a page by offset, with the limit that was really used, as good APIs do."""
    limit = question.limit(listing.settings)
    offset = question.whole_number("offset", 0)
    after = b'],"offset":%d,"limit":%d,"total":%d%s}' % (offset, limit, listing.promised, listing.relation)
    page = page_at(listing, offset, limit)
    if listing.settings.is_sort_unstable and question.path == "/events":
        page = replace(page, ranks=reorder(listing, page.ranks, offset // limit))
    return page.answer(b'{"items":[', after)


def by_lines(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    """A record a line (NDJSON), by offset; the total stands in a header, and an empty page is an empty line."""
    listing = make_listing(settings, drift, *id_span(settings, question))
    page = page_at(listing, question.whole_number("offset", 0), question.limit(settings))
    total = (b"X-Total-Count", b"%d" % listing.promised)
    return page.answer(b"", b"\n", headers=(total,), between=b"\n")


def _own_query(page: Page, *numbers: int) -> bytes:
    listing = page.listing
    if page.following is None:
        return b""
    return write_token((page.following, listing.first, listing.last, *numbers), listing.settings.seed)


def _link(settings: SandboxSettings, question: Question, *dropped: str, **changes: object) -> str:
    query = {name: value for name, value in question.query.items() if name not in ("api_key", *dropped)}
    return f"{settings.link_host or question.origin}{question.path}?{urlencode(query | changes)}"


def _apply_filter(question: Question) -> Question:
    text = question.query.get("$filter")
    if text is None:
        return question
    names = {"ge": "from_id", "lt": "to_id"}
    query = dict(question.query)
    for part in text.split(" and "):
        found = _FILTER.fullmatch(part.strip())
        if found is None:
            raise BadQuestionError(f"$filter has {part!r}; write 'id ge 1 and id lt 1001'.")
        query[names[found[1]]] = found[2]
    return replace(question, query=query)
