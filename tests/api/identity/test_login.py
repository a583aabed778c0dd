"""Session logins: one at a time, on the API's own origin, renewed after a 401 (G7)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from haulier.api.answers.judgement import Rule
from haulier.api.errors import Action, Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import TransportError
from haulier.api.identity.auth import env
from haulier.api.identity.login import Login
from haulier.api.identity.shared_token import TokenFile
from haulier.api.wire.aiohttp_transport import AiohttpTransport
from haulier.errors import UsageError
from haulier.testing.clock import FakeClock
from tests.api.paging.rig import client_of
from tests.api.wire.raw_server import Answer, RawServer, Seen, http, raw_server
from tests.api.wire.wire import fault_of, get, transport_to

PAGE = b"<html><form method=post><input name=p type='password'></form></html>"
USER = {"user": "me", "password": "canary-password"}


@dataclass
class Sessions:
    """One live session. ``gives`` is the answer of the login: body, headers, status."""

    gives: Callable[[str], tuple[Any, tuple[str, ...], str]]
    shows: Callable[[Seen], str]
    """The session that a request names."""
    logins: list[Seen] = field(default_factory=list)
    live: str = ""
    statuses: list[int] = field(default_factory=list)

    def answer(self, seen: Seen) -> Answer:
        if seen.target == "/base/login":
            self.logins.append(seen)
            self.live = f"canary-session-{len(self.logins)}"
            body, headers, status = self.gives(self.live)
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            return [0.01, http(content, *headers, status=status)]
        is_good = bool(self.live) and self.shows(seen) == self.live
        self.statuses.append(200 if is_good else 401)
        return [http(b"{}", status="200 OK" if is_good else "401 Unauthorized")]


def bearer(seen: Seen) -> str:
    return seen.headers.get("Authorization", "").removeprefix("Bearer ")


def in_body(session: str) -> tuple[Any, tuple[str, ...], str]:
    return {"data": {"token": session}}, (), "200 OK"


@contextlib.asynccontextmanager
async def api(sessions: Sessions, auth: Login, **more: Any) -> AsyncIterator[tuple[AiohttpTransport, RawServer]]:
    async with (
        raw_server(by=sessions.answer) as server,
        transport_to(f"{server.url}/base", auth=auth, headers=(("X-Tenant", "7"),), **more) as transport,
    ):
        yield transport, server


async def test_fifty_requests_share_one_login_and_its_renewal() -> None:
    """JSON to the API itself, with its headers; after a 401 one logs in again for all."""
    sessions, clock, redactor = Sessions(in_body, bearer), FakeClock(), Redactor()
    auth = Login("/login", json={"credentials": USER}, token_at="data.token")
    async with api(sessions, auth, clock=clock, redactor=redactor, in_flight=50) as (transport, server):
        for seconds, logins in ((0, 1), (100, 2)):
            clock.advance(seconds)
            sessions.live = ""
            answers = await asyncio.gather(*(get(transport, server) for _ in range(50)))
            assert [answer.status for answer in answers] == [200] * 50
            assert len(sessions.logins) == logins
    assert json.loads(sessions.logins[0].body) == {"credentials": USER}
    assert sessions.logins[0].headers["X-Tenant"] == "7"
    said = "canary-password and canary-session-2"
    assert "canary" not in redactor.redact(said)
    assert "canary" not in repr(auth)


async def test_a_token_may_come_in_a_header_and_go_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keystone answers 201 with X-Subject-Token, and wants X-Auth-Token. Secrets are read at any depth."""
    monkeypatch.setenv("PASSWORD", "canary-of-a-variable")
    sessions = Sessions(
        lambda session: ({}, (f"X-Subject-Token: {session}",), "201 Created"), lambda seen: seen.headers["X-Auth-Token"]
    )
    auth = Login(
        "/login",
        json={"methods": ["password", {"secret": env("PASSWORD")}]},
        token_header="X-Subject-Token",
        header="X-Auth-Token",
        prefix="",
    )
    redactor = Redactor()
    async with api(sessions, auth, redactor=redactor) as (transport, server):
        assert (await get(transport, server)).status == 200
    assert json.loads(sessions.logins[0].body) == {"methods": ["password", {"secret": "canary-of-a-variable"}]}
    assert "canary" not in redactor.redact("canary-of-a-variable, X-Auth-Token: canary-session-1")


