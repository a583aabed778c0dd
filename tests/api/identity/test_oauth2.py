"""OAuth 2 client credentials: one token for all, in time, and no secret to anybody but the issuer (G7)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import os
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest

from haulier.api.answers.judgement import judge
from haulier.api.errors import Action, Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request
from haulier.api.identity.auth import env
from haulier.api.identity.oauth2 import ClientCredentials
from haulier.api.identity.shared_token import SharedToken, TokenFile
from haulier.api.wire.aiohttp_transport import AiohttpTransport
from haulier.clock import SystemClock
from haulier.errors import UsageError
from haulier.testing.clock import FakeClock
from tests.api.wire.raw_server import Answer, Do, RawServer, Seen, http, raw_server
from tests.api.wire.wire import fault_of, get, transport_to

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@dataclass
class Scene:
    """An issuer and an API that know of each other. The n-th token is ``canary-token-n``."""

    clock: Any = field(default_factory=FakeClock)
    redactor: Redactor = field(default_factory=Redactor)
    expires_in: Any = 3600
    thinks_seconds: float = 0.02
    refuses: Answer | None = None
    """What the issuer says instead of a token."""
    issued: int = 0
    accepted: set[str] = field(default_factory=set)
    is_one_live: bool = False
    """A new token revokes the older ones."""
    serves: int = 0
    """So many answers, then a token is revoked; 0: any number."""
    served: Counter[str] = field(default_factory=Counter)
    answers: list[int] = field(default_factory=list)
    issuer: RawServer = field(init=False)
    api: RawServer = field(init=False)
    transport: AiohttpTransport = field(init=False)

    def issue(self, seen: Seen) -> Answer:
        if self.refuses is not None:
            return [self.thinks_seconds, *self.refuses]
        self.issued += 1
        token = f"canary-token-{self.issued}"
        if self.is_one_live:
            self.accepted.clear()
        self.accepted.add(token)
        granted = {"access_token": token, "token_type": "bearer", "expires_in": self.expires_in}
        return [self.thinks_seconds, http(msgspec.json.encode(granted))]

    def answer(self, seen: Seen) -> Answer:
        token = seen.headers.get("Authorization", "").removeprefix("Bearer ")
        is_good = token in self.accepted
        self.served[token] += is_good
        if self.served[token] == self.serves:
            self.accepted.discard(token)
        self.answers.append(200 if is_good else 401)
        return [http(b"{}")] if is_good else [http(b"{}", status="401 Unauthorized")]

    async def get(self) -> int:
        return (await get(self.transport, self.api)).status


@contextlib.asynccontextmanager
async def scene(in_flight: int = 50, shared: TokenFile | None = None, **given: Any) -> AsyncIterator[Scene]:
    here = Scene(**given)
    async with raw_server(by=here.issue) as here.issuer, raw_server(by=here.answer) as here.api:
        auth = ClientCredentials(f"{here.issuer.url}/token", "an id", "canary-secret", scope="read all")
        async with transport_to(
            here.api,
            auth=auth,
            clock=here.clock,
            redactor=here.redactor,
            in_flight=in_flight,
            shared=shared,
            headers=(("X-Own", "1"),),
        ) as here.transport:
            yield here


async def test_fifty_requests_share_one_token() -> None:
    """Single flight: whoever comes first asks the issuer, the others wait for what it gets."""
    async with scene() as here:
        assert await asyncio.gather(*(here.get() for _ in range(50))) == [200] * 50
        assert await here.get() == 200
        assert here.issued == 1


@pytest.mark.parametrize(
    ("expires_in", "early_seconds"),
    [(3600, 2880), (120, 60), (200, 140), ("1000", 800), (40, 20), (1.0, 0.5)],
)
async def test_a_token_is_renewed_before_its_end(expires_in: Any, early_seconds: float) -> None:
    """At four fifths of its life or a minute before its end, never in its first half; a request never meets its end."""
    async with scene(expires_in=expires_in) as here:
        await here.get()
        here.clock.advance(early_seconds - 0.1)
        await here.get()
        assert here.issued == 1
        here.clock.advance(0.2)
        assert await asyncio.gather(*(here.get() for _ in range(20))) == [200] * 20
        assert here.issued == 2


@pytest.mark.parametrize("expires_in", [None, 0, -1, "never"])
async def test_a_token_without_an_end_serves_until_it_is_refused(expires_in: Any) -> None:
    """No end, or none that can be read, is not the end."""
    async with scene(expires_in=expires_in) as here:
        await here.get()
        here.clock.advance(10_000_000)
        await here.get()
        assert here.issued == 1


async def test_a_401_renews_the_token_once_for_all_in_flight() -> None:
    """Failures, `401`: refresh once (single flight), repeat; right with 50 requests in flight."""
    async with scene() as here:
        await here.get()
        here.clock.advance(100)
        here.accepted = set()  # Revoked, long before its end.
        here.answers.clear()
        assert await asyncio.gather(*(here.get() for _ in range(50))) == [200] * 50
        assert here.issued == 2
        assert here.answers.count(401) <= 50
        assert here.answers.count(200) == 50


async def test_a_token_that_is_refused_at_once_is_not_renewed_again_and_again() -> None:
    """Another would be refused as well: the 401 is the answer, and a person is told."""
    async with scene() as here:
        here.api.answers = [[http(b"{}", status="401 Unauthorized")]]
        for _ in range(5):
            answer = await get(here.transport, here.api)
            assert judge(answer, now=NOW).action is Action.AUTH
        assert here.issued == 1
        here.clock.advance(60)
        assert await here.get() == 401
        assert here.issued == 2
        assert len(here.api.requests) == 7


async def test_a_token_that_worked_was_revoked_however_young_it_is() -> None:
    """It served 950 good answers, and was revoked six seconds after its issue: one refresh for the twelve under way,
    and they go on."""
    async with scene(in_flight=12) as here:
        for _ in range(950 // 50):
            await asyncio.gather(*(here.get() for _ in range(50)))
        here.clock.advance(6)
        here.accepted = set()
        assert await asyncio.gather(*(here.get() for _ in range(12))) == [200] * 12
        assert here.issued == 2


async def test_whether_it_worked_is_asked_of_each_token() -> None:
    """The first one worked, the second never did: it is not the token."""
    async with scene() as here:
        await here.get()
        here.clock.advance(6)
        here.api.answers = [[http(b"{}", status="401 Unauthorized")]]
        assert [await here.get() for _ in range(5)] == [401] * 5
        assert here.issued == 2


async def test_the_issuer_is_asked_once_a_second_at_most_for_tokens_that_are_revoked() -> None:
    """G5: an API that revokes at once does not make us storm its login."""
    async with scene() as here:
        await here.get()
        here.accepted = set()
        again = asyncio.create_task(here.get())
        while len(here.answers) < 2:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        assert here.issued == 1
        here.clock.advance(1.1)
        assert await again == 200
        assert here.issued == 2


async def test_tokens_that_serve_few_answers_are_renewed_again_and_again() -> None:
    """More than once for one request where that must be: it met two that were used up."""
    async with scene(in_flight=4, serves=8, clock=SystemClock(), thinks_seconds=0.0) as here:
        assert await asyncio.gather(*(here.get() for _ in range(24))) == [200] * 24
        assert here.issued in (3, 4)


async def test_an_issuer_that_asks_to_wait_for_days_is_for_a_person() -> None:
    """Nobody waits for it in silence."""
    async with scene(refuses=[http(b"", "Retry-After: 900000", status="503 X")]) as here:
        fault = await fault_of(here.transport, here.api)
        assert fault.kind is Fault.AUTH
        assert "more than a day" in fault.text


async def test_processes_share_one_token_where_each_new_one_revokes_the_older(tmp_path: Path) -> None:
    """One asks the issuer, the others take what it got; after a 401 too, and ahead of its end."""
    async with (
        scene(shared=TokenFile(tmp_path / "token"), is_one_live=True) as here,
        contextlib.AsyncExitStack() as more,
    ):
        auth = ClientCredentials(f"{here.issuer.url}/token", "an id", "canary-secret", scope="read all")
        others = [
            await more.enter_async_context(
                transport_to(here.api, auth=auth, clock=here.clock, shared=TokenFile(tmp_path / "token"))
            )
            for _ in range(2)
        ]

        async def all_three() -> list[int]:
            asked = [get(transport, here.api) for transport in (here.transport, *others) for _ in range(4)]
            return [answer.status for answer in await asyncio.gather(*asked)]

        everybody = asyncio.create_task(all_three())
        while not everybody.done():
            here.clock.advance(0.05)  # They look at the lock every twentieth of a second.
            await asyncio.sleep(0.005)
        assert await everybody == [200] * 12
        assert here.issued == 1
        for seconds in (100, 2_900):
            here.clock.advance(seconds)
            if seconds == 100:
                here.accepted = set()
            everybody = asyncio.create_task(all_three())
            while not everybody.done():
                here.clock.advance(0.05)
                await asyncio.sleep(0.005)
            assert await everybody == [200] * 12
        assert here.issued == 3


async def test_what_a_dead_process_left_behind_is_tried_once(tmp_path: Path) -> None:
    """Its token was revoked since: another is fetched, and nobody takes the old one for refused credentials."""
    async with scene(shared=TokenFile(tmp_path / "token")) as here:
        await here.get()
        here.accepted = set()
        here.clock.advance(5)
        auth = ClientCredentials(f"{here.issuer.url}/token", "an id", "canary-secret", scope="read all")
        async with transport_to(here.api, auth=auth, clock=here.clock, shared=TokenFile(tmp_path / "token")) as other:
            assert (await get(other, here.api)).status == 200
        shown = [seen.headers["Authorization"][-1] for seen in here.api.requests]
        assert (shown, here.issued) == (["1", "1", "2"], 2)


def kept(path: Path) -> str:
    return path.read_text()


async def test_the_shared_file_is_for_this_user_alone_and_has_no_secret(tmp_path: Path) -> None:
    """G7: mode 0600 from its first byte, also where it was there before; the client's secret is not in it."""
    path = tmp_path / "token"
    path.touch(mode=0o644)
    async with scene(shared=TokenFile(path)) as here:
        await here.get()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "canary-token-1" in kept(path)
        assert "canary-secret" not in kept(path)
        assert base64.b64encode(b"canary-secret").decode()[:-2] not in kept(path)
        TokenFile(path).clear()
        assert kept(path) == ""


