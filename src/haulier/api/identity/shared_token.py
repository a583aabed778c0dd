"""The access token that all processes of a source share, since some issuers revoke the old one with each new one.

It stands in a file beside the queue that only this user can read, while a worker runs; the client's secret does not.
Each machine has a file of its own: of a queue elsewhere, in the folder that a queue of this machine would have.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import math
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from haulier.api.identity.file_lock import lock_file
from haulier.api.identity.grants import Grants
from haulier.clock import Clock

MAX_LOCK_WAIT_SECONDS = 30.0
"""Another process may hold the lock so long. Issuers are faster; a suspended process must not block all."""
MAX_TOKEN_FILE_BYTES = 256 * 1024

logger = logging.getLogger("haulier.api")


@dataclass(frozen=True, slots=True)
class SharedToken:
    """Times are wall clock seconds; infinite without an expiry."""

    value: str = field(repr=False)
    issued_at: float
    renew_at: float
    ends_at: float
    refusal: str = ""
    """Why the issuer gave none; then there is no ``value``."""


class _Kept(msgspec.Struct):
    value: str
    issued_at: float
    proof: str
    renew_at: float | None = None
    ends_at: float | None = None
    refusal: str = ""


class TokenFile:
    """Holds at most one token, or the issuer's refusal. Without a path, or after a warning about an unusable file,
    nothing is shared. Beside it are the ``grants``, which outlive it: made with the secret that seals them where others
    can read."""

    def __init__(self, path: Path | None = None, grants: Callable[[str], Grants] | None = None) -> None:
        self._path = path
        self._grants = grants
        self._descriptor: int | None = None
        self._unsettled: list[Callable[[], Awaitable[None]]] = []

    def grants(self, secret: str) -> Grants | None:
        """None where nothing can be kept."""
        return None if self._grants is None else self._grants(secret)

    def before_close(self, settle: Callable[[], Awaitable[None]]) -> None:
        self._unsettled.append(settle)

    async def settled(self) -> None:
        """Await what must not be cut short; before the transport is closed."""
        for settle in self._unsettled:
            await settle()

    @contextlib.asynccontextmanager
    async def lock(self, clock: Clock) -> AsyncIterator[None]:
        """The lock ends with its process."""
        # No thread here: after its task is cancelled, it would keep the lock.
        descriptor = self._descriptor = self._open()
        try:
            if descriptor is not None:
                try:
                    if not await lock_file(descriptor, clock, MAX_LOCK_WAIT_SECONDS):
                        logger.warning(
                            "another process takes too long to fetch an access token; fetching one without it"
                        )
                except OSError as error:
                    self._give_up(error)  # A file system without locks.
                    self._descriptor = None
            yield
        finally:
            self._descriptor = None
            if descriptor is not None:
                os.close(descriptor)

    def read(self, key: bytes) -> SharedToken | None:
        """Reads only what was written with ``key``. Needs the `lock`."""
        if self._descriptor is None:
            return None
        try:
            kept = msgspec.json.decode(os.pread(self._descriptor, MAX_TOKEN_FILE_BYTES, 0), type=_Kept)
        except (OSError, msgspec.DecodeError):
            return None  # Empty, or cut short by a crash.
        token = SharedToken(kept.value, kept.issued_at, _end(kept.renew_at), _end(kept.ends_at), kept.refusal)
        return token if hmac.compare_digest(kept.proof, _proof(token, key)) else None

    def write(self, token: SharedToken, key: bytes) -> None:
        """Needs the `lock`."""
        if self._descriptor is None:
            return
        kept = _Kept(token.value, token.issued_at, _proof(token, key), token.renew_at, token.ends_at, token.refusal)
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, msgspec.json.encode(kept), 0)
        except OSError as error:
            self._give_up(error)

    def clear(self) -> None:
        """Called when the last worker ends."""
        if self._path is not None and self._path.exists():
            with contextlib.suppress(OSError):
                os.truncate(self._path, 0)

    def _open(self) -> int | None:
        if self._path is None:
            return None
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._path, flags, 0o600)
        except OSError as error:
            self._give_up(error)
            return None
        try:
            # A file that other users may read must not hold a token.
            os.fchmod(descriptor, 0o600)
        except OSError as error:
            os.close(descriptor)
            self._give_up(error)
            return None
        return descriptor

    def _give_up(self, error: OSError) -> None:
        logger.warning(
            "the access token cannot be shared; each process fetches its own",
            extra={"file": str(self._path), "error": error.strerror},
        )
        self._path = None


def _proof(token: SharedToken, key: bytes) -> str:
    said = f"{token.value}\n{token.issued_at!r}\n{token.renew_at!r}\n{token.ends_at!r}\n{token.refusal}"
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()


def _end(moment: float | None) -> float:
    return math.inf if moment is None else moment
