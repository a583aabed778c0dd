"""Digest (RFC 7616): the examples of the RFCs, a server that counts, and aiohttp's own client as a second opinion."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass, field

import aiohttp
import pytest

from haulier.api.errors import Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request
from haulier.api.identity.digest import Challenge, Digest, authorization, strongest
from tests.api.wire.raw_server import Answer, Seen, http, raw_server
from tests.api.wire.wire import fault_of, get, transport_to

MUFASA = {
    "realm": "http-auth@example.org",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    "qop": "auth",
}


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: str, response: str) -> None:
    """Section 3.9.1, to the letter."""
    value = authorization(
        Challenge(MUFASA["realm"], MUFASA["nonce"], algorithm, MUFASA["qop"], MUFASA["opaque"]),
        "Mufasa",
        "Circle of Life",
        Request("GET", "http://api.example.org/dir/index.html"),
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        1,
    )
    assert f'response="{response}"' in value
    assert ", qop=auth, nc=00000001, " in value
    assert 'username="Mufasa"' in value


def test_the_example_of_rfc_2617_and_a_server_without_qop() -> None:
    """Section 3.5 of it; and the form of RFC 2069, which old cameras and routers speak, from curl's own tests."""
    challenge = Challenge(
        "testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "", "auth", "5ccc069c403ebaf9f0171e9517f40e41"
    )
    request = Request("GET", "http://host.com/dir/index.html")
    value = authorization(challenge, "Mufasa", "Circle Of Life", request, "0a4f113b", 1)
    assert 'response="6629fae49393a05397450978507c4ef1"' in value
    bare = authorization(Challenge("r", "n", "", ""), "u", "p", request, "c", 1)
    first, second = (hashlib.md5(text.encode()).hexdigest() for text in ("u:r:p", "GET:/dir/index.html"))
    assert f'response="{hashlib.md5(f"{first}:n:{second}".encode()).hexdigest()}"' in bare
    assert "qop" not in bare
    assert "cnonce" not in bare


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (
            [
                'Digest realm="r", nonce="n", qop="auth", algorithm=MD5',
                'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth,auth-int"',
            ],
            "SHA-256",
        ),
        (['Basic realm="b", Digest realm="r", nonce="n", qop="auth-int, auth", stale=TRUE, Bearer realm="x"'], ""),
        (['digest REALM = "a \\"b\\"", nonce=n, algorithm=MD5-sess, qop=auth'], "MD5-sess"),
        (
            ["Negotiate", 'Digest realm="r", nonce="n", algorithm=SHA-512-256', 'Digest realm="r",nonce="n"'],
            "SHA-512-256",
        ),
    ],
    ids=["two", "among others", "loosely written", "without qop"],
)
def test_the_strongest_challenge_is_answered(lines: list[str], found: str) -> None:
    challenge = strongest(lines)
    assert challenge is not None
    assert challenge.algorithm == found
    assert challenge.is_stale is ("TRUE" in lines[0])
    assert strongest(['Basic realm="b"', "Negotiate"]) is None


@dataclass
class Counting:
    """Checks each field on its own. A nonce is good for some requests, each with its own count; then it is stale."""

    algorithm: str = "SHA-256"
    uses: int = 1000
    says_stale: bool = True
    password: str = "canary-password"
    nonces: dict[str, set[str]] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    needs_cookie: bool = False
    """As Flask-HTTPAuth does, which keeps its nonces in a session's cookie; curl without a jar is refused by it."""

    def answer(self, seen: Seen) -> Answer:
        said = dict(re.findall(r'(\w+)="?([^",]+)"?', seen.headers.get("Authorization", "")))
        counts = self.nonces.get(said.get("nonce", ""))
        is_right = bool(said) and said["response"] == self.expected(seen, said) and said["uri"] == seen.target
        if self.needs_cookie and said and f"session={said['nonce']}" not in seen.headers.get("Cookie", "").split("; "):
            is_right = False
        if is_right and counts is not None and len(counts) < self.uses and said["nc"] not in counts:
            counts.add(said["nc"])
            self.statuses.append(200)
            return [http(b"{}")]
        nonce = f"nonce-{len(self.nonces)}"
        self.nonces[nonce] = set()
        stale = ", stale=true" if is_right and self.says_stale else ""
        fields = f'realm="api", nonce="{nonce}", qop="auth", opaque="o", algorithm={self.algorithm}{stale}'
        self.statuses.append(401)
        cookies = [f"Set-Cookie: session={nonce}; HttpOnly; Path=/", "Set-Cookie: old=; Max-Age=0"]
        return [http(b"{}", f"WWW-Authenticate: Digest {fields}", *cookies, status="401 Unauthorized")]

    def expected(self, seen: Seen, said: dict[str, str]) -> str:
        def hashed(text: str) -> str:
            return hashlib.new(self.algorithm.removesuffix("-sess").replace("-", "").lower(), text.encode()).hexdigest()

        first = hashed(f"me:api:{self.password}")
        if self.algorithm.endswith("-sess"):
            first = hashed(f"{first}:{said['nonce']}:{said['cnonce']}")
        second = hashed(f"{seen.method}:{said['uri']}")
        return hashed(f"{first}:{said['nonce']}:{said['nc']}:{said['cnonce']}:auth:{second}")


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess"])
async def test_requests_are_signed_with_path_and_query(algorithm: str) -> None:
    """One refusal tells how; from then on each request is signed at once. The server takes aiohttp's client too."""
    api = Counting(algorithm)
    async with raw_server(by=api.answer) as server:
        async with transport_to(server, auth=Digest("me", "canary-password")) as transport:
            for target in ("/a?b=c%2Fd&e=", "/", "/a/b"):
                assert (await get(transport, server, target)).status == 200
        assert api.statuses == [401, 200, 200, 200]
        theirs = aiohttp.DigestAuthMiddleware("me", "canary-password")
        async with (
            aiohttp.ClientSession(middlewares=(theirs,)) as session,
            session.get(f"{server.url}/a?b=c") as answer,
        ):
            assert answer.status == 200


