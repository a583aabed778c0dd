"""The sandbox's records: an oracle that agrees with what is served, and the settings that shape it."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.testing.sandbox import SandboxSettings, record_bytes, record_ids
from haulier.testing.sandbox.data import events_start, id_at, rank_of, rank_since, record_at, time_at
from haulier.testing.sandbox.setting_groups import MIN_RECORD_BYTES
from haulier.testing.sandbox.settings import MAX_BODY_BYTES, change_settings

SHAPES = st.builds(
    SandboxSettings,
    seed=st.integers(-5, 5),
    records=st.integers(0, 60),
    record_bytes=st.integers(MIN_RECORD_BYTES, 400),
    gap_after=st.integers(1, 7),
    gap_ids=st.integers(0, 7),
    is_awkward=st.booleans(),
    event_step_seconds=st.integers(1, 90),
    events_per_step=st.integers(1, 5),
)


@given(SHAPES)
def test_a_record_is_legal_json_of_the_size_asked_for(settings: SandboxSettings) -> None:
    """``record_bytes`` is exact; the fields say where it stands in the order of ids and times."""
    for rank, record_id in enumerate(record_ids(settings)):
        body = record_bytes(settings, record_id)
        fields = json.loads(body)
        assert len(body) == settings.record_bytes
        assert fields["id"] == record_id
        assert datetime.fromisoformat(fields["changed_at"]) == time_at(settings, rank)


@given(SHAPES, st.integers(0, 200))
def test_ranks_count_ids(settings: SandboxSettings, record_id: int) -> None:
    """``gap_after`` and ``gap_ids`` leave ids out; a rank is the number of lower ids."""
    ids = list(record_ids(settings))
    assert len(ids) == settings.records
    assert rank_of(settings, record_id) == sum(each < record_id for each in ids)
    if record_id not in ids:
        with pytest.raises(KeyError):
            record_bytes(settings, record_id)


@given(SHAPES, st.integers(-100, 6_000))
def test_ranks_count_times(settings: SandboxSettings, seconds: int) -> None:
    """``event_step_seconds`` and ``events_per_step`` say how times go on."""
    since = events_start(settings) + timedelta(seconds=seconds)
    times = [time_at(settings, rank) for rank in range(settings.records)]
    assert times == sorted(times)
    assert rank_since(settings, since) == sum(each < since for each in times)


def test_ids_leave_gaps() -> None:
    """Three records, two ids missing, and on."""
    settings = SandboxSettings(records=7, gap_after=3, gap_ids=2)
    assert list(record_ids(settings)) == [1, 2, 3, 6, 7, 8, 11]
    assert list(record_ids(SandboxSettings(records=3))) == [1, 2, 3]


def test_times_go_on_in_steps() -> None:
    """Two records a step of a minute."""
    settings = SandboxSettings(records=4, event_step_seconds=60, events_per_step=2)
    assert [time_at(settings, rank).minute for rank in range(4)] == [0, 0, 1, 1]
    assert time_at(settings, 0) == datetime(2024, 1, 1, tzinfo=UTC)


def test_the_seed_alone_changes_what_is_in_them() -> None:
    """Equal settings, equal bytes; another seed, other bytes."""
    assert record_at(SandboxSettings(seed=3), 5) == record_at(SandboxSettings(seed=3), 5)
    assert record_at(SandboxSettings(seed=3), 5) != record_at(SandboxSettings(seed=4), 5)


def test_plain_records_hold_what_ingesters_break() -> None:
    """An integer beyond 2^53, decimals that end in zero, an exponent, escapes, and letters escaped and not."""
    body = b"".join(record_at(SandboxSettings(), rank) for rank in range(100))
    for trap in (b'"serial":9007199254740993', b".00,", b'"score":1e2', rb"\u00e9", rb"\/", rb"\"", "日本".encode()):
        assert trap in body
    assert b"\n" not in body


def test_awkward_records_are_legal_too() -> None:
    """Line ends between tokens, an integer over 64 bits, a key twice, minus zero: what re-encoding loses."""
    body = record_at(SandboxSettings(is_awkward=True), 0)
    for trap in (b"{\r\n", b",\n\t", b'"serial":18446744073709551617', b'"serial":-0', b"1E+2"):
        assert trap in body
    assert json.loads(body)["id"] == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"records": -1}, "records is -1; write 0 or more"),
        ({"latency_seconds": -0.1}, "latency_seconds is -0.1"),
        ({"cut_rate": 1.5}, "cut_rate is 1.5; write a share from 0.0 to 1.0"),
        ({"record_bytes": 10}, f"write {MIN_RECORD_BYTES} to {MAX_BODY_BYTES}"),
        ({"page_size": 0}, "page_size is 0; write at least 1"),
        ({"event_step_seconds": 0}, "event_step_seconds is 0; write at least 1"),
        ({"events_start": "2024-01-01"}, "write a time such as 2024-01-01T00:00:00Z"),
        ({"records": 10**12}, "Lower event_step_seconds"),
        ({"gap_ids": 2}, "gap_ids needs gap_after"),
        ({"refuse_status": 500}, "write 429 or 503"),
        ({"outage_status": 200}, "write 0, or an HTTP status from 400 on"),
        ({"outage_status": 599}, "write 0, or an HTTP status from 400 on"),
        ({"recrods": 5}, "Unknown setting: recrods. Available: seed, records,"),
        ({"records": "many"}, "Expected `int`, got `str`"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object], problem: str) -> None:
    """In words, when they are made; the old ones stay as they are."""
    with pytest.raises(ValueError, match=problem.replace("(", r"\(")):
        change_settings(SandboxSettings(), changes)


def test_settings_are_changed_by_name() -> None:
    """From JSON as it is; from a command line, where all is text."""
    settings = SandboxSettings(seed=-3, total_extra=-1)
    changed = change_settings(settings, {"outages": [[1, 2.5]], "unreadable_ids": [3], "token": "t"})
    assert (changed.seed, changed.outages, changed.unreadable_ids, changed.token) == (-3, ((1, 2.5),), (3,), "t")
    from_text = change_settings(
        settings, {"records": "5", "gzip": "true", "cut_rate": "0.5", "token": "1"}, is_text=True
    )
    assert (from_text.records, from_text.gzip, from_text.cut_rate, from_text.token) == (5, True, 0.5, "1")


def test_two_million_records_cost_nothing_to_know() -> None:
    """Ids and ranks are computed, not listed."""
    settings = SandboxSettings(records=2_000_000, gap_after=1000, gap_ids=10)
    assert id_at(settings, 1_999_999) == 2_000_000 + 1999 * 10
    assert rank_of(settings, id_at(settings, 1_234_567)) == 1_234_567
