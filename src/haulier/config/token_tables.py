"""The tables of `auth` for tokens that are issued: by a token endpoint of OAuth 2, for a signed JWT, by a login."""

from __future__ import annotations

from typing import Any

from haulier.api.identity.auth import Auth
from haulier.api.identity.issuer import EXPIRY_FORMATS
from haulier.api.identity.jwt_bearer import ALGORITHMS, USES, Jwt, JwtBearer
from haulier.api.identity.login import Login
from haulier.api.identity.oauth2 import ClientCredentials
from haulier.api.identity.refresh_token import RefreshToken
from haulier.api.identity.token_endpoint import SENDINGS
from haulier.config.environment import fill_variables
from haulier.config.fields import Field, TableShape
from haulier.config.file_path import FilePath
from haulier.config.lookups import PathText
from haulier.config.place import Place
from haulier.config.request_kinds import JsonPath, QueryPairs
from haulier.config.secret_values import SecretObject
from haulier.config.value_kinds import Choice, Flag, Seconds, SecretText, TableOf, Text


class PrefixText:
    """A word, or nothing."""

    def read(self, value: Any, place: Place, example: str) -> str:
        return "" if value == "" else Text().read(value, place, example)

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


EXPIRES_AT = Field("at", JsonPath(), "The path of the end in the answer.", 'at = "data.ttl"', True)
EXPIRES_FORMAT = Field(
    "format",
    Choice(EXPIRY_FORMATS),
    "How it is written: seconds or milliseconds from now, or a moment. By default `s`.",
    'format = "ms"',
)
EXPIRES: Field[dict[str, str]] = Field(
    "expires",
    TableOf(TableShape("Where an issuer says when the token ends.", EXPIRES_AT, EXPIRES_FORMAT), dict),
    "Where the issuer says when the token ends, if not by `expires_in` in seconds.",
    'expires = { at = "data.ttl", format = "ms" }',
)
TOKEN_HEADER = Field("header", Text(), "The header with the token.", 'header = "X-Auth-Token"')
TOKEN_PREFIX = Field("prefix", PrefixText(), 'The word before the token; "" for none.', 'prefix = "token"')
TOKEN_AT = Field("token_at", JsonPath(), "The path of the token in the answer.", 'token_at = "data.accessToken"')

TOKEN_URL = Field(
    "token_url", Text(), "The address that issues tokens.", 'token_url = "https://login.example.com/oauth2/token"', True
)
CLIENT_ID = Field("client_id", SecretText(), "The client ID.", 'client_id = "${CLIENT_ID}"', True)
CLIENT_SECRET = Field("client_secret", SecretText(), "The client secret.", 'client_secret = "${CLIENT_SECRET}"', True)
SCOPE = Field("scope", Text(), "The scope of the token.", 'scope = "read"')
PARAMETERS = Field(
    "parameters",
    QueryPairs(are_of_form=True),
    "More parameters for the issuer; a `grant_type` here replaces the standard's.",
    'parameters = { audience = "https://api.example.com" }',
)
IN_BODY = Field("in_body", Flag(), "Whether ID and secret are sent as form fields.", "in_body = true")
SEND = Field("send", Choice(SENDINGS), "How the fields are sent: as a form, or as a JSON object.", 'send = "json"')
_ANSWER = (TOKEN_AT, EXPIRES, TOKEN_HEADER, TOKEN_PREFIX)
CLIENT_AUTH: TableOf[Auth] = TableOf(
    TableShape(
        "OAuth 2 client credentials.",
        TOKEN_URL,
        CLIENT_ID,
        CLIENT_SECRET,
        SCOPE,
        PARAMETERS,
        IN_BODY,
        SEND,
        *_ANSWER,
    ),
    ClientCredentials,
)

REFRESH_TOKEN = Field(
    "refresh_token",
    SecretText(),
    "The first refresh token; the newest is kept beside the queue.",
    'refresh_token = "${REFRESH_TOKEN}"',
    True,
)
PUBLIC_SECRET = Field(
    "client_secret", SecretText(), "The client secret; a public client has none.", 'client_secret = "${CLIENT_SECRET}"'
)
REFRESH_TOKEN_AT = Field(
    "refresh_token_at",
    JsonPath(),
    "The path of the next refresh token in the answer.",
    'refresh_token_at = "data.refreshToken"',
)
REFRESH_AUTH: TableOf[Auth] = TableOf(
    TableShape(
        "OAuth 2 refresh token.",
        REFRESH_TOKEN,
        TOKEN_URL,
        CLIENT_ID,
        PUBLIC_SECRET,
        SCOPE,
        PARAMETERS,
        IN_BODY,
        SEND,
        REFRESH_TOKEN_AT,
        *_ANSWER,
    ),
    RefreshToken,
)

