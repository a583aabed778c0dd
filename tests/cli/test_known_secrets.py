"""What a command that opens no API masks: the credentials that are declared, wherever they stand (G7)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haulier import Api, ApiKey, App, Basic, Bearer, env
from haulier.api.identity.login import Login
from haulier.app.known_secrets import redactor_of
from haulier.items.feed_start import redacted_parameters, shown_parameters


@pytest.mark.parametrize(
    "given",
    [
        {"auth": Bearer(env("SHOP_KEY"))},
        {"auth": Bearer("canary/key")},
        {"auth": Basic("me", env("SHOP_KEY"))},
        {"auth": ApiKey(env("SHOP_KEY"), path="/v6/{key}")},
        {"auth": Login("/login", json={"user": "files", "password": env("SHOP_KEY")}, token_at="t")},
        {"auth": Login("/login", form={"user": "files", "password": "canary/key"}, token_at="t")},
        {"headers": (("X-Api-Key", "canary/key"), ("X-Tenant", "files"))},
    ],
)
def test_credentials_in_a_link_are_masked_in_its_path(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoded too. What is no credential stays."""
    monkeypatch.setenv("SHOP_KEY", "canary/key\n")
    redactor = redactor_of(App("shop", api=Api("https://api.example.com", **given)))
    payload = json.dumps({"parents": [['"https://api.example.com/files/canary%2Fkey/7?a=canary/key"']]}).encode()
    shown = shown_parameters(redacted_parameters(payload, redactor.redact))
    assert json.loads(shown) == {"parents": [['"https://api.example.com/files/***/7?***"']]}


def test_a_variable_that_is_not_set_hides_nothing_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_KEY", raising=False)
    redactor = redactor_of(App("shop", api=Api("https://api.example.com", auth=Bearer(env("SHOP_KEY")))))
    assert redactor.redact("/files/7") == "/files/7"
