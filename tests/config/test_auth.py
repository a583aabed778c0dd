"""Credentials, certificates and proxies in a source file."""

from __future__ import annotations

from pathlib import Path

import pytest

from haulier.api.identity.auth import ApiKey, Auth, Basic, Bearer, Secret
from haulier.api.identity.digest import Digest
from haulier.api.identity.jwt_bearer import Jwt, JwtBearer
from haulier.api.identity.login import Login
from haulier.api.identity.oauth2 import ClientCredentials
from haulier.api.identity.refresh_token import RefreshToken
from haulier.api.identity.sigv4 import AwsSignature
from haulier.api.scope.credential_mark import credential_mark
from haulier.api.settings import Api
from haulier.config.auth_table import AUTH_TABLES
from haulier.config.source_file import load_source
from haulier.errors import SourceFileError

CLIENT = 'token_url = "https://login.example.com/t", client_id = "i", client_secret = "s"'
SIGNED = Jwt(key="k", algorithm="HS256", issuer="i", lifetime_seconds=600, claims={"scope": "read", "n": [1]})
AUTHS: dict[str, Auth] = {
    '{ bearer = "t" }': Bearer("t"),
    '{ bearer = "t", prefix = "token" }': Bearer("t", "token"),
    '{ header = "X-Api-Key", value = "k" }': ApiKey("k", header="X-Api-Key"),
    '{ header = "Authorization", value = "k", prefix = "ApiKey" }': ApiKey(
        "k", header="Authorization", prefix="ApiKey"
    ),
    '{ query = "api_key", value = "k" }': ApiKey("k", query="api_key"),
    '{ user = "u" }': Basic("u"),
    '{ user = "u", password = "p" }': Basic("u", "p"),
    f"{{ {CLIENT} }}": ClientCredentials("https://login.example.com/t", "i", "s"),
    f'{{ {CLIENT}, scope = "read", in_body = true, parameters = {{ audience = "a" }} }}': ClientCredentials(
        "https://login.example.com/t", "i", "s", scope="read", in_body=True, parameters=(("audience", "a"),)
    ),
    '{ aws = "es" }': AwsSignature("es"),
    '{ aws = "aoss", region = "eu-west-1" }': AwsSignature("aoss", region="eu-west-1"),
}
JWT = 'jwt = { key = "k", algorithm = "HS256", issuer = "i", lifetime = "10m", claims = { scope = "read", n = [1] } }'
AUTHS |= {
    '{ path = "/v6/{key}", value = "k" }': ApiKey("k", path="/v6/{key}"),
    f'{{ {CLIENT}, send = "json", token_at = "d.t", header = "X-Auth", prefix = "", expires = {{ at = "d.e" }} }}': (
        ClientCredentials(
            "https://login.example.com/t",
            "i",
            "s",
            send="json",
            token_at="d.t",
            header="X-Auth",
            prefix="",
            expires={"at": "d.e"},
        )
    ),
    '{ refresh_token = "r", token_url = "https://login.example.com/t", client_id = "i" }': RefreshToken(
        "https://login.example.com/t", "i", "r"
    ),
    f'{{ refresh_token = "r", {CLIENT}, refresh_token_at = "d.r", in_body = true }}': RefreshToken(
        "https://login.example.com/t", "i", "r", "s", refresh_token_at="d.r", in_body=True
    ),
    '{ scheme = "digest", user = "u", password = "p" }': Digest("u", "p"),
    '{ login = "/session", json = { user = { name = "u" } }, token_at = "t", header = "X-Auth", prefix = "" }': Login(
        "/session", json={"user": {"name": "u"}}, token_at="t", header="X-Auth", prefix=""
    ),
    '{ login = "/session?x=${X:-1}", form = { user = "u" }, cookie = "SID" }': Login(
        "/session?x=1", form={"user": "u"}, cookie="SID"
    ),
    '{ login = "/session", form = { user = "u" }, token_header = "X-T", expires = { at = "e", format = "ms" } }': Login(
        "/session", form={"user": "u"}, token_header="X-T", expires={"at": "e", "format": "ms"}
    ),
    f"{{ {JWT} }}": JwtBearer(SIGNED),
    f'{{ {JWT}, token_url = "https://login.example.com/t", use = "client", client_id = "c" }}': JwtBearer(
        SIGNED, "https://login.example.com/t", use="client", client_id="c"
    ),
}


