"""The retry budget: an API in trouble is not asked five times as often (G5)."""

from haulier.api.limits.retry_budget import BURST_REPEATS, MAX_DELAY_SECONDS, RetryBudget


def test_some_repeats_are_free_and_then_they_wait() -> None:
    """Twenty at once; then one a second, also where nothing goes well."""
    budget = RetryBudget()
    waits = [budget.take(100.0) for _ in range(25)]
    assert waits == [0.0] * 20 + [1.0, 2.0, 3.0, 4.0, 5.0]
    assert budget.take(110.0) == 0.0


def test_good_answers_pay_for_repeats() -> None:
    """An API that fails one request in seven is not slowed down, however long; one that fails a third is."""
    for of_seven, is_slow in ((6, False), (3, True)):
        budget = RetryBudget()
        waits = []
        for _ in range(1_000):
            for _ in range(of_seven):
                budget.note_success()
            waits.append(budget.take(0.0))
        assert (max(waits) > 0.0) is is_slow


def test_no_wait_is_longer_than_half_a_minute() -> None:
    """And time gives back no more than there was at first."""
    budget = RetryBudget()
    assert max(budget.take(0.0) for _ in range(1_000)) == MAX_DELAY_SECONDS
    assert [budget.take(1e6) for _ in range(int(BURST_REPEATS) + 1)] == [0.0] * int(BURST_REPEATS) + [1.0]
