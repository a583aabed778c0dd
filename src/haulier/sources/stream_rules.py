from __future__ import annotations

from dataclasses import dataclass, replace

from haulier.api.answers.judgement import Rule
from haulier.api.errors import Action
from haulier.api.paging.paginator import PageAnswer, PageRequest, Paginator

ABSENT = (Rule(Action.END, status=404), Rule(Action.END, status=410))
"""An absent list has no pages. For the first request only: later it would end a list too early."""

TOO_LONG = (Rule(Action.SPLIT, status=414),)
"""An address with joined values that is too long for the API: with half of them it is shorter."""


@dataclass(frozen=True, slots=True)
class Ruled:
    """Pages of another paginator, under rules that come ahead of the source's."""

    pages: Paginator
    rules: tuple[Rule, ...] = ()
    first_rules: tuple[Rule, ...] = ()
    """Rules for the first page alone, behind ``rules``."""

    @property
    def inner(self) -> Paginator:
        return self.pages

    def first(self, request: PageRequest) -> PageRequest:
        request = self.pages.first(request)
        return replace(request, end_rules=(*request.end_rules, *self.rules, *self.first_rules))

    def next(self, request: PageRequest, answer: PageAnswer) -> PageRequest | None:
        # A paginator changes the request that it is handed, so that rules of the page before would stay on it.
        following = self.pages.next(replace(request, end_rules=()), answer)
        return None if following is None else replace(following, end_rules=(*following.end_rules, *self.rules))


def with_rules(pages: Paginator, rules: tuple[Rule, ...], *, skips_absent: bool = False) -> Paginator:
    first_rules = ABSENT if skips_absent else ()
    return Ruled(pages, rules, first_rules) if rules or first_rules else pages
