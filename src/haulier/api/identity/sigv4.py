"""AWS Signature Version 4: every request that leaves is signed, with its address and body as they leave."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes, urlsplit, urlunsplit

from haulier.api.errors import Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request, Response, TransportError
from haulier.api.identity.auth import Authorizer, BareSender
from haulier.api.identity.aws_credentials import AwsCredentials
from haulier.api.identity.shared_token import TokenFile
from haulier.clock import Clock
from haulier.errors import UsageError

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

MAX_SKEW_SECONDS = 240.0
"""Least difference of the clocks that is put right. AWS refuses above 300; an answer may have been under way for a
minute."""

_STAMP = "%Y%m%dT%H%M%SZ"
_UNRESERVED = "-_.~"
_SERVICE = re.compile(r"[a-z0-9][a-z0-9-]*")
_SET_HERE = {"authorization", "host", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"}
_SEARCHED_BYTES = 4096
_SKEW_WORDS = ("requesttimetooskewed", "signature expired", "signature not yet current")
_RENEWABLE_WORDS = (
    "expiredtoken",
    "token included in the request is expired",
    "unrecognizedclient",
    "invalidclienttokenid",
    "token included in the request is invalid",
)
_WRONG_WORDS = ("invalidsignature", "signaturedoesnotmatch", "signature we calculated does not match")


@dataclass(frozen=True, slots=True)
class AwsSignature:
    """AWS Signature Version 4 (SigV4), by the extra ``aws``. Credentials are found as boto3 finds them, and renewed
    during a run: environment, shared files, web identity, container, instance."""

    service: str
    """As AWS names it in signatures: ``es`` (OpenSearch Service), ``aoss`` (its serverless form), ``execute-api``."""
    _: KW_ONLY
    region: str = ""
    """As botocore finds it, if it is not given."""

    def __post_init__(self) -> None:
        if not _SERVICE.fullmatch(self.service) or (self.region and not _SERVICE.fullmatch(self.region)):
            raise UsageError(
                "The service and the region of an AWS signature are words such as es and eu-west-1. Write them so."
            )
        if self.service.startswith("s3"):
            raise UsageError("S3 signs in another way, and answers in XML. haulier reads JSON.")

    def open(self, send_bare: BareSender, clock: Clock, redactor: Redactor, shared: TokenFile) -> Authorizer:
        try:
            from botocore.exceptions import BotoCoreError
            from botocore.session import Session
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            raise UsageError(
                f"The package {package} is not installed. In a checkout of haulier, type: pip install '.[aws]'."
            ) from None
        session = Session()
        try:
            region = self.region or session.get_config_variable("region")
        except BotoCoreError as exc:
            raise UsageError(f"The settings for AWS cannot be read: {str(exc).rstrip('.')}.") from None
        if not region:
            raise UsageError(
                'There is no region for AWS. Write it beside `aws`, such as region = "eu-west-1", or set '
                "AWS_DEFAULT_REGION."
            )
        return _SignedRequests(self.service, region, AwsCredentials(session, clock, redactor), clock)


class _SignedRequests:
    """Implements `Authorizer`."""

    def __init__(self, service: str, region: str, credentials: AwsCredentials, clock: Clock) -> None:
        self._service = service
        self._region = region
        self._credentials = credentials
        self._clock = clock
        self._ahead = timedelta()
        """How far the clock of AWS is ahead of ours."""

    async def apply(self, request: Request) -> Request:
        return self._sign(request, await self._credentials.current())

    def bare(self, url: str) -> str:
        return url

    def note_good(self, request: Request) -> None:
        return

    async def renew(self, refused: Request, answer: Response, *, is_again: bool = False) -> bool:
        """Take the time of AWS where the clocks differ, or look for other credentials where these have expired.

        Raises `TransportError` (AUTH) for a refused signature that neither cures: every other would be refused too.
        """
        said = f"{answer.headers.get('x-amzn-errortype', '')} ".encode() + answer.body[:_SEARCHED_BYTES]
        words = said.decode(errors="replace").lower()
        if self._take_time(refused, answer, is_told=_first_of(_SKEW_WORDS, words) != ""):
            return True
        refusal = _first_of((*_SKEW_WORDS, *_RENEWABLE_WORDS, *_WRONG_WORDS), words)
        if not refusal:
            return False
        if _first_of(_RENEWABLE_WORDS, words) and await self._credentials.find_anew(_key_id_of(refused)):
            return True
        raise TransportError(
            Fault.AUTH,
            f"status {answer.status}, AWS refuses the signature ({refusal}). Check the credentials, the service "
            f"{self._service}, the region {self._region} and this machine's clock",
        )

    def _take_time(self, refused: Request, answer: Response, *, is_told: bool) -> bool:
        """Whether the request was signed at another time than that of ``answer``."""
        try:
            there = parsedate_to_datetime(answer.headers["Date"])
            signed = datetime.strptime(dict(refused.headers)["X-Amz-Date"], _STAMP).replace(tzinfo=UTC)
        except (LookupError, ValueError):
            return False
        if there.tzinfo is None or abs((there - signed).total_seconds()) <= (1.0 if is_told else MAX_SKEW_SECONDS):
            return False
        self._ahead = there - self._clock.now()
        return True

    def _sign(self, request: Request, credentials: ReadOnlyCredentials) -> Request:
        """botocore makes every part of the signature; the time is ours, since its own function reads the clock."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        url = strict_url(request.url)
        stamp = (self._clock.now() + self._ahead).strftime(_STAMP)
        added = [
            ("Host", _host_of(url)),
            ("X-Amz-Date", stamp),
            # Serverless OpenSearch wants it; to others it says what the signature holds anyway.
            ("X-Amz-Content-SHA256", sha256(request.body).hexdigest()),
        ]
        if credentials.token:
            added.append(("X-Amz-Security-Token", credentials.token))
        kept = [header for header in request.headers if header[0].lower() not in _SET_HERE]
        signed = AWSRequest(request.method, url, data=request.body)
        for name, value in (*_signed_of(kept), *added):
            signed.headers.add_header(name, value)
        signed.context["timestamp"] = stamp
        signer = SigV4Auth(credentials, self._service, self._region)
        signature = signer.signature(signer.string_to_sign(signed, signer.canonical_request(signed)), signed)
        names = signer.signed_headers(signer.headers_to_sign(signed))
        value = f"AWS4-HMAC-SHA256 Credential={signer.scope(signed)}, SignedHeaders={names}, Signature={signature}"
        return request.replace(url=url, headers=(*kept, *added, ("Authorization", value)))