async def test_a_cookie_goes_along_with_those_of_the_request() -> None:
    """A form for browsers: 302 with the cookie, after one that deletes another. Cookies of an item stay."""
    cookies = ("Set-Cookie: SID=canary-old; Path=/", "Set-Cookie: OTHER=; Max-Age=0")
    sessions = Sessions(
        lambda session: ({}, (*cookies, f"Set-Cookie: SID={session}; HttpOnly", "Location: /home"), "302 Found"),
        lambda seen: dict(pair.split("=") for pair in seen.headers["Cookie"].split("; ")).get("SID", ""),
    )
    async with api(sessions, Login("/login", form=USER, cookie="SID")) as (transport, server):
        assert (await get(transport, server, "/", ("Cookie", "pin=3; SID=stale"))).status == 200
        assert server.requests[-1].headers["Cookie"] == "pin=3; SID=canary-session-1"
        assert [seen.target for seen in server.requests] == ["/base/login", "/"]
    assert parse_qsl(sessions.logins[0].body.decode()) == [*USER.items()]


@pytest.mark.parametrize("leads", [True, False], ids=["redirect", "in place"])
async def test_a_login_page_says_that_a_session_has_ended_where_a_rule_says_so(leads: bool) -> None:
    """One logs in again for all that are under way; the requests themselves are sent again, and not the page's."""
    sessions = Sessions(in_body, bearer)

    def answer(seen: Seen) -> Answer:
        if seen.target == "/base/login" and seen.method == "POST":
            return sessions.answer(seen)
        if bearer(seen) == sessions.live and seen.target != "/base/login":
            return [http(b'{"asked": "%s"}' % seen.target.encode())]
        if leads and seen.target != "/base/login":
            return [http(b"", "Location: /base/login", status="302 Found")]
        return [http(PAGE, "Content-Type: text/html; charset=utf-8")]

    auth = Login("/login", json=USER, token_at="data.token")
    rules = (Rule(Action.AUTH, status=200, header="Content-Type: text/html*"),)
    async with raw_server(by=answer) as server:
        async with client_of(f"{server.url}/base", rules, auth=auth, in_flight=20) as client:
            for logins in (1, 2):
                sessions.live = "none"
                asked = [f"/base/{number}" for number in range(20)]
                found = await asyncio.gather(*(client.session().json(path[5:], at="asked") for path in asked))
                assert (found, len(sessions.logins)) == (asked, logins)
        # A session that is worth nothing from its beginning is one login, and no outage.
        sessions.live, sessions.gives = "", lambda _: ({"data": {"token": "anonymous"}}, (), "200 OK")
        async with client_of(f"{server.url}/base", rules, auth=auth, in_flight=20) as client:
            failed = await asyncio.gather(
                *(client.session().json(f"/{number}") for number in range(20)), return_exceptions=True
            )
        assert [getattr(error, "action", error) for error in failed] == [Action.AUTH] * 20
        assert len(sessions.logins) == 3


async def test_a_login_page_is_the_refusal_of_what_was_sent_before_it() -> None:
    """A redirect that was answered before somebody logged in again is followed after it."""
    sessions = Sessions(in_body, bearer)

    def answer(seen: Seen) -> Answer:
        if seen.target == "/base/login" and seen.method == "POST":
            return sessions.answer(seen)
        if seen.target == "/base/login":
            return [http(PAGE, "Content-Type: text/html")]
        if bearer(seen) == sessions.live:
            return [http(b'{"asked": "%s"}' % seen.target.encode())]
        wait = 0.2 if seen.target == "/base/2" else 0.0
        return [wait, http(b"", "Location: /base/login", status="302 Found")]

    auth = Login("/login", json=USER, token_at="data.token")
    rules = (Rule(Action.AUTH, status=200, header="Content-Type: text/html*"),)
    async with (
        raw_server(by=answer) as server,
        client_of(f"{server.url}/base", rules, auth=auth, in_flight=4) as client,
    ):
        for _ in range(2):
            sessions.live = "none"
            found = await asyncio.gather(*(client.session().json(f"/{number}", at="asked") for number in range(4)))
            assert found == [f"/base/{number}" for number in range(4)]
    assert len(sessions.logins) == 2


