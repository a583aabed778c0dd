"""Each kind of paging that haulier ships has decided about the hooks that nothing asks for (docs/adding.md)."""

from __future__ import annotations

import pytest

from haulier.api.paging.count_check import check_of
from haulier.api.paging.cursors import Seek
from haulier.api.paging.paginator import Paginator, is_counting
from haulier.api.paging.positions import Offset, PageNumber
from haulier.config.pages_table import TABLES, WORDS

SHIPPED = {type(kind) for kind in WORDS.values()} | {table.cls for table in TABLES.values()}
MADE: tuple[Paginator, ...] = (Offset(limit=100), PageNumber(size=100))
UNCHECKED: dict[type, str] = {}
"""Kinds that count places without a check of their count, with the reason."""


def test_every_kind_that_counts_is_checked_or_says_why_not() -> None:
    """A new one is read without a check, in silence: add it to `check_of`, or to the list above."""
    counting = {kind for kind in SHIPPED if getattr(kind, "is_counting", False)}
    assert counting == {type(made) for made in MADE} | UNCHECKED.keys()


@pytest.mark.parametrize("made", MADE, ids=lambda made: type(made).__name__)
def test_a_kind_that_counts_has_a_check(made: Paginator) -> None:
    assert is_counting(made)
    assert check_of(made) is not None


def test_a_kind_that_goes_with_the_list_has_none() -> None:
    assert not is_counting(Seek("id", query="after"))
    assert check_of(Seek("id", query="after")) is None
