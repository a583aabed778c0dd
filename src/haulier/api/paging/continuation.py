"""Paging by an object of parameters that goes back whole (MediaWiki)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import msgspec
from msgspec import Raw

from haulier.api.errors import BodyError, PagingError
from haulier.api.paging.declared_end import check_words
from haulier.api.paging.paginator import PageAnswer, PageRequest, text_of_raw
from haulier.api.paging.positions import CHECKS_ONLY, Missing
from haulier.api.records.paths import check_path, describe, first_byte


@dataclass(frozen=True, slots=True)
class Continuation:
    """Paging by an object whose keys are parameters of the next request: ``Continuation("continue")`` (MediaWiki).

    All of them are sent, as text, beside those of the first request; what only the object before had is sent no more.
    Ends where the object is missing, null or empty.
    """

    at: str
    """Path of the object."""
    missing: Missing = field(default="", metadata=CHECKS_ONLY)
    """As `Cursor.missing`."""

    def __post_init__(self) -> None:
        check_path(self.at)
        check_words((), self.missing)

    def first(self, request: PageRequest) -> PageRequest:
        return request

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        found = answer.raw(self.at)
        if not self.missing:
            answer.note_sign(self.at, is_there=found is not None or answer.body.raw(self.at) is not None)
        if found is None:
            return None
        if first_byte(found) != b"{":
            raise PagingError(
                f"expected an object at {self.at!r}, whose keys are parameters of the next request, found "
                f'{describe(found)}. Where it is one token, write cursor = "{self.at}" in `pages`, and how it is sent.'
            )
        own = request.first_query if request.has_token else request.query
        following = replace(request, query=own, first_query=own, has_token=True)
        for name, value in msgspec.json.decode(found, type=dict[str, Raw]).items():
            if bytes(value) == b"null":
                continue  # Not there.
            try:
                text = text_of_raw(value, f"{self.at}.{name}")
            except BodyError as error:
                raise PagingError(f"{error}, which is a parameter of the next request") from None
            following = following.with_query(name, text)
        return following
