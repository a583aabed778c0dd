"""A storage account: its endpoints, and the key or SAS that the environment gives for it."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

from haulier.errors import UsageError

CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"
ACCOUNT = "AZURE_STORAGE_ACCOUNT"
KEY = "AZURE_STORAGE_KEY"
SAS = "AZURE_STORAGE_SAS_TOKEN"

_NAME = re.compile(r"[a-z0-9]{3,24}")
_SUFFIX = "core.windows.net"
# The emulator's account and key, which are published with it and the same everywhere.
_EMULATOR_NAME = "devstoreaccount1"
_EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_EMULATOR = {
    "accountname": _EMULATOR_NAME,
    "accountkey": _EMULATOR_KEY,
    "blobendpoint": f"http://127.0.0.1:10000/{_EMULATOR_NAME}",
    "queueendpoint": f"http://127.0.0.1:10001/{_EMULATOR_NAME}",
}
_FORM = "DefaultEndpointsProtocol=https;AccountName=NAME;AccountKey=KEY;EndpointSuffix=core.windows.net"


@dataclass(frozen=True)
class AzureAccount:
    """With neither ``key`` nor ``sas`` it is reached by `DefaultAzureCredential`, such as a managed identity."""

    name: str
    blob_endpoint: str
    """Without a slash at the end."""
    queue_endpoint: str
    key: str = field(default="", repr=False)
    """Base64."""
    sas: str = field(default="", repr=False)
    """Without its question mark."""
    setting: str = ""
    """The environment variable that gave key or SAS, for messages."""
    unused: str = field(default="", compare=False)
    """Which setting of the environment is another account's, for messages."""


def find_account(name: str, environ: Mapping[str, str] = os.environ) -> AzureAccount:
    """Return the account of that ``name``; with an empty one, that of the environment.

    What the environment says holds for the account that it names; any other is reached by `DefaultAzureCredential` at
    its public address. Nothing is asked yet. Raises `UsageError`, which repeats no secret (G7).
    """
    if name and not _NAME.fullmatch(name):
        raise UsageError(f"{name[:60]!r} is not the name of a storage account: that has 3 to 24 of a-z and 0-9.")
    found = _from_environment(environ)
    if not name:
        if found is None:
            raise UsageError(
                f"No storage account is named. Set {ACCOUNT} to its name, or {CONNECTION_STRING} to its connection "
                "string, or write the lake as abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH."
            )
        return found
    if found is None or found.name == name:
        return found or _public(name)
    setting = found.setting or ACCOUNT
    return replace(
        _public(name), unused=f"The settings of the environment ({setting}) are of the account {found.name!r}"
    )


def _public(name: str) -> AzureAccount:
    return AzureAccount(name, f"https://{name}.blob.{_SUFFIX}", f"https://{name}.queue.{_SUFFIX}")


def _from_environment(environ: Mapping[str, str]) -> AzureAccount | None:
    if text := environ.get(CONNECTION_STRING, "").strip():
        return _from_connection_string(text)
    name = environ.get(ACCOUNT, "").strip()
    if not name:
        return None
    if not _NAME.fullmatch(name):
        raise UsageError(f"{ACCOUNT} is not the name of a storage account: that has 3 to 24 of a-z and 0-9.")
    account = _public(name)
    if key := environ.get(KEY, "").strip():
        return replace(account, key=_checked_key(key, KEY), setting=KEY)
    if sas := environ.get(SAS, "").strip():
        return replace(account, sas=_checked_sas(sas, SAS), setting=SAS)
    return account


def _from_connection_string(text: str) -> AzureAccount:
    pairs = _pairs(text)
    if pairs.get("usedevelopmentstorage", "").lower() == "true":
        pairs = _EMULATOR
    blob, queue = pairs.get("blobendpoint", ""), pairs.get("queueendpoint", "")
    name = pairs.get("accountname", "") or _name_in(blob) or _name_in(queue)
    if not _NAME.fullmatch(name):
        raise UsageError(f"{CONNECTION_STRING} names no storage account. It is written as {_FORM}.")
    protocol, suffix = pairs.get("defaultendpointsprotocol", "https"), pairs.get("endpointsuffix", _SUFFIX)
    if protocol not in {"http", "https"}:
        raise UsageError(f"{CONNECTION_STRING} has a DefaultEndpointsProtocol that is neither https nor http.")
    account = AzureAccount(
        name,
        _endpoint(blob) or f"{protocol}://{name}.blob.{suffix}",
        _endpoint(queue) or f"{protocol}://{name}.queue.{suffix}",
        setting=CONNECTION_STRING,
    )
    key, sas = pairs.get("accountkey", ""), pairs.get("sharedaccesssignature", "")
    if bool(key) == bool(sas):
        raise UsageError(
            f"{CONNECTION_STRING} needs either an AccountKey or a SharedAccessSignature. It is written as {_FORM}."
        )
    if key:
        return replace(account, key=_checked_key(key, CONNECTION_STRING))
    return replace(account, sas=_checked_sas(sas, CONNECTION_STRING))


def _pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in text.strip(";").split(";"):
        name, sign, value = part.partition("=")
        if not sign or name != name.strip() or not name:
            raise UsageError(
                f"{CONNECTION_STRING} is not a connection string: it consists of Name=Value parts with `;` and no "
                f"spaces between them, as {_FORM}."
            )
        pairs[name.lower()] = value
    return pairs


def _endpoint(url: str) -> str:
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"{CONNECTION_STRING} has an endpoint that is no http or https URL.")
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def _name_in(endpoint: str) -> str:
    """A connection string with a SAS names its account in its endpoints alone: first in the host, or in the path of an
    emulator."""
    if not endpoint:
        return ""
    parts = urlsplit(endpoint)
    path, host = parts.path.strip("/"), parts.hostname or ""
    return path or host.partition(".")[0]


def _checked_key(key: str, setting: str) -> str:
    try:
        base64.b64decode(key, validate=True)
    except binascii.Error:
        raise UsageError(f"{setting} holds no account key: a key is Base64. Copy it whole, with its `==`.") from None
    return key


def _checked_sas(sas: str, setting: str) -> str:
    sas = sas.removeprefix("?")
    if not parse_qs(sas).get("sig"):
        raise UsageError(f"{setting} holds no SAS: it has no `sig=`. Copy it whole, from `sv=` on.")
    return sas
