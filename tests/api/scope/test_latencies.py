"""How long requests take: few numbers for all workers, in the row that they share."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from haulier.api.scope.changes import Beat, after_beat
from haulier.api.scope.latencies import BUCKETS, HALF_LIFE_SECONDS, bucket_of, quantile, with_latencies
from haulier.api.scope.row import ScopeRow, decode, encode

BEAT = Beat("a", 1, offer=0, in_flight=4, wants=True, keep_seconds=10.0, wall=100.0)


def histogram(seconds: list[float]) -> tuple[int, ...]:
    counts = [0] * BUCKETS
    for one in seconds:
        counts[bucket_of(one)] += 1
    return tuple(counts)


@given(st.lists(st.floats(0.005, 30.0), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_a_quantile_is_as_exact_as_the_buckets(seconds: list[float], part: float) -> None:
    """Half of the answers took at most so long, within one bucket's width: a factor of 1.42."""
    found = quantile(histogram(seconds), part)
    exact = sorted(seconds)[max(0, -(-int(part * 1000) * len(seconds) // 1000) - 1)]
    assert found is not None
    assert exact / 1.42 <= found <= exact * 1.42


def test_answers_of_all_members_are_forgotten_within_minutes() -> None:
    """The last minute counts most, whoever saw it; a source at rest keeps nothing."""
    slow, quick = histogram([2.0] * 40), histogram([0.1] * 10)
    row = after_beat(ScopeRow(beat_at=100.0), replace(BEAT, latencies=slow))
    row = after_beat(row, replace(BEAT, name="b", wall=100.0 + HALF_LIFE_SECONDS, latencies=quick))
    assert sum(row.latencies) == pytest.approx(20 + 10)
    assert quantile(row.latencies, 0.5) == pytest.approx(2.0, rel=0.42)
    assert quantile(row.latencies, 0.2) == pytest.approx(0.1, rel=0.42)
    assert decode(encode(row)).latencies == row.latencies
    full = ScopeRow(latencies=with_latencies([1234.56] * BUCKETS, 1.0, [1] * BUCKETS))
    assert len(encode(full)) - len(encode(ScopeRow())) <= 9 * BUCKETS, "it is written with each beat"
    for wall in range(131, 1_000, 30):
        row = after_beat(row, replace(BEAT, wall=float(wall)))
    assert row.latencies == ()
    assert quantile(row.latencies, 0.5) is None
