"""Each way of saying who one is: the sandbox asks for it as haulier's own credentials say it."""

import base64
import json
from pathlib import Path as File

import pytest

from haulier.api.identity.grant_file import GrantFile
from haulier.api.identity.shared_token import TokenFile
from haulier.config.source_file import load_source
from haulier.sources.rest import RestSource
from haulier.testing.sandbox import Sandbox, SandboxSettings
from haulier.testing.sandbox.settings import change_settings
from tests.sources.situation import situation
from tests.testing.wire import answer, posted

SOURCE = """
source = "sandbox"
lake = "lake"
[api]
url = "{url}"
auth = {auth}
[streams.items]
get = "/items_next_url"
records = "items"
pages = {{ next_url = "links.next" }}
[streams.items.full.once]
"""
HOW = {
    "bearer": ("hush", '{ bearer = "${S}" }', {"S": "hush"}),
    "basic": ("me:hush", '{ user = "${U}", password = "${S}" }', {"U": "me", "S": "hush"}),
    "header": ("hush", '{ header = "X-Api-Key", value = "${S}" }', {"S": "hush"}),
    "query": ("hush", '{ query = "api_key", value = "${S}" }', {"S": "hush"}),
    "digest": (
        "me:hush",
        '{ scheme = "digest", user = "${U}", password = "${S}" }',
        {"U": "me", "S": "hush"},
    ),
    "login": (
        "me:hush",
        '{ login = "/session", json = { user = "${U}", password = "${S}" }, token_at = "token" }',
        {"U": "me", "S": "hush"},
    ),
    "login by a form": (
        "me:hush",
        '{ login = "/session", form = { user = "${U}", password = "${S}" }, cookie = "SID" }',
        {"U": "me", "S": "hush"},
    ),
    "path": ("hush/1", '{ path = "/{key}", value = "${S}" }', {"S": "hush/1"}),
    "refresh": (
        "hush",
        '{ token_url = "${URL}/oauth2/token", client_id = "sandbox", refresh_token = "${S}" }',
        {"S": "hush"},
    ),
    "oauth2": (
        "hush",
        '{ token_url = "${URL}/oauth2/token", client_id = "sandbox", client_secret = "${S}" }',
        {"S": "hush"},
    ),
}


@pytest.mark.parametrize("auth", HOW)
async def test_haulier_is_let_in_by_each_kind_of_credentials(auth: str, tmp_path: File) -> None:
    """And nobody else is: without them, 401 on every path."""
    token, line, variables = HOW[auth]
    auth = auth.partition(" ")[0]
    settings = SandboxSettings(records=25, page_size=10, token=token, auth=auth)  # type: ignore[arg-type]
    async with Sandbox(settings) as api:
        assert (await answer(api.url, "/items")).status == 401
        file = tmp_path / "sandbox.toml"
        file.write_text(SOURCE.format(url=api.url, auth=line))
        found = load_source(file, {**variables, "URL": api.url})
        source = RestSource(found.name, found.streams)
        ids: list[int] = []
        shared = TokenFile(None, lambda _: GrantFile(tmp_path / "grant"))
        async with situation(found.api, shared=shared) as context:
            async for item in source.enumerate("full", ("items",), context):
                async for page in source.processors[type(item)](item, context):
                    ids += [json.loads(bytes(record))["id"] for record in page.records]  # type: ignore[union-attr]
        assert ids == [*range(1, 26)]
        # Digest is asked for by one refusal more.
        assert api.counters.by_status == {401: 1 + (auth == "digest"), 200: 3}
        assert api.counters.access_tokens == (auth in ("oauth2", "refresh", "login"))


@pytest.mark.parametrize(
    ("auth", "token", "headers", "target"),
    [
        ("bearer", "hush", {"Authorization": "Basic hush"}, "/count"),
        ("basic", "me:hush", {"Authorization": "Basic !!!"}, "/count"),
        ("basic", "me:hush", {"Authorization": "Basic " + base64.b64encode(b"me:other").decode()}, "/count"),
        ("header", "hush", {"X-Api-Key": "HUSH"}, "/count"),
        ("query", "hush", {"X-Api-Key": "hush"}, "/count"),
        ("query", "hush", {}, "/count?api_key=hush&api_key=hush"),
        ("oauth2", "hush", {"Authorization": "Bearer hush"}, "/count"),
        ("login", "me:hush", {"Cookie": "SID=hush"}, "/count"),
        ("path", "hush", {}, "/hush"),
        ("path", "hush", {}, "/other/count"),
    ],
)
async def test_wrong_credentials_are_a_401(auth: str, token: str, headers: dict[str, str], target: str) -> None:
    """With what is wanted in WWW-Authenticate where HTTP has a word for it."""
    async with Sandbox(SandboxSettings(token=token, auth=auth)) as api:  # type: ignore[arg-type]
        reply = await answer(api.url, target, **headers)
        assert reply.status == 401
        assert (await posted(api.url, "/session", b"user=me&password=other")).status in (401, 404)
        scheme = {"bearer": "Bearer", "oauth2": "Bearer", "basic": 'Basic realm="sandbox"'}.get(auth)
        assert reply.headers.get("www-authenticate") == scheme


