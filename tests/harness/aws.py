"""What AWS does with a signature: it makes one itself, from the bytes that came, and refuses where the two differ.

Written from AWS's own description of Signature Version 4, and compared with botocore's. Nothing of haulier is used.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

MAX_SKEW = timedelta(minutes=5)

KEY_ID, SECRET_KEY, TOKEN = "AKIDCANARYEXAMPLE", "canary/secret+key", "canary//session+token=="


@dataclass
class Aws:
    """Keys that AWS knows, and its clock."""

    service: str = "es"
    region: str = "eu-west-1"
    keys: dict[str, tuple[str, str | None]] = field(default_factory=lambda: {KEY_ID: (SECRET_KEY, None)})
    """Secret and session token by key ID."""
    expired: set[str] = field(default_factory=set)
    ahead: timedelta = timedelta()
    wants_hash: bool = False
    """As aoss does."""

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def date(self) -> str:
        return format_datetime(self.now(), usegmt=True)

    def refusal(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> str:
        """The name of the error and its words; empty for a good request."""
        headers = {name.lower(): value for name, value in headers.items()}
        algorithm, _, rest = headers.get("authorization", "").partition(" ")
        if algorithm != "AWS4-HMAC-SHA256":
            return "MissingAuthenticationTokenException: Request is missing Authentication Token"
        said = dict(part.strip().split("=", 1) for part in rest.split(","))
        key_id, day, region, service, end = said["Credential"].split("/")
        names = said["SignedHeaders"].split(";")
        if key_id not in self.keys:
            return "UnrecognizedClientException: The security token included in the request is invalid."
        secret, token = self.keys[key_id]
        if headers.get("x-amz-security-token") != token:
            return "UnrecognizedClientException: The security token included in the request is invalid."
        stamp = headers["x-amz-date"]
        signed = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs(self.now() - signed) > MAX_SKEW:
            return f"InvalidSignatureException: Signature expired: {stamp} is now earlier than {self.now()}"
        must = {"host", *(name for name in headers if name.startswith("x-amz-"))}
        if not must <= set(names) or names != sorted(names):
            return "IncompleteSignatureException: headers that have to be signed are not"
        digest = hashlib.sha256(body).hexdigest()
        if headers.get("x-amz-content-sha256", "" if self.wants_hash else digest) != digest:
            return "InvalidSignatureException: x-amz-content-sha256 is not that of the body"
        canonical = "\n".join(
            (
                method,
                _canonical_path(target),
                _canonical_query(target),
                *(f"{name}:{' '.join(headers[name].split())}" for name in names),
                "",
                ";".join(names),
                digest,
            )
        )
        expected = (stamp[:8], self.region, self.service, "aws4_request")
        text = "\n".join(
            ("AWS4-HMAC-SHA256", stamp, "/".join(expected), hashlib.sha256(canonical.encode()).hexdigest())
        )
        key = f"AWS4{secret}".encode()
        for part in (*expected, text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        if (day, region, service, end) != expected or not hmac.compare_digest(key.hex(), said["Signature"]):
            return (
                "InvalidSignatureException: The request signature we calculated does not match the signature you "
                f"provided. The Canonical String for this request should have been '{canonical}'"
            )
        assert self._by_botocore(method, target, headers, names, body) == key.hex(), "botocore signs it otherwise"
        if key_id in self.expired:
            return "ExpiredTokenException: The security token included in the request is expired"
        return ""

    def _by_botocore(self, method: str, target: str, headers: Mapping[str, str], names: list[str], body: bytes) -> str:
        key_id = headers["authorization"].partition("Credential=")[2].partition("/")[0]
        secret, token = self.keys[key_id]
        request = AWSRequest(method, f"http://{headers['host']}{target}", data=body)
        for name in names:
            request.headers.add_header(name, headers[name])
        request.context["timestamp"] = headers["x-amz-date"]
        signer = SigV4Auth(ReadOnlyCredentials(key_id, secret, token), self.service, self.region)
        return signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)


def _canonical_path(target: str) -> str:
    """Every service but S3 encodes the path that came once more."""
    path = urlsplit(f"http://host{target}").path
    return "/".join(quote(name, safe="-_.~") for name in path.split("/"))


def _canonical_query(target: str) -> str:
    """What came is decoded, encoded strictly and sorted."""
    pairs = [
        pair.replace("+", " ").partition("=") for pair in urlsplit(f"http://host{target}").query.split("&") if pair
    ]
    strict = [tuple(quote(unquote_to_bytes(part), safe="-_.~") for part in (name, value)) for name, _, value in pairs]
    return "&".join(f"{name}={value}" for name, value in sorted(strict))


def only_these_credentials(folder: Path, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Callable[..., None]:
    """botocore finds what the test gives it, and nothing of this machine. Gives what writes the shared file."""
    for name in (
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_DEFAULT_REGION",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "aws-credentials"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    def write(key_id: str, secret: str, token: str) -> None:
        lines = ("[default]", f"aws_access_key_id={key_id}", f"aws_secret_access_key={secret}")
        (folder / "aws-credentials").write_text("\n".join((*lines, f"aws_session_token={token}", "")))

    return write
