"""What is asked for again, or fetched later: a feed of changes, and exports that are jobs."""

from __future__ import annotations

import re
from dataclasses import replace

from haulier.testing.sandbox.drift import Drift
from haulier.testing.sandbox.listing import Listing, id_span, make_listing, page_at
from haulier.testing.sandbox.question import BadQuestionError, Question, read_search
from haulier.testing.sandbox.settings import SandboxSettings
from haulier.testing.sandbox.wire import Answer

_EXPORT = re.compile(r"(\d{1,18})-(\d{1,18})", re.ASCII)


def by_feed(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    """The last page has the token of the next time. One beyond the records is not known any more."""
    start = question.whole_number("cursor", question.whole_number("since", 0))
    if start > settings.records:
        raise BadQuestionError("This token is too old.", 410, code="resyncRequired")
    page = page_at(make_listing(settings, drift, start, settings.records), 0, question.limit(settings))
    if page.following is None:
        return page.answer(b'{"items":[', b'],"sync":"%d"}' % settings.records)
    return page.answer(b'{"items":[', b'],"next":"%d"}' % page.following)


def start_export(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    first, end = id_span(settings, read_search(question)[0])
    name = b"%d-%d" % (first, end)
    return Answer(202, b'{"id":"%s"}' % name, headers=((b"Location", b"/exports/" + name),))


def export(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    count = _exported(settings, question, drift).total
    files = b'["/exports/%s/items"]' % question.parts[0].encode() if count else b"[]"
    return Answer(200, b'{"state":"done","count":%d,"files":%s}' % (count, files))


def export_file(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    listing = _exported(settings, question, drift)
    return page_at(listing, 0, max(1, listing.rows)).answer(b'{"items":[', b"]}")


def _exported(settings: SandboxSettings, question: Question, drift: Drift | None) -> Listing:
    named = _EXPORT.fullmatch(question.parts[0])
    if named is None:
        raise BadQuestionError(f"There is no export {question.parts[0]}.", 404)
    return make_listing(replace(settings, cap_rows=0), drift, int(named[1]), int(named[2]))