@pytest.mark.parametrize("spoilt", ["", "{", "[]", '{"value":"x","issued_at":1,"proof":"0"}', "another secret"])
async def test_only_what_was_put_there_with_our_secret_is_taken(tmp_path: Path, spoilt: str) -> None:
    """What somebody else wrote there is not sent to the API, nor what was cut short."""
    path = tmp_path / "token"
    path.write_text(spoilt)
    if spoilt == "another secret":
        theirs = TokenFile(path)
        async with theirs.lock(SystemClock()):
            theirs.write(SharedToken("stolen", 0.0, 9e12, 9e12), b"another secret")
        assert "stolen" in kept(path)
    async with scene(shared=TokenFile(path)) as here:
        assert await here.get() == 200
        assert here.api.requests[0].headers["Authorization"] == "Bearer canary-token-1"


async def test_a_token_without_an_end_is_shared_too(tmp_path: Path) -> None:
    shared = TokenFile(tmp_path / "token")
    async with scene(shared=shared, expires_in=None) as here:
        await here.get()
        auth = ClientCredentials(f"{here.issuer.url}/token", "an id", "canary-secret", scope="read all")
        async with transport_to(here.api, auth=auth, shared=TokenFile(tmp_path / "token")) as other:
            assert (await get(other, here.api)).status == 200
        assert here.issued == 1


