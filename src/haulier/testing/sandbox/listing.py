"""A list of records that a client pages through, and its pages as bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from haulier.testing.sandbox.data import id_at, rank_of, record_at
from haulier.testing.sandbox.drift import Drift
from haulier.testing.sandbox.question import MAX_ID, BadQuestionError, Question
from haulier.testing.sandbox.setting_groups import EmptyAs
from haulier.testing.sandbox.settings import SandboxSettings
from haulier.testing.sandbox.wire import Answer, error

_LIST_KEY = re.compile(rb',?"\w+":\[$')


@dataclass(frozen=True, slots=True)
class Listing:
    """The existing records of ranks [first, last), in order."""

    settings: SandboxSettings
    drift: Drift | None
    first: int
    last: int

    @property
    def total(self) -> int:
        return self.rows_before(self.last)

    @property
    def promised(self) -> int:
        """The number of records that the API reports."""
        total = self.total + self.settings.total_extra
        return min(total, self.settings.total_cap or total)

    @property
    def relation(self) -> bytes:
        """The key that tells whether the total is exact, as search servers write it; empty if totals have no cap."""
        if not self.settings.total_cap:
            return b""
        return b',"relation":"%s"' % (b"gte" if self.total > self.settings.total_cap else b"eq")

    @property
    def rows(self) -> int:
        """The number of records that the API gives."""
        return min(self.total, self.settings.cap_rows or self.total)

    def rows_before(self, rank: int) -> int:
        return rank - self.first if self.drift is None else self.drift.count(self.first, rank)

    def ranks(self, skip: int, limit: int) -> Sequence[int]:
        start, stop = min(skip, self.rows), min(skip + limit, self.rows)
        if self.drift is None:
            return range(self.first + start, self.first + stop)
        return self.drift.ranks(self.first, self.last, start, stop - start)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing. ``following`` is the rank at which the next page begins; None on the last page."""

    listing: Listing
    skip: int
    ranks: Sequence[int]

    @property
    def following(self) -> int | None:
        if self.skip + len(self.ranks) >= self.listing.rows:
            return None
        return self.listing.first if self.listing.settings.is_cursor_stuck else self.ranks[-1] + 1

    def answer(
        self,
        before: bytes,
        after: bytes,
        *,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        took: str | None = None,
        gave: bytes = b"",
        within: bytes = b"",
        between: bytes = b",",
    ) -> Answer:
        """Render the records between ``before`` and ``after``, each with ``within`` at its end. A page with a failing
        record is an error."""
        settings, is_first_page = self.listing.settings, not self.skip
        if settings.failing_ids and any(id_at(settings, rank) in settings.failing_ids for rank in self.ranks):
            return replace(error(settings.failing_status, "Internal error."), is_first_page=is_first_page)
        shown = [rank for rank in self.ranks if not _is_hidden(settings, rank)]
        if not shown and settings.empty_as != "list":
            return replace(_empty(settings.empty_as, before, after, headers), is_first_page=is_first_page)
        texts = [_with(serve(settings, rank), within) for rank in shown]
        if between == b"\n":
            texts = [text.replace(b"\r", b"").replace(b"\n", b"") for text in texts]
        records = between.join(texts)
        following = None if self.following is None else (self.listing.first, self.ranks[-1] + 1)
        return Answer(
            200,
            before + records + after,
            is_first_page,
            headers=headers,
            took_token=(took or "").encode(),
            gave_token=gave,
            walk=following,
        )


def _with(record: bytes, more: bytes) -> bytes:
    return record[:-1] + more + b"}" if more else record


def _is_hidden(settings: SandboxSettings, rank: int) -> bool:
    rows = settings.hidden_rows
    return rows > 0 and rank % (settings.hidden_after + rows) >= settings.hidden_after


def _empty(kind: EmptyAs, before: bytes, after: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> Answer:
    """Render a page without records; ``before`` and ``after`` are the JSON around the list."""
    match kind:
        case "204":
            return Answer(204, b"", headers=headers)
        case "404":
            return error(404, "No records found.")
        case "absent" if before != b"[":
            before = _LIST_KEY.sub(b"", before)
            after = after.removeprefix(b"],") if before.endswith(b"{") else after.removeprefix(b"]")
            return Answer(200, before + after.removeprefix(b"]"), headers=headers)
        case _:
            value = {"null": b"null", "object": b"{}"}.get(kind, b"[]")
            return Answer(200, before.removesuffix(b"[") + value + after.removeprefix(b"]"), headers=headers)


def page_at(listing: Listing, skip: int, limit: int) -> Page:
    return Page(listing, skip, listing.ranks(skip, limit))


def page_from(listing: Listing, rank: int, limit: int) -> Page:
    return page_at(listing, listing.rows_before(min(rank, listing.last)), limit)


def reorder(listing: Listing, ranks: Sequence[int], turns: int) -> Sequence[int]:
    """Rotate, by ``turns``, the order of the records with equal time in a page."""
    step = listing.settings.events_per_step

    def turned(rank: int) -> int:
        first = rank - rank % step
        is_whole = listing.drift is None and listing.first <= first and first + step <= listing.last
        return first + (rank - first + turns) % step if is_whole else rank

    return [turned(rank) for rank in ranks]


def make_listing(settings: SandboxSettings, drift: Drift | None, first: int, last: int) -> Listing:
    """Make the listing of these ranks. `BadQuestionError` if it is longer than `cap_rows`."""
    listing = Listing(settings, drift, first, max(first, last))
    if 0 < settings.cap_rows < listing.total and not settings.is_cap_silent:
        message = f"The query has {listing.total} rows; at most {settings.cap_rows} can be read. Narrow the query."
        raise BadQuestionError(message, code="RESULT_WINDOW_TOO_LARGE")
    return listing


def id_span(settings: SandboxSettings, question: Question) -> tuple[int, int]:
    first = rank_of(settings, question.whole_number("from_id", 1))
    return first, max(first, rank_of(settings, question.whole_number("to_id", MAX_ID)))


def serve(settings: SandboxSettings, rank: int) -> bytes:
    """Render the record as it is sent: half of it if its id is in `unreadable_ids`."""
    record = record_at(settings, rank)
    if settings.unreadable_ids and id_at(settings, rank) in settings.unreadable_ids:
        return record[: len(record) // 2]
    return record
