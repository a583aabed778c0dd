"""Paging by a list of links in the body, each with its relation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec
from msgspec import Raw

from haulier.api.errors import PagingError
from haulier.api.paging.declared_end import End, check_words
from haulier.api.paging.kept_query import UNSAID_IS_FALSE
from haulier.api.paging.link_address import LinkBase, LinkOrigin, check_link_words
from haulier.api.paging.link_header import attribute_error, attribute_of, check_attribute, is_value
from haulier.api.paging.links import follow
from haulier.api.paging.paginator import NO_TOKEN_VALUES, PageAnswer, PageRequest, text_of_raw
from haulier.api.paging.positions import CHECKS_ONLY, Missing
from haulier.api.records.next_sign import SignReport, onward_relation
from haulier.api.records.paths import check_path, describe, first_byte, raw_at
from haulier.errors import UsageError


@dataclass(frozen=True, slots=True)
class LinkList:
    """Paging by a list of links in the body: ``LinkList("links")`` for `[{"rel": "next", "href": ...}]`, as of OGC API
    and STAC; ``LinkList("link", rel_at="relation", url_at="url")`` for FHIR.

    Ends where no link has the relation ``rel``, where its address is null or "", or as ``end`` says. Two of them raise
    `PagingError`.
    """

    at: str
    """Path of the list."""
    rel: str = "next"
    rel_at: str = "rel"
    """Path of the relation in a link: text, or a list of texts."""
    url_at: str = "href"
    """Path of the address in a link."""
    body_at: str = ""
    """Path in a link of the JSON body to send (STAC's searches by POST); where ``merge_at`` is true, it is put into the
    body of the request before."""
    merge_at: str = ""
    end: tuple[End, ...] = ()
    """As `Cursor.end`, without "flag"."""
    end_if: str = ""
    """As `LinkHeader.end_if`: a value in the link."""
    missing: Missing = field(default="", metadata=CHECKS_ONLY)
    """As `Cursor.missing`."""
    keep_query: bool | None = field(default=None, metadata=UNSAID_IS_FALSE)
    """As `NextUrl.keep_query`."""
    link_origin: LinkOrigin = ""
    """As `NextUrl.link_origin`."""
    link_base: LinkBase = ""
    """As `NextUrl.link_base`."""

    def __post_init__(self) -> None:
        check_words(self.end, self.missing)
        check_link_words(self.link_origin, self.link_base)
        check_attribute(self.end_if)
        for path in (self.at, self.rel_at, self.url_at):
            check_path(path)
        if "flag" in self.end:
            raise UsageError("A list of links has no flag. Name a value in the link: end_if = 'results=\"false\"'.")
        if self.merge_at and not self.body_at:
            raise UsageError('`merge_at` says what becomes of the body in a link. Name its path: body_at = "body".')

    def first(self, request: PageRequest) -> PageRequest:
        return request

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        links = self._links(answer)
        relations = [self._relations(link) for link in links]
        found = [link for link, names in zip(links, relations, strict=True) if self.rel.lower() in names]
        if len(found) > 1:
            raise PagingError(
                f"{len(found)} links at {self.at!r} have the relation {self.rel!r}, and only one can be right."
            )
        if not found:
            if links and not any(relations):
                raise PagingError(
                    f"no link at {self.at!r} has a relation at {self.rel_at!r}: the first is {describe(links[0])}. "
                    "Correct `rel_at` in `pages`."
                )
            if not self.missing:
                answer.note_lack(self._lack(answer, links, relations))
            return None
        answer.sign_reports.append(SignReport(self._sign))
        link = found[0]
        url = raw_at(link, self.url_at)
        if url is not None and bytes(url) in NO_TOKEN_VALUES:
            return None  # As `NextUrl` takes it: the link is there, and says that nothing follows.
        if self._is_ended_by(link):
            return None
        if url is None or first_byte(url) != b'"':
            lack = "nothing" if url is None else describe(url)
            raise PagingError(
                f"the link {self.rel!r} at {self.at!r} has {lack} at {self.url_at!r}, where its address should be; it "
                f"is {describe(link)}. Correct `url_at` in `pages`."
            )
        following = follow(self, request, text_of_raw(url, self.url_at), answer)
        return following if following is None or not self.body_at else self._with_body(following, link)

    def _links(self, answer: PageAnswer) -> list[Raw]:
        raw = answer.raw(self.at)
        if raw is None:
            return []
        if first_byte(raw) != b"[":
            raise PagingError(
                f"expected a list of links at {self.at!r}, found {describe(raw)}. Where an object has a link for each "
                f'relation, write its path: pages = {{ next_url = "{self.at}.{self.rel}" }}.'
            )
        links = msgspec.json.decode(raw, type=list[Raw])
        if wrong := [link for link in links if first_byte(link) != b"{"]:
            raise PagingError(f"expected links at {self.at!r} that are objects, found {describe(wrong[0])}")
        return links

    def _relations(self, link: Raw) -> tuple[str, ...]:
        raw = raw_at(link, self.rel_at)
        if raw is None or bytes(raw) == b"null":
            return ()
        names = msgspec.json.decode(raw, type=list[Raw]) if first_byte(raw) == b"[" else [raw]
        return tuple(text_of_raw(name, self.rel_at).lower() for name in names)

    def _lack(self, answer: PageAnswer, links: Iterable[Raw], relations: Iterable[Iterable[str]]) -> SignReport:
        names = list(dict.fromkeys(name for each in relations for name in each))
        instead = f"its relations are {', '.join(names)}" if names else "the list is empty"
        if answer.body.raw(self.at) is None:
            instead = answer.body.explain_missing(self.at)
        lack = f"no link at {self.at!r} has the relation {self.rel!r}"
        return SignReport(
            self._sign, lack, instead, elsewhere=onward_relation(self.rel, names) or self._lists_beside(answer)
        )

    def _lists_beside(self, answer: PageAnswer) -> tuple[str, ...]:
        """Lists whose links have the relation, where there is none at its path."""
        if answer.body.raw(self.at) is not None:
            return ()
        _, members = answer.body.keys_beside(self.at)
        lists = {key: value for key, value in members.items() if "link" in key.lower() and first_byte(value) == b"["}
        return tuple(key for key, value in lists.items() if self.rel.lower() in self._relations_in(value))

    def _relations_in(self, links: Raw) -> set[str]:
        found = [link for link in msgspec.json.decode(links, type=list[Raw]) if first_byte(link) == b"{"]
        return {name for link in found for name in self._relations(link)}

    @property
    def _sign(self) -> str:
        return f"the link {self.rel!r} at {self.at!r}"

    def _is_ended_by(self, link: Raw) -> bool:
        if not self.end_if:
            return False
        raw = raw_at(link, attribute_of(self.end_if))
        if raw is None and "empty page" not in self.end:
            names = msgspec.json.decode(link, type=dict[str, Raw])
            raise attribute_error(self.end_if, f"the link {self.rel!r} at {self.at!r}", names)
        return raw is not None and is_value(self.end_if, bytes(raw).decode().strip('"'))

    def _with_body(self, following: PageRequest, link: Raw) -> PageRequest:
        raw = raw_at(link, self.body_at)
        if raw is None or first_byte(raw) != b"{":
            lack = "nothing" if raw is None else describe(raw)
            raise PagingError(
                f"the link {self.rel!r} at {self.at!r} has {lack} at {self.body_at!r}, where the body of the next "
                "request should be. Correct `body_at` in `pages`."
            )
        # Slices would keep their whole page alive.
        body = {name: value.copy() for name, value in msgspec.json.decode(raw, type=dict[str, Raw]).items()}
        merges = raw_at(link, self.merge_at) if self.merge_at else None
        if merges is not None and bytes(merges) == b"true" and isinstance(following.json, Mapping):
            body = {**following.json, **body}
        return replace(following, json=body)
