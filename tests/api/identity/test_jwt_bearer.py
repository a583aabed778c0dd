"""JWTs that haulier signs (RFC 7523), checked by the issuer as it would: signature, audience, times (G7)."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import TransportError
from haulier.api.identity.auth import env
from haulier.api.identity.jwt_bearer import Jwt, JwtBearer
from haulier.api.identity.shared_token import TokenFile
from haulier.errors import UsageError
from haulier.testing.clock import FakeClock
from tests.api.identity.test_token_endpoint import Scene, plain, scene
from tests.api.wire.raw_server import http, raw_server
from tests.api.wire.wire import get, transport_to

PRIVATE = ec.generate_private_key(ec.SECP256R1())
PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
SECRET = "canary-secret-of-thirty-two-bytes!"


def signed(**given: Any) -> Jwt:
    return Jwt(**{"key": PEM, "algorithm": "ES256", "issuer": "me@example.com", **given})


def checked(token: str, here: Scene, audience: str) -> dict[str, Any]:
    """The claims, as an issuer reads them whose clock is half a minute behind ours."""
    read: dict[str, Any] = jwt.decode(
        token,
        PRIVATE.public_key(),
        algorithms=["ES256"],
        audience=audience,
        options={"verify_exp": False, "verify_iat": False, "require": ["iat", "exp", "jti"]},
    )
    now = here.clock.now().timestamp() - 30
    assert read["iat"] <= now < read["exp"] == read["iat"] + 300
    return read


async def test_a_signed_jwt_is_exchanged_for_a_token() -> None:
    """Google's and Salesforce's way: the grant jwt-bearer, a new JWT for each token."""
    declared = signed(subject="you@example.com", claims={"scope": "read"}, key_id="7")
    async with scene(lambda url: JwtBearer(declared, url), answer=plain) as here:
        assert await here.get() == 200
        form = parse_qs(here.told.body.decode())
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        claims = checked(form["assertion"][0], here, f"{here.issuer.url}/token")
        assert (claims["iss"], claims["sub"], claims["scope"]) == ("me@example.com", "you@example.com", "read")
        assert jwt.get_unverified_header(form["assertion"][0])["kid"] == "7"
        here.clock.advance(3600)
        here.api.answers = [[http(b"{}", status="401 Unauthorized")], [http(b"{}")]]
        here.api.requests.clear()
        assert await here.get() == 200
        again = parse_qs(here.told.body.decode())["assertion"][0]
        assert checked(again, here, f"{here.issuer.url}/token")["jti"] != claims["jti"]
        assert again not in here.redactor.redact(f"sent {again} there")


async def test_the_time_of_a_refusal_is_taken_once() -> None:
    """This machine's clock is an hour behind: each JWT would have ended long ago."""
    clock = FakeClock()
    there = clock.now() + timedelta(hours=1)
    date = f"Date: {format_datetime(there.astimezone(UTC), usegmt=True)}"
    refused = (({"error": "invalid_grant"}, "400 Bad Request", (date,)),)
    granted = ({"access_token": "canary-token-2", "expires_in": 60}, "200 OK", ())
    said: list[Any] = [*refused, granted, *refused * 2]
    async with scene(lambda url: JwtBearer(signed(), url), answer=lambda _: said.pop(0), clock=clock) as here:
        assert await here.get() == 200
        first, second = (parse_qs(seen.body.decode())["assertion"][0] for seen in here.issuer.requests)
        assert _issued_at(second) - _issued_at(first) == 3600
        here.clock.advance(4000)
        with pytest.raises(TransportError, match="invalid_grant"):
            await here.get()
        assert len(said) == 0, "the clocks differ by another time now, and then no more"


def _issued_at(token: str) -> int:
    return int(jwt.decode(token, options={"verify_signature": False})["iat"])


async def test_a_jwt_proves_the_client_in_place_of_a_secret() -> None:
    """private_key_jwt: a client assertion beside the usual grant."""
    auth = lambda url: JwtBearer(signed(audience="https://issuer"), url, use="client", client_id="app", scope="read")  # noqa: E731
    async with scene(auth, answer=plain) as here:
        assert await here.get() == 200
        form = {name: values[0] for name, values in parse_qs(here.told.body.decode()).items()}
        checked(form.pop("client_assertion"), here, "https://issuer")
        assert form == {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_id": "app",
            "scope": "read",
        }