SOURCE = """
source = "s"
[api]
url = "https://api.example.com"
[streams.t]
get = "/t"
records = "."
pages = "link"
[streams.t.full.once]
"""


def api_of(folder: Path, line: str, environ: dict[str, str] | None = None) -> Api:
    file = folder / "s.toml"
    file.write_text(SOURCE.replace("[streams.t]", f"{line}\n[streams.t]"))
    return load_source(file, environ or {}).api


@pytest.mark.parametrize("written", AUTHS)
def test_every_kind_of_credentials_can_be_written(written: str, tmp_path: Path) -> None:
    """Each kind of credentials has one way to be written, with all of its settings."""
    assert api_of(tmp_path, f"auth = {written}").auth == AUTHS[written]


def test_every_kind_of_credentials_is_tried_above() -> None:
    """No kind of credentials is without an example here."""
    assert {name for name in AUTH_TABLES if any(f"{{ {name} = " in written for written in AUTHS)} == set(AUTH_TABLES)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("{ jwt = {} }", "api.auth.jwt: `key` or `key_file` is missing"),
        ('{ jwt = { key = "k" }, query = "q" }', "`query` and `jwt` cannot be used together"),
        (
            f'{{ {CLIENT}, expires = {{ at = "x", format = "h" }} }}',
            'api.auth.expires.format: expected "s", "ms", "iso"',
        ),
        (f'{{ {CLIENT}, refresh_token_at = "x" }}', "api.auth.refresh_token_at: unknown key."),
        (
            '{ token_url = "https://x.example.com", client_id = "i", refresh_tokn = "r" }',
            "api.auth.refresh_tokn: unknown key. Did you mean 'refresh_token'?",
        ),
        (f'{{ {CLIENT}, refresh_token = "r", {JWT} }}', "`refresh_token` and `jwt` cannot be used together"),
        ('{ scheme = "basic", user = "u", password = "p" }', 'api.auth.scheme: expected "digest", found'),
        ('{ login = "session", json = { u = 1 }, token_at = "t" }', "api.auth.login: "),
        (
            '{ login = "/session", json = {}, token_at = "t" }',
            "api.auth.json: expected a non-empty table, found an empty table.",
        ),
        ('{ login = "/session", json = { u = 1 } }', "api.auth: a login gives a token or a cookie."),
        (f"{{ {CLIENT}, send = 1 }}", 'api.auth.send: expected "form" or "json", found 1'),
        (f'{{ {JWT}, scope = "read" }}', "api.auth: without a token_url the JWT goes to the API itself."),
        ('{ jwt = { key = "k", claims = { at = 2024-01-01 } } }', "api.auth.jwt.claims.at: JSON has no times"),
        ('{ path = "/v6", value = "k" }', "api.auth: '/v6' is no place of a key in a path."),
    ],
)
def test_credentials_that_cannot_be_are_refused_at_their_place(written: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(SourceFileError) as caught:
        api_of(tmp_path, f"auth = {written}")
    assert text in str(caught.value)


def test_secrets_within_a_table_are_read_late(tmp_path: Path) -> None:
    """`haulier status` works without them; which values they have shows in the mark of the credentials (G7)."""
    written = 'auth = { jwt = { key = "${KEY}", claims = { pin = "${PIN}" } } }'
    auth = api_of(tmp_path, written).auth
    assert isinstance(auth, JwtBearer)
    assert isinstance(auth.jwt.claims["pin"], Secret)
    marks = {credential_mark(api_of(tmp_path, written, {"KEY": "k", "PIN": pin})) for pin in ("1", "2")}
    assert len(marks) == 2


def test_certificates_stand_beside_the_source_file(tmp_path: Path) -> None:
    """Files for TLS are found from the folder of the source file, wherever haulier is started."""
    written = (
        'tls = { ca_file = "ca.pem", certificate_file = "/etc/c.pem", key_file = "${KEY}", key_password = "${PW}" }'
    )
    tls = api_of(tmp_path, written, {"KEY": "c.key"}).tls
    assert tls is not None
    assert tls.files == (str(tmp_path / "ca.pem"), "/etc/c.pem", str(tmp_path / "c.key"))
    assert isinstance(tls.key_password, Secret)


def test_a_proxy_is_declared(tmp_path: Path) -> None:
    """A proxy's address may hold a password, so that it is read late and shown nowhere."""
    api = api_of(tmp_path, 'proxy = "${PROXY}"')
    assert isinstance(api.proxy, Secret)
    assert "PROXY" not in repr(api)
