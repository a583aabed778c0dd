"""Mistakes in `[api]`: the address, credentials, headers, limits and timeouts."""

from __future__ import annotations

from pathlib import Path

import pytest

from haulier.config.auth_table import AUTH_KINDS
from tests.config.rig import Mistake, check

MISTAKES: dict[str, Mistake] = {
    "no url": (
        'url = "https://api.example.com"',
        "",
        'api: `url` is missing. Write, for example: url = "https://api.example.com"',
    ),
    "in_flight in words": (
        "[streams.flights]",
        'in_flight = "twelve"\n[streams.flights]',
        ('api.in_flight: expected a whole number of at least 1, found "twelve". Write, for example: in_flight = 4'),
    ),
    "in_flight beyond what haulier limit takes": (
        "[streams.flights]",
        "in_flight = 10001\n[streams.flights]",
        "api.in_flight: in_flight must be a whole number of at most 10,000, not 10001.",
    ),
    "auth as text": (
        "[api]",
        '[api]\nauth = "s3cret"',
        f"api.auth: expected a kind of credentials, found text. {AUTH_KINDS.remedy}",
    ),
    "auth kind": (
        "[api]",
        '[api]\nauth = { baerer = "s3cret" }',
        "api.auth: no key of this table tells the kind of credentials. Did you mean 'bearer'?",
    ),
    "auth kind misspelt beside another": (
        "[api]",
        '[api]\nauth = { token_url = "https://id.example.com", client_id = "a", refresh_tokne = "${T}" }',
        "api.auth.refresh_tokne: unknown key. Did you mean 'refresh_token'?",
    ),
    "auth kind left out": (
        "[api]",
        '[api]\nauth = { client_id = "a", client_secret = "${T}", header = "X-Token" }',
        "api.auth.client_id: unknown key. Write `token_url`, `refresh_token` or `jwt` too.",
    ),
    "auth number": (
        "[api]",
        "[api]\nauth = { bearer = 12345 }",
        'api.auth.bearer: expected text, found a number. Write, for example: bearer = "${API_TOKEN}"',
    ),
    "auth empty": (
        "[api]",
        '[api]\nauth = { bearer = "" }',
        'api.auth.bearer: expected text, found "". Write, for example: bearer = "${API_TOKEN}"',
    ),
    "header number": (
        "[api]",
        "[api]\nheaders = { X-Key = 12345 }",
        ('api.headers.X-Key: expected text, found a number. Write, for example: headers = { Accept-Language = "en" }'),
    ),
    "header ours": (
        "[api]",
        '[api]\nheaders = { Host = "x" }',
        "api.headers: the header Host is set by haulier itself. Remove it from the API's headers.",
    ),
    "url": (
        "https://api.example.com",
        "api.example.com",
        "api.url: 'api.example.com' is not an address of an API. Write it like https://api.example.com/v1.",
    ),
    "url pw": (
        "https://api.example.com",
        "https://me:pw@api.example.com",
        "api.url: the API's url holds a user name or password. Remove it and declare it as auth instead.",
    ),
    "url q": (
        "https://api.example.com",
        "https://api.example.com?x=1",
        ("api.url: the API's url has a query or fragment (?...). Put query parameters into the streams."),
    ),
    "timeout": (
        "[api]",
        "[api]\nconnect_timeout = 5",
        (
            'api.connect_timeout: expected a duration in quotes, such as "90s", "15m", "2h", "1d" or "2w", '
            'found 5. Write, for example: connect_timeout = "5s"'
        ),
    ),
    "timeout2": (
        "[api]",
        '[api]\nconnect_timeout = "5 s"',
        (
            'api.connect_timeout: expected a duration in quotes, such as "90s", "15m", "2h", "1d" or "2w", '
            'found "5 s". Write, for example: connect_timeout = "5s"'
        ),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_message_names_the_place_and_the_remedy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake is told in one line: file, key, what is wrong, what to write instead."""
    check(MISTAKES[name], tmp_path, monkeypatch)