async def test_processes_share_one_session(tmp_path: Path) -> None:
    """Where each login ends the session before, they would end each other's."""
    sessions = Sessions(in_body, bearer)
    auth = Login("/login", json=USER, token_at="data.token")
    async with (
        api(sessions, auth, shared=TokenFile(tmp_path / "token")) as (transport, server),
        transport_to(f"{server.url}/base", auth=auth, shared=TokenFile(tmp_path / "token")) as other,
    ):
        assert (await get(transport, server)).status == 200
        assert (await get(other, server)).status == 200
    assert len(sessions.logins) == 1


@pytest.mark.parametrize(
    "gives",
    [
        ({"error": "bad canary-password"}, (), "401 No"),
        ({"success": False}, (), "200 OK"),
        (PAGE.decode(), (), "200 OK"),
        ({}, ("Set-Cookie: SID=anonymous", "Location: /base/login"), "302 Found"),
    ],
    ids=["401", "200", "page", "302"],
)
async def test_a_wrong_password_is_sent_once(gives: Any, tmp_path: Path) -> None:
    """By all processes and their requests, whatever says that it is wrong: accounts are locked after a few."""
    sessions, clock, path = Sessions(lambda _: gives, lambda _: ""), FakeClock(), tmp_path / "token"
    with_cookie = gives[2].startswith("302")
    auth = Login("/login", form=USER, cookie="SID" if with_cookie else "", token_at="" if with_cookie else "data.token")
    async with raw_server(by=sessions.answer) as server:

        async def fails(shared: TokenFile, declared: Login = auth) -> str:
            async with transport_to(f"{server.url}/base", auth=declared, clock=clock, shared=shared) as transport:
                try:
                    answer = await get(transport, server)
                except TransportError as fault:
                    return fault.text if fault.kind is Fault.AUTH else "no refusal"
            assert answer.status == 401
            return ""

        await fails(TokenFile(path))
        for _ in range(8):
            clock.advance(15)
            assert "With the same secret it is not asked again until all workers have ended" in await fails(
                TokenFile(path)
            )
        assert len(sessions.logins) == 1
        await fails(TokenFile(path), replace(auth, form={**USER, "password": "canary-other"}))
        assert len(sessions.logins) == 2
        shared = TokenFile(path)
        shared.clear()
        await fails(shared)
        assert len(sessions.logins) == 3
        clock.advance(601)
        await fails(shared)
        assert len(sessions.logins) == 4
    assert "canary" not in path.read_text()


@pytest.mark.parametrize(
    ("gives", "text", "kind"),
    [
        (({"error": "bad canary-password"}, (), "401 No"), "it refused with 401 bad ***", Fault.AUTH),
        (({"message": "no such user"}, (), "401 No"), "it refused with 401 no such user", Fault.AUTH),
        (({}, (), "200 OK"), "without an access token: there is nothing at 'data.token'", Fault.AUTH),
        (({}, ("Location: https://example.org/x",), "302 Found"), "it refused with 302", Fault.AUTH),
        (({}, ("Retry-After: 7",), "503 Busy"), "it answered 503", Fault.ISSUER),
    ],
    ids=["401", "401 with a message", "200", "302", "503"],
)
async def test_a_login_that_fails_is_said(gives: Any, text: str, kind: Fault) -> None:
    """Nothing is sent elsewhere, and no answer of a login counts against an item."""
    auth = Login("/login", json=USER, token_at="data.token")
    async with api(Sessions(lambda _: gives, bearer), auth) as (transport, server):
        fault = await fault_of(transport, server)
    assert fault.text.startswith("the login at /login: it ")
    assert text in fault.text
    assert fault.kind is kind


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"path": "login"}, "The path of a login begins with a slash, such as /session, and not 'login'."),
        ({"path": "https://example.org/login"}, "The path of a login begins with a slash"),
        ({"path": "//example.org/login"}, "The path of a login begins with a slash"),
        ({"form": USER}, "A login sends one body. Give `json` or `form`, and not both."),
        ({"json": None}, "A login sends one body."),
        ({"cookie": "SID"}, "A login gives a token or a cookie. Give one of `token_at`, `token_header` and `cookie`."),
        ({"token_at": ""}, "A login gives a token or a cookie."),
        ({"token_at": "", "cookie": "SID", "header": "X"}, "`header` and `prefix` are for a token; a cookie goes in"),
        ({"token_at": "", "cookie": "S ID"}, "'S ID' is not a valid name."),
    ],
)
def test_a_login_that_cannot_be_is_refused(given: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Login(**{"path": "/login", "json": USER, "token_at": "token", **given})
    assert text in str(caught.value)
