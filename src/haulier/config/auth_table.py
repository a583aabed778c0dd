"""`auth` and `tls`: credentials and certificates. Credentials are read when the API is opened."""

from __future__ import annotations

from typing import Any

from haulier.api.identity.auth import ApiKey, Auth, Basic, Bearer
from haulier.api.identity.digest import Digest
from haulier.api.identity.sigv4 import AwsSignature
from haulier.api.identity.tls import Tls
from haulier.config.fields import Field, TableShape
from haulier.config.file_path import FilePath
from haulier.config.place import Place
from haulier.config.token_tables import CLIENT_AUTH, JWT_AUTH, LOGIN_AUTH, REFRESH_AUTH
from haulier.config.value_kinds import Choice, OneOfTables, SecretText, TableOf, Text

BEARER = Field(
    "bearer", SecretText(), "The token of `Authorization: Bearer`.", 'bearer = "${API_TOKEN}"', True, to="token"
)
PREFIX = Field("prefix", Text(), "The word before the credential.", 'prefix = "ApiKey"')
BEARER_AUTH = TableShape("A token.", BEARER, PREFIX)

HEADER = Field("header", Text(), "The header with the key.", 'header = "X-Api-Key"', True)
QUERY = Field("query", Text(), "The query parameter with the key.", 'query = "api_key"', True)
VALUE = Field("value", SecretText(), "The key.", 'value = "${API_KEY}"', True, to="key")
HEADER_AUTH = TableShape("A key in a header.", HEADER, VALUE, PREFIX)
QUERY_AUTH = TableShape("A key in the query.", QUERY, VALUE)
PATH = Field(
    "path", Text(), "What the path of every address begins with, with `{key}` at its end.", 'path = "/v6/{key}"', True
)
PATH_AUTH = TableShape("A key in the path.", PATH, VALUE)

USER = Field("user", SecretText(), "The user name of `Authorization: Basic`.", 'user = "${API_USER}"', True)
PASSWORD = Field("password", SecretText(), "The password.", 'password = "${API_PASSWORD}"')
BASIC_AUTH = TableShape("A user name and password.", USER, PASSWORD)

SCHEME = Field(
    "scheme", Choice(("digest",)), "How the password is used; Basic without it.", 'scheme = "digest"', True, to=""
)
DIGEST_PASSWORD = Field("password", SecretText(), "The password.", 'password = "${API_PASSWORD}"', True)
DIGEST_AUTH = TableShape("A user name and password by Digest.", SCHEME, USER, DIGEST_PASSWORD)


class DigestTable(TableOf[Auth]):
    def read(self, value: Any, place: Place, example: str) -> Auth:
        self.shape.open(value, place).need(SCHEME)
        return super().read(value, place, example)


AWS = Field(
    "aws",
    Text(),
    "The service, as AWS names it in signatures: `es`, `aoss`, `execute-api`.",
    'aws = "es"',
    True,
    to="service",
)
REGION = Field("region", Text(), "The region, if not as boto3 finds it.", 'region = "eu-west-1"')
AWS_AUTH = TableShape("A signature of AWS (SigV4); needs the extra `aws`.", AWS, REGION)


AUTH_TABLES: dict[str, TableOf[Auth]] = {
    "bearer": TableOf(BEARER_AUTH, Bearer),
    "header": TableOf(HEADER_AUTH, ApiKey),
    "query": TableOf(QUERY_AUTH, ApiKey),
    "path": TableOf(PATH_AUTH, ApiKey),
    "user": TableOf(BASIC_AUTH, Basic),
    "scheme": DigestTable(DIGEST_AUTH, Digest),
    "login": LOGIN_AUTH,
    "aws": TableOf(AWS_AUTH, AwsSignature),
    "token_url": CLIENT_AUTH,
    "refresh_token": REFRESH_AUTH,
    "jwt": JWT_AUTH,
}
AUTH_KINDS = OneOfTables(
    "kind of credentials",
    AUTH_TABLES,
    "Write one of: { bearer = ... }, { header = ..., value = ... }, { query = ..., value = ... }, "
    "{ path = ..., value = ... }, { user = ..., password = ... }, "
    "{ token_url = ..., client_id = ..., client_secret = ... }, "
    "{ token_url = ..., client_id = ..., refresh_token = ... }, { token_url = ..., jwt = ... }, "
    '{ user = ..., password = ..., scheme = "digest" }, { login = ..., json = ..., token_at = ... }, '
    "{ aws = ..., region = ... }.",
)


CA_FILE = Field(
    "ca_file", FilePath(), "A certificate authority that is trusted besides those of the system.", 'ca_file = "ca.pem"'
)
CERTIFICATE_FILE = Field(
    "certificate_file", FilePath(), "The certificate of the client.", 'certificate_file = "client.pem"'
)
KEY_FILE = Field(
    "key_file", FilePath(), "The key of that certificate, if it is in another file.", 'key_file = "client.key"'
)
KEY_PASSWORD = Field("key_password", SecretText(), "The password of the key.", 'key_password = "${KEY_PASSWORD}"')
TLS_FILES = TableOf(TableShape("Certificates, in PEM.", CA_FILE, CERTIFICATE_FILE, KEY_FILE, KEY_PASSWORD), Tls)
