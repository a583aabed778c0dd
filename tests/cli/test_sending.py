"""Progress while a plan is sent, which a hosted queue takes its time for."""

from __future__ import annotations

import logging

import pytest

from haulier.cli import sending
from haulier.cli.sending import SAY_SECONDS, SendingView
from haulier.testing.clock import FakeClock


def lines_of(caplog: pytest.LogCaptureFixture) -> list[tuple[int, int]]:
    records = [record for record in caplog.records if record.message == "items are enqueued"]
    return [(vars(record)["enqueued"], vars(record)["items"]) for record in records]


def send(view: SendingView, clock: FakeClock, seconds_a_shard: float, shards: int = 20) -> None:
    for shard in range(1, shards + 1):
        clock.advance(seconds_a_shard)
        view.show(shard * 1_000, shards * 1_000)


def test_a_slow_queue_is_followed_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """Every few seconds, and with the last item."""
    clock = FakeClock()
    with caplog.at_level(logging.INFO, "haulier.progress"):
        send(SendingView("full-1", clock), clock, 2.0)
    lines = lines_of(caplog)
    assert lines[0] == (2_000, 20_000)
    assert lines[-1] == (20_000, 20_000)
    assert len(lines) == 10


def test_a_fast_queue_says_nothing(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """The file of a queue takes a plan in a moment."""
    clock = FakeClock()
    with caplog.at_level(logging.INFO, "haulier.progress"):
        send(SendingView("full-1", clock), clock, SAY_SECONDS / 100)
    assert lines_of(caplog) == []
    assert capsys.readouterr().err == ""


def test_a_person_at_a_terminal_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """In words; a log says the same to programs."""
    caplog.set_level(logging.WARNING, "haulier.progress")  # A command before this test may have set its own up.
    monkeypatch.setattr(sending, "has_bar", lambda: True)
    clock = FakeClock()
    send(SendingView("full-1", clock), clock, SAY_SECONDS, shards=2)
    assert capsys.readouterr().err.splitlines() == [
        "  1,000 of 2,000 items are on the queue",
        "  2,000 of 2,000 items are on the queue",
    ]