async def test_an_access_token_is_issued_and_ends() -> None:
    """RFC 6749, 4.4: in Basic or as form fields; good for so long; worthless when the sandbox forgets it."""
    settings = SandboxSettings(token="hush", auth="oauth2", client_id="me", access_token_seconds=3_600)
    form = b"grant_type=client_credentials&client_id=me&client_secret=hush"
    async with Sandbox(settings) as api:
        issued = json.loads((await posted(api.url, "/oauth2/token", form)).body)
        assert (issued["token_type"], issued["expires_in"]) == ("Bearer", 3_600)
        basic = "Basic " + base64.b64encode(b"me:hush").decode()
        another = await posted(api.url, "/oauth2/token", b"grant_type=client_credentials", Authorization=basic)
        assert json.loads(another.body)["access_token"] != issued["access_token"]
        authorization = f"Bearer {issued['access_token']}"
        assert (await answer(api.url, "/count", Authorization=authorization)).status == 200
        assert (api.counters.requests, api.counters.access_tokens) == (1, 2)
        api.change(access_token_seconds=0.0)
        assert (await answer(api.url, "/count", Authorization=authorization)).status == 401
        short = json.loads((await posted(api.url, "/oauth2/token", form)).body)["access_token"]
        assert (await answer(api.url, "/count", Authorization=f"Bearer {short}")).status == 401


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        (b"grant_type=client_credentials&client_id=me&client_secret=other", 401, "invalid_client"),
        (b"grant_type=client_credentials&client_id=you&client_secret=hush", 401, "invalid_client"),
        (b"grant_type=password&client_id=me&client_secret=hush", 400, "unsupported_grant_type"),
        (b"", 400, "unsupported_grant_type"),
    ],
)
async def test_a_wrong_client_gets_no_token(form: bytes, status: int, code: str) -> None:
    """RFC 6749, 5.2."""
    async with Sandbox(SandboxSettings(token="hush", auth="oauth2", client_id="me")) as api:
        reply = await posted(api.url, "/oauth2/token", form)
        assert (reply.status, json.loads(reply.body)) == (status, {"error": code})


async def test_a_refresh_token_is_good_once() -> None:
    """An old one ends the grant, and the access tokens with it."""
    async with Sandbox(SandboxSettings(records=5, token="first", auth="refresh")) as api:

        async def refreshed(token: str) -> tuple[int, dict[str, str]]:
            form = f"grant_type=refresh_token&client_id=sandbox&refresh_token={token}"
            found = await posted(api.url, "/oauth2/token", form.encode())
            return found.status, json.loads(found.body)

        _, first = await refreshed("first")
        status, second = await refreshed(first["refresh_token"])
        assert (status, len({first["refresh_token"], second["refresh_token"], "first"})) == (200, 3)
        assert await refreshed(first["refresh_token"]) == (400, {"error": "invalid_grant"})
        assert await refreshed(second["refresh_token"]) == (400, {"error": "invalid_grant"})
        headers = {"Authorization": f"Bearer {second['access_token']}"}
        assert (await answer(api.url, "/items", **headers)).status == 401


async def test_tokens_are_issued_only_where_they_are_wanted() -> None:
    """With another kind of credentials the token path is a 404."""
    async with Sandbox(SandboxSettings(token="hush")) as api:
        assert (await posted(api.url, "/oauth2/token", b"grant_type=client_credentials")).status == 404


def test_basic_needs_a_user() -> None:
    """A token without a colon could never be sent."""
    with pytest.raises(ValueError, match="USER:PASSWORD"):
        change_settings(SandboxSettings(), {"auth": "basic", "token": "hush"})