@pytest.mark.parametrize("place", ["file/folder/token", "link", "folder"])
async def test_where_it_cannot_be_shared_each_process_has_its_own(
    tmp_path: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, and nothing fails. A link may lead to where others read."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with caplog.at_level(logging.WARNING):
        async with scene(shared=TokenFile(tmp_path / place), expires_in=1.0) as here:
            assert await here.get() == 200
            here.clock.advance(0.6)
            assert await here.get() == 200
            assert here.issued == 2
    assert [record.message for record in caplog.records] == [
        "the access token cannot be shared; each process fetches its own"
    ]
    assert not (tmp_path / "elsewhere").exists()


async def test_the_folder_of_the_shared_file_is_made(tmp_path: Path) -> None:
    """The queue may be elsewhere, and nothing else of the source on this machine: it is for this user alone."""
    path = tmp_path / ".haulier" / "shop" / "token"
    async with scene(shared=TokenFile(path)) as here:
        await here.get()
        assert "canary-token-1" in kept(path)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_process_that_dies_over_it_holds_nobody_up(tmp_path: Path) -> None:
    """The system lets go of its lock; one that is stopped is not waited for without end."""
    path = tmp_path / "token"
    script = (
        "import fcntl,os,sys,time; f=open(sys.argv[1],'w'); fcntl.flock(f,2); print('held',flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    async with scene(shared=TokenFile(path)) as here:
        asked = asyncio.create_task(here.get())
        await asyncio.sleep(0.05)
        assert not asked.done()
        holder.kill()
        holder.communicate()
        here.clock.advance(1)
        assert await asked == 200
    os.truncate(path, 0)
    holder = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        async with scene(shared=TokenFile(path)) as here:
            asked = asyncio.create_task(here.get())
            await asyncio.sleep(0.05)
            for _ in range(3):
                here.clock.advance(20)
                await asyncio.sleep(0.02)
            assert await asked == 200
    finally:
        holder.kill()
        holder.communicate()


async def test_a_late_401_of_an_old_token_is_repeated_with_the_new_one() -> None:
    """The slow one of two finds the token renewed already: it asks nobody, and is not taken for refused."""
    async with scene() as here:
        await here.get()
        here.clock.advance(100)
        here.accepted = set()
        here.api.answers = lambda seen: [0.1 if seen.target == "/slow" else 0, *here.answer(seen)]
        slow = asyncio.create_task(get(here.transport, here.api, "/slow"))
        while len(here.api.requests) < 2:
            await asyncio.sleep(0.001)
        assert await here.get() == 200
        assert not slow.done()
        assert (await slow).status == 200
        assert here.issued == 2


async def test_a_request_is_repeated_once_however_old_the_token_is() -> None:
    """Failures, `401`: refresh once, repeat; still 401 is the answer."""
    async with scene() as here:
        await here.get()
        here.api.answers = [[lambda: here.clock.advance(60), http(b"{}", status="401 Unauthorized")]]
        hops = list[int]()

        async def before_follow_up() -> None:
            hops.append(len(here.api.requests))

        answer = await here.transport.send(
            Request("GET", f"{here.api.url}/").replace(before_follow_up=before_follow_up)
        )
        assert (answer.status, hops) == (401, [2])
        assert len(here.api.requests) == 3


async def test_nobody_waits_for_an_early_renewal() -> None:
    """One request fetches the new token; the others go on with the old one, which is still good."""
    async with scene(thinks_seconds=0.1) as here:
        await here.get()
        here.clock.advance(3_000)
        renewing = asyncio.create_task(here.get())
        while len(here.issuer.requests) < 2:
            await asyncio.sleep(0.001)
        assert await here.get() == 200
        assert not renewing.done()
        assert await renewing == 200


REFUSED: Answer = [http(b'{"error":"invalid_client","error_description":"canary-secret?"}', status="401 Unauthorized")]


async def test_an_issuer_that_refuses_us_is_a_matter_for_a_person() -> None:
    """AUTH, uncharged, in the issuer's words without our secret; one request, however many wait for it."""
    async with scene(refuses=REFUSED) as here:
        faults = await asyncio.gather(*(fault_of(here.transport, here.api) for _ in range(50)))
        assert {fault.kind for fault in faults} == {Fault.AUTH}
        assert judge(faults[0], now=NOW).action is Action.AUTH
        assert "invalid_client" in faults[0].text
        assert "canary" not in faults[0].text
        assert len(here.issuer.requests) == 1
        assert here.api.requests == []


BROKEN: dict[str, Answer] = {
    "503": [http(status="503 Service Unavailable")],
    "no JSON": [http(b"<html>")],
    "no token": [http(b'{"token":"x"}')],
    "a token that no header carries": [http(b'{"access_token":"a\\nb"}')],
    "cut": [http(b'{"access_token":"a"}')[:-1], Do.CLOSE],
}


@pytest.mark.parametrize("name", BROKEN)
async def test_what_is_wrong_with_the_issuer_is_no_items_fault(name: str) -> None:
    """G4: nothing is charged while nobody gets through. A whole answer without a token is a person's matter."""
    is_whole = name in {"no token", "a token that no header carries"}
    async with scene(refuses=BROKEN[name]) as here:
        fault = await fault_of(here.transport, here.api)
        assert judge(fault, now=NOW).final is (Action.AUTH if is_whole else Action.OUTAGE), fault
        assert fault.text.startswith("the issuer of the access token")


async def test_an_issuer_that_asks_to_wait_is_left_alone() -> None:
    """G5: its Retry-After is kept like any other."""
    async with scene(refuses=[http(b"", "Retry-After: 30", status="429 Too Many Requests")]) as here:
        for _ in range(3):
            await fault_of(here.transport, here.api)
        assert len(here.issuer.requests) == 1
        here.clock.advance(30)
        here.refuses = None
        assert await here.get() == 200


async def test_a_failed_early_renewal_keeps_the_old_token() -> None:
    """An issuer's hiccup stops nothing as long as the old token is good; it is asked again after a while, and must
    answer at the end."""
    async with scene() as here:
        await here.get()
        here.refuses = [http(status="503 X")]
        here.clock.advance(2900)
        assert await here.get() == 200
        assert await here.get() == 200
        assert len(here.issuer.requests) == 2
        here.clock.advance(11)
        assert await here.get() == 200
        assert len(here.issuer.requests) == 3
        here.clock.advance(700)
        assert (await fault_of(here.transport, here.api)).kind is Fault.ISSUER


async def test_a_cancelled_fetch_does_not_take_the_others_with_it() -> None:
    """The item that happened to fetch the token is stopped: the next one fetches it."""
    async with scene(thinks_seconds=0.05) as here:
        tasks = [asyncio.create_task(here.get()) for _ in range(5)]
        while not here.issuer.requests:
            await asyncio.sleep(0.001)
        tasks[0].cancel()
        assert await asyncio.gather(*tasks[1:]) == [200] * 4


async def test_the_fetch_waits_for_no_slot() -> None:
    """With one request in flight and no token the token is fetched all the same: no deadlock."""
    async with scene(in_flight=1) as here:
        assert await asyncio.gather(*(here.get() for _ in range(5))) == [200] * 5


async def test_the_issuer_gets_the_secret_and_nothing_else_and_the_api_the_token() -> None:
    """G7, RFC 6749 2.3.1 and 4.4.2: id and secret encoded, then Basic; none of the API's headers."""
    async with scene() as here:
        await here.get()
        asked = here.issuer.requests[0]
        assert (asked.method, asked.target) == ("POST", "/token")
        assert parse_qsl(asked.body.decode()) == [("grant_type", "client_credentials"), ("scope", "read all")]
        assert base64.b64decode(asked.headers["Authorization"].removeprefix("Basic ")) == b"an+id:canary-secret"
        assert "X-Own" not in asked.headers
        assert here.api.requests[0].headers.getall("Authorization") == ["Bearer canary-token-1"]
        assert here.api.requests[0].headers["X-Own"] == "1"
        masked = here.redactor.redact(f"canary-token-1 canary-secret {asked.headers['Authorization']}")
        assert "canary" not in masked
        assert asked.headers["Authorization"][-12:] not in masked


async def test_id_and_secret_may_go_into_the_form() -> None:
    """For issuers that know no Basic; further parameters go with them."""
    async with raw_server([http(b'{"access_token":"t"}')]) as issuer, raw_server([http(b"{}")]) as api:
        auth = ClientCredentials(
            issuer.url, "me", "canary", in_body=True, parameters=(("audience", "https://api.example.com"),)
        )
        async with transport_to(api, auth=auth) as transport:
            await get(transport, api)
    assert dict(parse_qsl(issuer.requests[0].body.decode())) == {
        "grant_type": "client_credentials",
        "audience": "https://api.example.com",
        "client_id": "me",
        "client_secret": "canary",
    }
    assert "Authorization" not in issuer.requests[0].headers


async def test_the_secret_follows_no_redirect() -> None:
    """G7: an issuer that points elsewhere is refused, and nothing is sent there."""
    async with (
        raw_server([http(b'{"access_token":"t"}')]) as other,
        scene(refuses=[http(b"", f"Location: {other.url}/token", status="307 X")]) as here,
    ):
        fault = await fault_of(here.transport, here.api)
    assert fault.kind is Fault.AUTH
    assert other.connections == 0


@pytest.mark.parametrize(
    "url", ["http://login.example.com/token", "https://user:canary@login.example.com/", "login.example.com", "ftp://x/"]
)
def test_a_token_url_that_would_show_the_secret_is_refused(url: str) -> None:
    """G7: the secret goes over https, or to this machine."""
    with pytest.raises(UsageError) as caught:
        ClientCredentials(url, "id", "secret")
    assert "canary" not in str(caught.value)


async def test_a_missing_secret_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first request."""
    monkeypatch.delenv("CLIENT_SECRET", raising=False)
    auth = ClientCredentials("https://login.example.com/token", "id", env("CLIENT_SECRET"))
    with pytest.raises(UsageError, match="CLIENT_SECRET"):
        async with transport_to("http://127.0.0.1:1", auth=auth):
            pass
    assert "CLIENT_SECRET" not in repr(auth)
