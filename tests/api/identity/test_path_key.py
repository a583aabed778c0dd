"""A key in the path: in every address once, and in none that is shown (G7)."""

from __future__ import annotations

import pytest

from haulier.api.errors import Fault
from haulier.api.http.cookies import ItemCookies
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request
from haulier.api.identity.auth import ApiKey
from haulier.api.identity.path_key import PathKey
from haulier.errors import UsageError
from tests.api.wire.raw_server import http, raw_server
from tests.api.wire.wire import fault_of, get, transport_to

KEY = "7:canary-key"


@pytest.mark.parametrize(
    ("path", "asked", "sent"),
    [
        ("/{key}", "/v1/things?a=%2F", "/7:canary-key/v1/things?a=%2F"),
        ("/bot{key}", "/updates", "/bot7:canary-key/updates"),
        ("/v6/{key}", "/latest", "/v6/7:canary-key/latest"),
        # Links of the API, with the key as it writes it.
        ("/v6/{key}", "/v6/7:canary-key/latest?page=2", "/v6/7:canary-key/latest?page=2"),
        ("/v6/{key}", "/v6/7%3Acanary-key/latest", "/v6/7:canary-key/latest"),
        ("/v6/{key}", "/v6/7:canary-key?page=2", "/v6/7:canary-key?page=2"),
        # Another's key is not ours.
        ("/{key}", "/7:canary-key2/x", "/7:canary-key/7:canary-key2/x"),
    ],
)
async def test_it_stands_in_each_address_once(path: str, asked: str, sent: str) -> None:
    async with (
        raw_server([http(b"{}")]) as api,
        transport_to(api, auth=ApiKey(KEY, path=path)) as sender,
    ):
        answer = await get(sender, api, asked)
        assert api.requests[-1].target == sent
        assert "canary-key/" not in answer.url
        assert answer.url.partition("?")[2] == asked.partition("?")[2]


async def test_redirects_keep_it_once_and_messages_have_none() -> None:
    """The key is too short to be taken for a token by its length."""
    moved = http(b"", "Location: /7:canary-key/new", status="302 Found")
    away = http(b"", "Location: https://example.org/7:canary-key/new", status="302 Found")
    redactor = Redactor()
    async with (
        raw_server([moved], [http(b"{}")], [away]) as api,
        transport_to(api, auth=ApiKey(KEY, path="/{key}"), redactor=redactor) as sender,
    ):
        assert (await get(sender, api, "/old")).url == f"{api.url}/new"
        assert [seen.target for seen in api.requests] == ["/7:canary-key/old", "/7:canary-key/new"]
        fault = await fault_of(sender, api, "/old")
        assert fault.kind is Fault.REDIRECT
        assert "canary" not in fault.text
        assert "example.org/***/new" in fault.text


@pytest.mark.parametrize("path", ["{key}", "/", "/v6", "/{key}/v6", "/{key}{key}", "/a?b={key}", "/a b/{key}"])
def test_a_place_that_cannot_be_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match=r"is no place of a key in a path. Write the beginning of every address' path"):
        ApiKey(KEY, path=path)


def test_one_place_is_enough_and_a_short_key_is_refused() -> None:
    with pytest.raises(UsageError, match="Give one of `header`, `query`, `path`"):
        ApiKey(KEY, path="/{key}", query="key")
    with pytest.raises(UsageError, match="has fewer than 4 characters, too few to be hidden"):
        PathKey.of("/{key}", "sho")


async def test_cookies_are_of_the_address_that_leaves() -> None:
    """Their paths begin with the key's place, as the server knows it; one of a path without it is not ours."""
    setting = http(b"{}", "Set-Cookie: pin=1; Path=/v6", "Set-Cookie: other=2; Path=/v7")
    async with (
        raw_server([setting], [http(b"{}")]) as api,
        transport_to(api, auth=ApiKey(KEY, path="/v6/{key}")) as sender,
    ):
        cookies = ItemCookies()
        for _ in range(2):
            await sender.send(Request("GET", f"{api.url}/latest", cookies=cookies))
        assert [seen.headers.get("Cookie", "") for seen in api.requests] == ["", "pin=1"]
