"""What failed in a run, for people: it is counted once, outlives who noted it, and stays small."""

from __future__ import annotations

from dataclasses import replace

import pytest

from haulier.api.scope.changes import Beat, after_beat, after_leave
from haulier.api.scope.current_run import as_current_run
from haulier.api.scope.failures import (
    MAX_CAUSE_CHARACTERS,
    MAX_REMEMBERED_RUNS,
    MAX_WORDS,
    NO_FAILURES,
    OTHER,
    FailureNotes,
    Failures,
    merge_failures,
)
from haulier.api.scope.row import ScopeRow, decode, encode

FEW = {"r": Failures(retries=2, newest="status 500", at=10.0)}
BEAT = Beat("a", 1, offer=0, in_flight=4, wants=True, keep_seconds=10.0, wall=100.0)


def test_the_newest_cause_counts_and_the_retries_of_all() -> None:
    both = merge_failures(FEW, {"r": Failures(retries=3, newest="status 503", at=9.0)})
    assert both == {"r": Failures(retries=5, newest="status 500", at=10.0)}
    both = merge_failures(FEW, {"r": Failures(retries=1, newest="cut", at=11.0)})
    assert both == {"r": Failures(retries=3, newest="cut", at=11.0)}
    assert merge_failures(FEW, {"r": Failures(retries=1)})["r"] == Failures(retries=3, newest="status 500", at=10.0)


def test_a_worker_that_is_gone_leaves_what_it_told() -> None:
    """Whether it left, was killed, or was the only one: the next one goes on counting."""
    row = after_beat(ScopeRow(), replace(BEAT, failures=FEW))
    assert row.failures == FEW
    row = after_beat(row, replace(BEAT, name="b", number=1, gone={"a": 1}, failures=FEW))
    assert row.failures["r"].retries == 4
    row = after_leave(row, "b", 0, failures={"r": Failures(retries=1)})
    assert after_beat(row, replace(BEAT, number=2)).failures["r"].retries == 5
    assert decode(encode(row)).failures == row.failures


def test_retries_are_counted_by_a_few_causes() -> None:
    """The row is written with each beat: the commonest are told apart, and none is lost from the sum."""
    notes = FailureNotes()
    notes.note_run("r")
    for number in range(12):
        notes.note("GET http://a: it failed", 1.0, is_retried=True, word=f"status {500 + number}")
    notes.note("not again", 1.0, word="status 404")
    known = {"r": Failures(retries=107, by_word={"cut": 100, "connect": 5, OTHER: 2})}
    for _ in range(10):
        known = merge_failures(known, {"r": Failures(retries=20, by_word={"timeout": 20})})
    found = merge_failures(known, notes.take())["r"]
    assert (found.retries, sum(found.by_word.values())) == (319, 319)
    assert len(found.by_word) == MAX_WORDS
    assert (found.by_word["timeout"], found.by_word["cut"]) == (200, 100), "one that came late is seen"
    assert "status 404" not in found.by_word


def test_a_failure_is_of_the_run_whose_item_it_is() -> None:
    """A worker may hold items of several: what it began last tells nothing."""
    notes = FailureNotes()
    notes.note_run("full")
    with as_current_run("full"):
        notes.note_run("incremental")
        notes.note("status 500", 1.0, is_retried=True)
    assert notes.take() == {"full": Failures(retries=1, newest="status 500", at=1.0)}


def test_only_the_newest_runs_are_remembered() -> None:
    known: dict[str, Failures] = {}
    for number in range(10):
        known = merge_failures(known, {f"run-{number}": Failures(retries=1, newest="x", at=float(number))})
    assert sorted(known) == [f"run-{number}" for number in range(10 - MAX_REMEMBERED_RUNS, 10)]


def test_what_could_not_be_told_is_told_later() -> None:
    notes = FailureNotes()
    notes.note("before any run", 1.0, is_retried=True)
    assert notes.take() == {}
    notes.note_run("r")
    notes.note("status 500", 2.0, is_retried=True)
    news = notes.take()
    notes.note("status 503", 3.0)
    notes.give_back(news)
    assert notes.take() == {"r": Failures(retries=1, newest="status 503", at=3.0)}
    assert notes.take() == {}


@pytest.mark.parametrize("cause", ["a\nb", "a \t b", "a\r\n b"])
def test_a_cause_is_one_short_line_without_control_characters(cause: str) -> None:
    notes = FailureNotes()
    notes.note_run("r")
    notes.note(f"{cause}\x1b[31m" + "x" * 1_000, 1.0)
    newest = notes.take()["r"].newest
    assert newest.startswith("a b\N{REPLACEMENT CHARACTER}[31mxxx")
    assert len(newest) == MAX_CAUSE_CHARACTERS
    notes.note("", 2.0, is_retried=True)
    assert notes.take() == {"r": Failures(retries=1)}
    assert NO_FAILURES.newest == ""


def test_how_long_messages_are_hidden_is_the_longest_of_all_workers() -> None:
    """Each run has its own, and a worker that tells less does not shorten it."""
    notes = FailureNotes()
    notes.note_hidden("r", 500.0)
    notes.note_hidden("r", 400.0)
    row = after_beat(ScopeRow(), replace(BEAT, failures=notes.take()))
    assert notes.hidden_until == {"r": 500.0}
    row = after_leave(row, "a", 0, failures={"r": Failures(hidden_until=450.0, retries=1), "s": Failures()})
    row = decode(encode(row))
    assert {run_id: one.hidden_until for run_id, one in row.failures.items()} == {"r": 500.0, "s": 0.0}
