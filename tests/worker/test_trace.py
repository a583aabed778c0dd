"""The traceback of a failed item: the person's own lines, none of haulier's."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from haulier.api.errors import Action, ApiError
from haulier.api.records.page import split_records
from haulier.api.records.paths import raw_at
from haulier.errors import ItemError
from haulier.items.ranges import IdRange
from haulier.worker.trace import trace_of


def raised(does: Callable[[], object]) -> Exception:
    try:
        does()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error
    raise AssertionError


def own() -> None:
    raise KeyError("customer")


def through_ours() -> None:
    split_records(b"[]", "rows")


def test_what_a_processor_raises_keeps_its_lines() -> None:
    trace = trace_of(raised(own))
    assert 'raise KeyError("customer")' in trace
    assert trace.endswith("KeyError: 'customer'\n")


def test_the_lines_of_haulier_between_and_behind_are_left_out() -> None:
    """The line that called is the person's to correct; where haulier noticed it tells them nothing."""
    trace = trace_of(raised(through_ours))
    assert 'split_records(b"[]", "rows")' in trace
    assert "api/records/page.py" not in trace

    def chained() -> None:
        try:
            raw_at(b"{", "rows")
        except msgspec.DecodeError as error:
            raise ValueError("no") from error

    trace = trace_of(raised(chained))
    assert 'raw_at(b"{", "rows")' in trace
    assert "api/records/paths.py" not in trace
    assert trace.endswith("ValueError: no\n")


def test_an_answer_of_the_api_needs_no_traceback() -> None:
    """Method, address, status and excerpt say it; whoever asked is no mistake."""

    def asks() -> None:
        raise ApiError("GET /: status 404", action=Action.POISON, status=404)

    assert trace_of(raised(asks)) == ""
    assert trace_of(ItemError("no processor had a part in it")) == ""
    assert trace_of(None) == ""


def test_a_fault_of_ours_keeps_its_lines() -> None:
    """A report of it needs them."""
    error = raised(lambda: IdRange(1, 2, None))  # type: ignore[call-arg]
    error.__traceback__ = None
    assert trace_of(error).startswith("TypeError")
