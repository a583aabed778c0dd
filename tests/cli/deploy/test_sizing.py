"""How large a fleet is."""

from haulier import Api, App
from haulier.cli.deploy.sizing import MESSAGES_A_WORKER, WORKERS_BY_DEPTH, most_workers


def test_no_more_workers_than_requests_in_flight() -> None:
    """At the hour that allows the most, since a fleet is sized once."""
    assert most_workers(App("shop", api=Api("https://api.example.com", in_flight=8))) == 8
    by_hour = {"default": 4, "19:00-06:00": 16, "zone": "Europe/London"}
    assert most_workers(App("shop", api=Api("https://api.example.com", in_flight=by_hour))) == 16


def test_a_fleet_by_depth_has_ten_workers_at_100_messages_and_fifty_at_1000() -> None:
    assert 100 / MESSAGES_A_WORKER == 10
    assert 1_000 / MESSAGES_A_WORKER >= WORKERS_BY_DEPTH == 50