KEY = Field("key", SecretText(), "The private key in PEM, or the secret of HS256.", 'key = "${PRIVATE_KEY}"')
KEY_FILE = Field("key_file", FilePath(), "The file with the private key in PEM.", 'key_file = "private-key.pem"')
ALGORITHM = Field("algorithm", Choice(ALGORITHMS), "The algorithm of the signature.", 'algorithm = "ES256"')
ISSUER = Field("issuer", SecretText(), "The claim `iss`.", 'issuer = "${CLIENT_EMAIL}"')
SUBJECT = Field("subject", SecretText(), "The claim `sub`.", 'subject = "${API_USER}"')
AUDIENCE = Field(
    "audience", Text(), "The claim `aud`; by default the token_url.", 'audience = "https://login.example.com"'
)
LIFETIME = Field(
    "lifetime",
    Seconds(),
    "The time from the claim `iat`, a minute before now, to `exp`: an hour at most.",
    'lifetime = "5m"',
    to="lifetime_seconds",
)
CLAIMS = Field("claims", SecretObject(), "More claims.", 'claims = { scope = "read" }')
KEY_ID = Field("key_id", Text(), "The header `kid`.", 'key_id = "2026-11"')
JWT = Field(
    "jwt",
    TableOf(
        TableShape(
            "A JWT that haulier signs.",
            KEY,
            KEY_FILE,
            ALGORITHM,
            ISSUER,
            SUBJECT,
            AUDIENCE,
            LIFETIME,
            CLAIMS,
            KEY_ID,
            one_of=(KEY.name, KEY_FILE.name),
        ),
        Jwt,
    ),
    "The JWT that is signed.",
    'jwt = { key_file = "private-key.pem", issuer = "${CLIENT_EMAIL}" }',
    True,
)
JWT_TOKEN_URL = Field(
    "token_url",
    Text(),
    "The address that issues a token for the JWT. Without it the JWT itself goes to the API.",
    'token_url = "https://login.example.com/oauth2/token"',
)
USE = Field(
    "use",
    Choice(USES),
    "What the JWT is to the issuer: what is exchanged, the client's proof in place of a secret, or the bearer of a "
    "POST without fields.",
    'use = "bearer"',
)
JWT_CLIENT_ID = Field("client_id", SecretText(), "The client ID, where the issuer wants it.", 'client_id = "app"')
JWT_AUTH: TableOf[Auth] = TableOf(
    TableShape("A signed JWT.", JWT, JWT_TOKEN_URL, USE, JWT_CLIENT_ID, SCOPE, PARAMETERS, SEND, *_ANSWER), JwtBearer
)


class LoginPath(PathText):
    """With its query, for which a login has no key."""

    def read(self, value: Any, place: Place, example: str) -> str:
        if not isinstance(value, str):
            return super().read(value, place, example)
        path, mark, query = value.partition("?")
        return super().read(path, place, example) + mark + fill_variables(query, place, is_secret=True)


LOGIN = Field(
    "login", LoginPath(), "The path of the login, below the API's url.", 'login = "/session"', True, to="path"
)
LOGIN_JSON = Field(
    "json", SecretObject(), "What is sent, as JSON.", 'json = { user = "${USER}", password = "${PASSWORD}" }'
)
LOGIN_FORM = Field(
    "form", SecretObject(), "What is sent, as a form.", 'form = { user = "${USER}", password = "${PASSWORD}" }'
)
TOKEN_HEADER_OF_ANSWER = Field(
    "token_header", Text(), "The header of the answer with the token.", 'token_header = "X-Subject-Token"'
)
COOKIE = Field("cookie", Text(), "The cookie that goes with each request, instead of a token.", 'cookie = "JSESSIONID"')
LOGIN_AUTH: TableOf[Auth] = TableOf(
    TableShape(
        "A session that begins with a login.",
        LOGIN,
        LOGIN_JSON,
        LOGIN_FORM,
        TOKEN_AT,
        TOKEN_HEADER_OF_ANSWER,
        COOKIE,
        EXPIRES,
        TOKEN_HEADER,
        TOKEN_PREFIX,
    ),
    Login,
)