def strict_url(url: str) -> str:
    """Encode all but unreserved characters (RFC 3986), as a verifier does: then what is sent and what is signed agree,
    whether a server reads an address before or after it is decoded."""
    parts = urlsplit(url)
    path = "/".join(_strict(name) for name in parts.path.split("/")) or "/"
    pairs = (pair.replace("+", " ").partition("=") for pair in parts.query.split("&") if pair)
    query = "&".join(f"{_strict(name)}={_strict(value)}" for name, _, value in pairs)
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def _strict(text: str) -> str:
    return quote(unquote_to_bytes(text), safe=_UNRESERVED)


def _host_of(url: str) -> str:
    """As it is sent and signed: without the scheme's own port."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if parts.port in {None, 443 if parts.scheme == "https" else 80} else f"{host}:{parts.port}"


def _signed_of(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """AWS wants its own headers signed. Others may be changed on the way, by a proxy for example."""
    return [
        header for header in headers if header[0].lower().startswith("x-amz-") or header[0].lower() == "content-type"
    ]


def _key_id_of(signed: Request) -> str:
    value = dict(signed.headers).get("Authorization", "")
    return value.partition("Credential=")[2].partition("/")[0]


def _first_of(words: Iterable[str], text: str) -> str:
    return next((word for word in words if word in text), "")
