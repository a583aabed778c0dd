"""`auth` and `tls`: credentials and certificates. Credentials are read when the API is opened."""

from __future__ import annotations

from typing import Any

from haulier.api.identity.auth import ApiKey, Auth, Basic, Bearer
from haulier.api.identity.oauth2 import ClientCredentials
from haulier.api.identity.sigv4 import AwsSignature
from haulier.api.identity.tls import Tls
from haulier.config.environment import fill_variables
from haulier.config.fields import Field, TableShape
from haulier.config.place import Place
from haulier.config.request_kinds import QueryPairs
from haulier.config.value_kinds import Flag, OneOfTables, SecretText, TableOf, Text, unexpected

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

USER = Field("user", SecretText(), "The user name of `Authorization: Basic`.", 'user = "${API_USER}"', True)
PASSWORD = Field("password", SecretText(), "The password.", 'password = "${API_PASSWORD}"')
BASIC_AUTH = TableShape("A user name and password.", USER, PASSWORD)

TOKEN_URL = Field(
    "token_url", Text(), "The address that issues tokens.", 'token_url = "https://login.example.com/oauth2/token"', True
)
CLIENT_ID = Field("client_id", SecretText(), "The client ID.", 'client_id = "${CLIENT_ID}"', True)
CLIENT_SECRET = Field("client_secret", SecretText(), "The client secret.", 'client_secret = "${CLIENT_SECRET}"', True)
SCOPE = Field("scope", Text(), "The scope of the token.", 'scope = "read"')
PARAMETERS = Field(
    "parameters",
    QueryPairs(are_of_form=True),
    "More parameters for the issuer.",
    'parameters = { audience = "https://api.example.com" }',
)
IN_BODY = Field("in_body", Flag(), "Whether ID and secret are sent as form fields.", "in_body = true")
OAUTH_AUTH = TableShape("OAuth 2 client credentials.", TOKEN_URL, CLIENT_ID, CLIENT_SECRET, SCOPE, PARAMETERS, IN_BODY)

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
    "user": TableOf(BASIC_AUTH, Basic),
    "token_url": TableOf(OAUTH_AUTH, ClientCredentials),
    "aws": TableOf(AWS_AUTH, AwsSignature),
}
AUTH_KINDS = OneOfTables(
    "kind of credentials",
    AUTH_TABLES,
    "Write one of: { bearer = ... }, { header = ..., value = ... }, { query = ..., value = ... }, "
    "{ user = ..., password = ... }, { token_url = ..., client_id = ..., client_secret = ... }, "
    "{ aws = ..., region = ... }.",
)


class FilePath:
    """A file, relative to the folder of the source file."""

    def read(self, value: Any, place: Place, example: str) -> str:
        if not isinstance(value, str) or not value:
            raise unexpected(value, place, "the path of a file", example)
        return str(place.source.folder / fill_variables(value, place, is_secret=False))

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


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
