"""Refresh tokens in a shared row, for workers that share no disk: under a lease, and sealed.

The row is read by everybody who may read the lake. So its tokens are sealed by a key that the workers alone have: it is
made of the first refresh token. That of the client may be changed.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from haulier.api.errors import Fault
from haulier.api.http.transport import TransportError
from haulier.api.identity.grants import MAX_FAMILIES, Grant, KeptGrants, cannot_be_kept
from haulier.clock import Clock, wall_seconds
from haulier.errors import HaulierError, QueueUnavailableError, UsageError
from haulier.rows.seam import Rows

ANSWER_SECONDS: Final = 30.0
LEASE_SECONDS: Final = 90.0
"""An issuer's answer, and two updates of the row that wait for others."""
MAX_WAIT_SECONDS: Final = 2 * LEASE_SECONDS
LOOK_SECONDS: Final = 1.0
"""Each look costs an operation of the store."""

_WHERE: Final = "the shared row of the refresh tokens"


class _Sealed(msgspec.Struct):
    family: str
    token: str
    asked_at: float = 0.0


class _Row(msgspec.Struct):
    holder: str = ""
    until: float = 0.0
    """Wall clock of the rows."""
    grants: list[_Sealed] = msgspec.field(default_factory=list)


@dataclass(frozen=True)
class GrantRow:
    rows: Rows
    name: str
    secret: str
    """Seals the tokens."""

    answer_seconds = ANSWER_SECONDS

    @contextlib.asynccontextmanager
    async def locked(self, clock: Clock) -> AsyncIterator[KeptGrants]:
        seal = _fernet(self.secret)
        holder = uuid.uuid4().hex
        gives_up_at = clock.monotonic() + MAX_WAIT_SECONDS
        while not await self._take(holder, clock):
            if clock.monotonic() >= gives_up_at:
                raise TransportError(Fault.CONNECT, f"other workers refresh it for more than {MAX_WAIT_SECONDS:.0f} s")
            await clock.sleep(LOOK_SECONDS)
        try:
            yield _LeasedRow(self, holder, seal, clock)
        finally:
            with contextlib.suppress(TransportError):
                await asyncio.shield(self.change(lambda row: _released(row, holder)))

    async def _take(self, holder: str, clock: Clock) -> bool:
        def take(row: _Row) -> _Row:
            now = self.now(clock)
            if row.holder and row.until > now and row.holder != holder:
                return row
            return _Row(holder, now + LEASE_SECONDS, row.grants)

        return (await self.change(take)).holder == holder

    def now(self, clock: Clock) -> float:
        return wall_seconds(clock) + self.rows.ahead_seconds

    async def change(self, change: Callable[[_Row], _Row]) -> _Row:
        try:
            body = await self.rows.update(self.name, lambda old: msgspec.json.encode(change(_row(old))))
        except QueueUnavailableError as error:
            raise TransportError(Fault.CONNECT, f"{_WHERE} cannot be changed: {error}") from error
        except HaulierError as error:
            raise cannot_be_kept(_WHERE, str(error)) from error
        return _row(body)

    async def look(self) -> _Row:
        try:
            return _row(await self.rows.read(self.name))
        except QueueUnavailableError as error:
            raise TransportError(Fault.CONNECT, f"{_WHERE} cannot be read: {error}") from error


class _LeasedRow:
    """Implements `KeptGrants`."""

    def __init__(self, row: GrantRow, holder: str, seal: Any, clock: Clock) -> None:
        self._row = row
        self._holder = holder
        self._seal = seal
        self._clock = clock

    async def read(self, family: str) -> Grant | None:
        found = [each for each in (await self._row.look()).grants if each.family == family]
        return self._opened(found[0]) if found else None

    async def write(self, family: str, grant: Grant, replaced: str = "") -> None:
        """Where the lease has run out, nothing is written but a new token in the place of the one that it was given
        for: nobody else has it. An intent makes the lease last for the answer."""
        sealed = _Sealed(family, self._seal.encrypt(grant.token.encode()).decode(), grant.asked_at)

        def change(row: _Row) -> _Row:
            is_ours = row.holder == self._holder
            if not is_ours and not (replaced and self._holds(row, family, replaced)):
                return row
            until = self._row.now(self._clock) + LEASE_SECONDS if is_ours and grant.asked_at else row.until
            others = [each for each in row.grants if each.family != family]
            return _Row(row.holder, until, [sealed, *others][:MAX_FAMILIES])

        written = await self._row.change(change)
        if grant.asked_at and written.holder != self._holder:
            raise TransportError(Fault.CONNECT, "another worker has begun to refresh it")

    def _holds(self, row: _Row, family: str, token: str) -> bool:
        found = [each for each in row.grants if each.family == family]
        return bool(found) and self._opened(found[0]).token == token

    def _opened(self, sealed: _Sealed) -> Grant:
        from cryptography.fernet import InvalidToken

        try:
            return Grant(self._seal.decrypt(sealed.token.encode()).decode(), sealed.asked_at)
        except InvalidToken as error:
            raise TransportError(
                Fault.AUTH,
                "the refresh token in the shared row was changed by something else. Nothing was asked. Authorise anew, "
                "and put the new refresh token into its variable",
            ) from error


def _released(row: _Row, holder: str) -> _Row:
    return _Row("", 0.0, row.grants) if row.holder == holder else row


def _row(body: bytes | None) -> _Row:
    return _Row() if body is None else msgspec.json.decode(body, type=_Row)


def _fernet(secret: str) -> Any:
    try:
        from cryptography.fernet import Fernet
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    except ImportError as exc:
        raise UsageError(
            "The package cryptography is not installed. In a checkout of haulier, type: pip install '.[azure]'."
        ) from exc
    # The secret is random and long, so that no slow derivation is needed.
    key = HKDF(SHA256(), 32, salt=None, info=b"haulier refresh token").derive(hashlib.sha256(secret.encode()).digest())
    return Fernet(base64.urlsafe_b64encode(key))
