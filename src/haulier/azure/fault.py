"""What an error of Azure's SDK or of obstore says.

obstore's errors are mostly text: a list that is refused is a `GenericError`, a missing container a `FileNotFoundError`.
The service's code stands in the body that the text repeats. The answer to a HEAD has none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import obstore.exceptions
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

SDK_ERRORS = (AzureError, obstore.exceptions.BaseError, OSError, NotImplementedError, ValueError)
"""All that calls of the two may raise. obstore's `FileNotFoundError` and some others are outside its `BaseError`."""

MAX_WORDS = 200

_CODE = re.compile(r"<Code>(\w+)</Code>")
_MESSAGE = re.compile(r"<Message>([^\n<]+)")
_DETAIL = re.compile(r"AuthenticationErrorDetail(?:>|:\s*)([^\n<]+)")
_TIME = re.compile(r"\bTime:(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)")
_STATUS = re.compile(r"status code: (\d{3})")
_INNER = re.compile(r'error: "([^"]+)"|message: "([^"]+)"')
_QUERY = re.compile(r"\?[^\s,;)\"']+")
_SIGNATURE = re.compile(r"\b(sig|AccountKey|SharedAccessSignature)=[^\s&;,\"']+", re.IGNORECASE)
_PAGE = "Attempted credentials:"
_OBSTORE_ASKED = "The operation lacked valid authentication credentials for path External Azure credential provider: "
_NO_TOKEN = ("failed to retrieve a token", _OBSTORE_ASKED, "AADSTS")
_NOT_SET_UP = re.compile(
    "unavailable|not found on path|not installed|not fully configured|could not be found|No accounts|requires the"
)
_NO_HOST = ("Name or service not known", "nodename nor servname", "No address associated with hostname", "[Errno -2]")


@dataclass(frozen=True)
class AzureFault:
    words: str
    """One line, without a secret."""
    status: int = 0
    """0 without an answer."""
    code: str = ""
    detail: str = ""
    """Why Azure does not believe who we are; empty where it does not say."""
    server_time: datetime | None = None
    is_host_unknown: bool = False
    is_token_missing: bool = False
    """No token could be had to ask with: the storage service was not reached yet."""


def fault_of(error: BaseException) -> AzureFault:
    text = str(error)
    if isinstance(error, HttpResponseError) and error.response is not None:
        # The storage SDKs set the code on the error that they raise: as an enum, or as a text that they do not know.
        code = getattr(error, "error_code", None) or ""
        status, code = error.status_code or 0, str(getattr(code, "value", code))
        date = str(getattr(error.response, "headers", {}).get("Date", ""))
    else:
        found = _STATUS.search(text)
        status, code, date = (int(found[1]) if found else 0), "", ""
    if not status and (isinstance(error, ClientAuthenticationError) or any(sign in text for sign in _NO_TOKEN)):
        return AzureFault(_line(_reason_without_token(text)), is_token_missing=True)
    code = code or _first(_CODE, text)
    if status:
        message = _first(_MESSAGE, text) or text.partition("\n")[0] if code else ""
        said = " ".join(word for word in (str(status), code) if word)
        return AzureFault(
            _line(f"{said}: {message}" if message else said),
            status,
            code,
            _line(_first(_DETAIL, text)),
            _time(date, _first(_TIME, text)),
        )
    return AzureFault(_line(_reason(error, text)), is_host_unknown=any(sign in text for sign in _NO_HOST))


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return next((group for group in found.groups() if group), "").strip() if found else ""


def _time(header: str, written: str) -> datetime | None:
    try:
        if header:
            return parsedate_to_datetime(header)
        return datetime.fromisoformat(written).replace(tzinfo=UTC) if written else None
    except ValueError:
        return None


def _reason(error: BaseException, text: str) -> str:
    """obstore's first line says only that sending failed; why stands in the innermost error that it repeats."""
    head, _, source = text.partition("\n\nDebug source:")
    inner = [one for pair in _INNER.findall(source) for one in pair if one]
    first = head.partition("\n")[0].removeprefix("Generic MicrosoftAzure error: ")
    return f"{inner[-1]}" if inner else first or type(error).__name__


def _reason_without_token(text: str) -> str:
    """What is said of `DefaultAzureCredential` is a page: a line for each of eight ways. One that is set up here, but
    refused, is named. Once one has worked, it is the only one that is tried."""
    lines = [line.strip() for line in text.partition("\n\nDebug source:")[0].splitlines()]
    if _PAGE not in text:
        return lines[0].removeprefix(_OBSTORE_ASKED).rstrip(".") if lines else "no identity was found"
    tried = [line for line in lines if "Credential: " in line and not line.startswith(_OBSTORE_ASKED)]
    refused = [line for line in tried if not _NOT_SET_UP.search(line)]
    return refused[0].rstrip(".") if refused else "no identity was found"


def _line(text: str) -> str:
    text = _SIGNATURE.sub(r"\1=...", _QUERY.sub("", " ".join(text.split())))
    return text if len(text) <= MAX_WORDS else f"{text[: MAX_WORDS - 4]} ..."