async def test_a_jwt_is_the_bearer_of_a_post_without_fields() -> None:
    """GitHub's apps: 201, `token`, and an end as a moment."""
    ends = FakeClock().now().replace(year=FakeClock().now().year + 1).isoformat()
    auth = lambda url: JwtBearer(  # noqa: E731
        signed(), url, use="bearer", token_at="token", expires={"at": "expires_at", "format": "iso"}
    )
    answer = lambda token: ({"token": token, "expires_at": ends}, "201 Created", ())  # noqa: E731
    async with scene(auth, answer=answer) as here:
        assert await here.get() == 200
        assert (here.told.method, here.told.body) == ("POST", b"")
        assert "Content-Type" not in here.told.headers
        checked(here.told.headers["Authorization"].removeprefix("Bearer "), here, f"{here.issuer.url}/token")


async def test_without_an_issuer_the_jwt_itself_goes_to_the_api() -> None:
    """Signed anew before it ends, and once where the API refuses it; each process signs its own."""
    clock, redactor = FakeClock(), Redactor()
    auth = JwtBearer(Jwt(key=SECRET, algorithm="HS256", audience="api", lifetime_seconds=100))
    async with (
        raw_server([http(b"{}")]) as api,
        transport_to(
            api, auth=auth, clock=clock, redactor=redactor, shared=TokenFile(Path("/nowhere/at/all"))
        ) as sender,
    ):
        for seconds in (0, 24, 2):
            clock.advance(seconds)
            await get(sender, api)
        shown = [seen.headers["Authorization"].removeprefix("Bearer ") for seen in api.requests]
        assert shown[0] == shown[1] != shown[2]
        assert jwt.decode(shown[2], SECRET, ["HS256"], audience="api", options={"verify_exp": False})["aud"] == "api"
        assert shown[2] not in redactor.redact(shown[2])
        assert SECRET not in redactor.redact(SECRET)


async def test_a_key_in_a_variable_may_have_its_line_ends_written_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEM", PEM.replace("\n", "\\n"))
    (tmp_path / "key.pem").write_text(PEM)
    (tmp_path / "windows.pem").write_bytes(b"\xef\xbb\xbf" + PEM.replace("\n", "\r\n").encode())
    files = [{"key_file": str(tmp_path / name), "key": ""} for name in ("key.pem", "windows.pem")]
    for key in ({"key": env("PEM")}, *files):
        async with scene(lambda url, key=key: JwtBearer(signed(**key), url), answer=plain) as here:  # type: ignore[misc]
            assert await here.get() == 200


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Jwt(), "A JWT is signed with one key. Give `key` or `key_file`, and not both."),
        (lambda: Jwt(key="k", key_file="f"), "A JWT is signed with one key."),
        (lambda: signed(algorithm="none"), "algorithm must be one of RS256, RS384,"),
        (lambda: signed(lifetime_seconds=7200), "The lifetime of a JWT is from 1 s to 60 minutes."),
        (lambda: signed(claims={"exp": 1}), "The claim exp is set by haulier. Write it as issuer, subject,"),
        (lambda: JwtBearer(signed(), "http://example.com/t"), "token_url must be an https:// address without a user"),
        (lambda: JwtBearer(signed(), "https://example.com/t", use="proof"), "use must be one of grant, client, bearer"),
        (lambda: JwtBearer(signed(), scope="read"), "Without a token_url the JWT goes to the API itself."),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        make()
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ({"key": "canary-no-key"}, "The key of the JWT cannot sign with ES256. It must be a private key in PEM"),
        ({"algorithm": "RS256"}, "The key of the JWT cannot sign with RS256."),
        ({"key": PUBLIC}, "The key of the JWT cannot sign with ES256. It must be a private key"),
        (
            {"key": "", "key_file": "/nowhere/key.pem"},
            "The key file /nowhere/key.pem of the JWT cannot be read: No such",
        ),
    ],
)
async def test_a_wrong_key_is_found_when_the_api_is_opened(key: dict[str, str], text: str) -> None:
    """Nothing was asked, and no part of the key is said."""
    with pytest.raises(UsageError) as caught:
        async with scene(lambda url: JwtBearer(signed(**key), url), answer=plain):
            raise AssertionError("it was opened")
    assert text in str(caught.value)
    assert "canary" not in str(caught.value)


async def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(UsageError, match=r"PyJWT is not installed.*pip install '\.\[jwt\]'"):
        async with scene(lambda url: JwtBearer(signed(), url), answer=plain):
            raise AssertionError("it was opened")


def test_claims_may_be_secret_and_are_not_shown() -> None:
    declared = JwtBearer(signed(claims={"password": "canary"}))
    assert "canary" not in repr(declared)
    assert "PRIVATE" not in repr(declared)
    assert json.dumps(PEM) not in repr(declared)
