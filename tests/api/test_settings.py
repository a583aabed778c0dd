"""What a source may declare about its API, and what is refused before a request is sent."""

from __future__ import annotations

from typing import Any

import pytest

from haulier.api.identity.auth import Bearer, env
from haulier.api.settings import Api
from haulier.errors import UsageError


def test_defaults_are_safe_for_an_api_that_belongs_to_somebody_else() -> None:
    """Few at once, and an end to every wait."""
    api = Api("https://api.example.com/v1")
    assert (api.in_flight, api.connect_timeout_seconds, api.first_byte_timeout_seconds) == (4, 5.0, 60.0)
    assert api.auth is None


@pytest.mark.parametrize(
    "url",
    [
        *("", "api.example.com", "ftp://x", "https://", "/relative", "http://x y/", "https://x/\n", "http://x:99999/"),
        *("https://api.example.com/v1?key=1", "https://api.example.com/#top", "http://[::1"),
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """Before the first request, in words."""
    with pytest.raises(UsageError):
        Api(url)


def test_a_password_in_the_address_is_refused_without_being_shown() -> None:
    """G7: it would stand in every message that names the address."""
    with pytest.raises(UsageError, match="declare it as auth") as caught:
        Api("https://user:canary@api.example.com/")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"in_flight": 0},
        {"in_flight": True},
        {"in_flight": 2.5},
        {"max_body_bytes": 0},
        {"min_bytes_per_second": -1},
        {"connect_timeout_seconds": 0},
        {"first_byte_timeout_seconds": float("nan")},
        {"request_timeout_seconds": float("inf")},
        {"contact": "a\r\nX: y"},
        {"contact": "müller@example.com"},
        {"headers": (("X Y", "1"),)},
        {"headers": (("X", "1\n2"),)},
        {"headers": (("Content-Length", "1"),)},
        {"headers": (("accept-encoding", "br"),)},
    ],
)
def test_a_value_that_cannot_work_is_refused(settings: dict[str, Any]) -> None:
    """A typo ends the start, not the night."""
    with pytest.raises(UsageError):
        Api("https://api.example.com", **settings)


def test_settings_can_be_printed() -> None:
    """G7: no repr of settings shows a header's value or a token."""
    api = Api("https://x.example", auth=Bearer("canary"), headers=(("X-Api-Key", "canary"),))
    assert "canary" not in repr(api)
    assert "canary" not in repr(Api("https://x.example", auth=Bearer(env("NAME", "canary"))))
