"""The right to put one blob, which ends with the lease of whoever puts it (C9)."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobSasPermissions, UserDelegationKey, generate_blob_sas
from azure.storage.blob.aio import BlobServiceClient

from haulier.lake.azure.folder import ContainerFolder
from haulier.lake.azure.server_clock import ServerClock
from haulier.lake.azure.store import CONNECT_SECONDS, REQUEST_SECONDS

PUT_SECONDS = 30.0
"""A put is given up after that. The service looks at a signature when a request begins, and takes its body for as long
as it comes; so a signature ends that much before its lease."""
SHORTEST_SECONDS = 2.0
"""A signature ends on a whole second, so one for less than that may outlive its lease. It is not made: the lease is
about to be renewed, or is over."""
LONG_LEASE_SECONDS = 4.5
"""What a lease had left once, of those for which `SHORTEST_SECONDS` holds. One of five seconds has as much."""
_KEY_LIFE = timedelta(days=1)
_KEY_REST = timedelta(hours=4)
"""A delegation key with less to live is replaced: no lease is longer."""
_PERMISSION = BlobSasPermissions(create=True, write=True)

logger = logging.getLogger("haulier.lake")


@dataclass(frozen=True)
class PutRight:
    sas: str | None
    """None: the account's own credential, which does not end with the lease."""
    timeout_seconds: float
    ends_at: float = math.inf
    """Seconds since 1970, by the clock of the service."""


class PutRights:
    """Signed with the account's key, or with a delegation key that a token gets. A SAS cannot sign another."""

    def __init__(self, folder: ContainerFolder, token: AsyncTokenCredential | None, server_clock: ServerClock) -> None:
        self._folder = folder
        self._service: BlobServiceClient | None = None
        if token is not None:
            self._service = BlobServiceClient(
                folder.account.blob_endpoint,
                credential=token,
                retry_total=0,
                connection_timeout=CONNECT_SECONDS,
                read_timeout=REQUEST_SECONDS,
            )
        self._server_clock = server_clock
        self._key: UserDelegationKey | None = None
        self._key_ends_at = -math.inf
        self._is_refused = False
        self._longest_seconds = 0.0

    async def for_seconds(self, blob: str, seconds_left: float | None) -> PutRight | None:
        """``seconds_left`` of the lease; None without one. May ask the service. Returns None where too little is left
        of a lease."""
        if seconds_left is None:
            return PutRight(None, PUT_SECONDS)
        self._longest_seconds = max(self._longest_seconds, seconds_left)
        shortest_seconds = SHORTEST_SECONDS if self._longest_seconds >= LONG_LEASE_SECONDS else 0.0
        if seconds_left <= 0 or seconds_left < shortest_seconds:
            return None
        timeout_seconds = min(PUT_SECONDS, seconds_left / 2)
        now = self._server_clock.now()
        # In whole seconds. What is left of a very short lease must not be rounded to nothing.
        ends_at = float(max(math.floor(now + seconds_left - timeout_seconds), math.ceil(now + 1)))
        sas = await self._sign(blob, ends_at)
        return PutRight(sas, timeout_seconds) if sas is None else PutRight(sas, timeout_seconds, ends_at)

    def is_over(self, right: PutRight) -> bool:
        """Whether a refusal says that the lease is over, and no right is missing."""
        return self._server_clock.now() >= right.ends_at - 1

    async def close(self) -> None:
        if self._service is not None:
            await self._service.close()

    async def _sign(self, blob: str, ends_at: float) -> str | None:
        account, container = self._folder.account, self._folder.container
        expiry = datetime.fromtimestamp(ends_at, UTC)
        if account.key:
            return generate_blob_sas(
                account.name, container, blob, account_key=account.key, permission=_PERMISSION, expiry=expiry
            )
        key = await self._delegation_key()
        if key is None:
            return None
        return generate_blob_sas(
            account.name, container, blob, user_delegation_key=key, permission=_PERMISSION, expiry=expiry
        )

    async def _delegation_key(self) -> UserDelegationKey | None:
        if self._service is None or self._is_refused:
            return None
        now = self._server_clock.now()
        if self._key is None or now + _KEY_REST.total_seconds() > self._key_ends_at:
            begin = datetime.fromtimestamp(now, UTC)
            try:
                self._key = await self._service.get_user_delegation_key(begin - timedelta(minutes=5), begin + _KEY_LIFE)
            except HttpResponseError as error:
                if error.status_code != 403:
                    raise
                self._is_refused = True
                logger.warning(
                    "puts are not signed to end with their leases: this identity may not get a user delegation key",
                    extra={"account": self._folder.account.name, "right": "Storage Blob Delegator"},
                )
                return None
            self._key_ends_at = (begin + _KEY_LIFE).timestamp()
        return self._key
