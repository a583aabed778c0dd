"""A stream's own rules change what answers mean, and nothing about how its pages are watched."""

from __future__ import annotations

import pytest

from haulier.api.answers.judgement import Rule
from haulier.api.errors import Action, MovedError, PagingError
from haulier.api.paging.positions import Offset
from haulier.api.paging.totals import Total
from haulier.sources.stream_rules import with_rules
from tests.api.paging.rig import Asked, Reply, ids_of, rows, session_with

RULES = (Rule(Action.PAUSE, status=403),)


async def test_a_total_that_moves_is_seen_under_rules_too() -> None:
    """A list that was counted while it moved proves nothing, whatever rules the stream has."""

    def moving(asked: Asked) -> Reply:
        offset = asked.number("offset")
        return Reply({"items": rows(offset, offset + 10), "total": 40 if offset < 20 else 39})

    async with session_with(moving) as (api, _):
        pages = with_rules(Offset(limit=10), RULES)
        with pytest.raises(MovedError):
            await ids_of(api.pages("/items", pages=pages, records="items", total=Total("total")))


async def test_hidden_rows_are_seen_under_rules_too() -> None:
    def hiding(asked: Asked) -> Reply:
        offset, limit = asked.number("offset"), asked.number("limit")
        return Reply({"items": [row for row in rows(offset, min(offset + limit, 60)) if row["id"] % 5], "total": 60})

    async with session_with(hiding) as (api, _):
        pages = with_rules(Offset(limit=10), RULES, skips_absent=True)
        with pytest.raises(PagingError, match='advance = "limit"'):
            await ids_of(api.pages("/items", pages=pages, records="items"))