@pytest.mark.parametrize("says_stale", [True, False])
async def test_parallel_requests_have_counts_of_their_own_and_outlive_a_nonce(says_stale: bool) -> None:
    """Twelve at a time, with nonces that run out in the middle, also where the server does not call them stale."""
    api = Counting(uses=20, says_stale=says_stale)
    async with (
        raw_server(by=api.answer) as server,
        transport_to(server, auth=Digest("me", "canary-password"), in_flight=12) as transport,
    ):
        answers = await asyncio.gather(*(get(transport, server, f"/{number}") for number in range(100)))
        assert [answer.status for answer in answers] == [200] * 100
        assert api.statuses.count(200) == 100


async def test_a_nonce_may_be_good_for_one_request() -> None:
    """Also where eight ask at once, and the server does not say that the nonce is stale: each gets one of its own."""
    api = Counting(uses=1, says_stale=False)
    async with (
        raw_server(by=api.answer) as server,
        transport_to(server, auth=Digest("me", "canary-password"), in_flight=8) as transport,
    ):
        for _ in range(3):
            answers = await asyncio.gather(*(get(transport, server, f"/{number}") for number in range(8)))
            assert [answer.status for answer in answers] == [200] * 8


async def test_a_cookie_beside_the_nonce_goes_with_it() -> None:
    """And no further: those of the request stay."""
    api = Counting(uses=20, needs_cookie=True)
    async with (
        raw_server(by=api.answer) as server,
        transport_to(server, auth=Digest("me", "canary-password"), in_flight=12) as transport,
    ):
        asked = (get(transport, server, "/", ("Cookie", "pin=3; session=x")) for _ in range(50))
        assert {answer.status for answer in await asyncio.gather(*asked)} == {200}
        good = [seen.headers["Cookie"] for seen in server.requests if "Authorization" in seen.headers]
        assert all(re.fullmatch(r"pin=3; session=nonce-\d+", cookies) for cookies in good)


async def test_a_wrong_password_is_asked_twice_and_no_more() -> None:
    """Without credentials, and with them; then it is a person's matter (G7: no part of it is said)."""
    api, redactor = Counting(), Redactor()
    async with (
        raw_server(by=api.answer) as server,
        transport_to(server, auth=Digest("me", "canary-wrong"), redactor=redactor) as transport,
    ):
        assert (await get(transport, server)).status == 401
        assert api.statuses == [401, 401]
        assert (await get(transport, server)).status == 401
        assert len(api.statuses) == 3
    assert "canary" not in redactor.redact("it is canary-wrong")
    assert "canary" not in repr(Digest("canary", "canary"))


@pytest.mark.parametrize("more", ['qop="auth-int"', "algorithm=SHA-3"])
async def test_what_cannot_be_answered_is_said(more: str) -> None:
    header = f'WWW-Authenticate: Digest realm="r", nonce="n", {more}'
    async with (
        raw_server([http(b"{}", header, status="401 Unauthorized")]) as server,
        transport_to(server, auth=Digest("me", "secret")) as transport,
    ):
        fault = await fault_of(transport, server)
    assert fault.kind is Fault.AUTH
    assert "the API asks for Digest by " in fault.text
    assert "haulier answers SHA-512-256, SHA-256, MD5 with qop auth" in fault.text


def test_a_name_that_is_not_ascii_has_the_form_of_the_rfc() -> None:
    value = authorization(Challenge("r", "n", "MD5", "auth"), "Jäsøn", "p", Request("GET", "http://h/"), "c", 1)
    assert "username*=UTF-8''J%C3%A4s%C3%B8n," in value
