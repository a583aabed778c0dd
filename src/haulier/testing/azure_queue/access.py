"""Who may ask: the forms of credentials and their times are checked, signatures are not."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from haulier.clock import SystemClock
from haulier.testing.azure_queue.store import StorageError
from haulier.testing.proxy.operations import query_of
from haulier.testing.proxy.wire import WireRequest

MAX_SKEW_SECONDS = 15 * 60
"""Documented: a signed request is no older than 15 minutes when it arrives."""
_NEEDED = {
    "put": "a",
    "get": "p",
    "peek": "r",
    "update": "u",
    "delete": "p",
    "clear": "d",
    "create-queue": "cw",
    "delete-queue": "d",
    "get-metadata": "r",
    "set-metadata": "w",
}
"""The rights in a SAS, one of which each operation needs: of the account for queues, of the queue for messages."""


def require_access(request: WireRequest, operation: str, account: str, now: datetime, skew_seconds: float) -> None:
    """Raise `StorageError` for a request without credentials, with credentials of another form, or out of their time.

    ``now`` is the server's time. The age of a signed request is measured by the machine's clock and ``skew_seconds``,
    so that a clock that a test moves ahead refuses nobody.
    """
    query = query_of(request)
    kind, _, credential = request.get(b"authorization").decode("latin-1").partition(" ")
    if "sig" in query:
        _require_sas(query, operation, now)
    elif kind == "SharedKey":
        if not re.fullmatch(rf"{re.escape(account)}:[A-Za-z0-9+/]+=*", credential):
            raise _refused("The signature has not the form SharedKey ACCOUNT:SIGNATURE.")
        _require_fresh(request, skew_seconds)
    elif kind == "Bearer" and credential:
        return
    elif kind:
        raise _refused("The Authorization header is neither SharedKey nor Bearer.")
    else:
        raise StorageError(
            401, "NoAuthenticationInformation", "Server failed to authenticate the request: no credentials were sent."
        )


def _require_sas(query: dict[str, str], operation: str, now: datetime) -> None:
    for name, is_before in (("st", True), ("se", False)):
        moment = _moment(query.get(name, ""))
        if name == "se" and moment is None:
            raise _refused("se is missing or no time.")
        if moment is not None and (now < moment if is_before else now >= moment):
            raise _refused(f"Signature not valid in the specified time frame: {name} is {query[name]}.")
    needed = _NEEDED.get(operation, "")
    if needed and not set(needed) & set(query.get("sp", "")):
        raise StorageError(
            403,
            "AuthorizationPermissionMismatch",
            "This request is not authorized to perform this operation using this permission.",
        )


def _require_fresh(request: WireRequest, skew_seconds: float) -> None:
    text = (request.get(b"x-ms-date") or request.get(b"date")).decode("latin-1")
    sent_at: datetime | None = None
    with contextlib.suppress(ValueError):
        sent_at = parsedate_to_datetime(text)
    if sent_at is None:
        raise _refused("x-ms-date is missing or no time.")
    age_seconds = SystemClock().now().timestamp() + skew_seconds - sent_at.timestamp()
    if abs(age_seconds) > MAX_SKEW_SECONDS:
        raise _refused(f"Request date header too old: '{text}'.")


def _refused(detail: str) -> StorageError:
    return StorageError(
        403,
        "AuthenticationFailed",
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly "
        f"including the signature. {detail}",
    )


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
