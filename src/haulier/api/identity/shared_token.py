"""The access token that all processes of a source use together: some issuers revoke the older one with each new one.

It stands in a file beside the queue, which only this user can read, for as long as anybody works. The client's secret
is not in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import logging
import math
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from haulier.clock import Clock

MAX_LOCK_WAIT_SECONDS = 30.0
"""How long somebody else may take to fetch a token; after that it is fetched without regard to them. Issuers are
faster, and a process that was stopped in the middle must not hold up everybody."""
LOCK_POLL_SECONDS = 0.05
MAX_TOKEN_FILE_BYTES = 256 * 1024

logger = logging.getLogger("haulier.api")


@dataclass(frozen=True, slots=True)
class SharedToken:
    """Times are the wall clock's, in seconds; infinite where the issuer named no end."""

    value: str = field(repr=False)
    issued_at: float
    renew_at: float
    ends_at: float


class _Kept(msgspec.Struct):
    value: str
    issued_at: float
    proof: str
    renew_at: float | None = None
    ends_at: float | None = None


class TokenFile:
    """Holds at most one token. Without a path there is none to share it with, and every call does nothing.

    A file that cannot be used is said once, and from then on each process has a token of its own.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._descriptor: int | None = None

    @contextlib.asynccontextmanager
    async def held(self, clock: Clock) -> AsyncIterator[None]:
        """For who is about to fetch a token: one process at a time. A process that dies lets go."""
        # Files are touched here, on the loop: a thread whose task is cancelled would keep the lock.
        descriptor = self._descriptor = self._open()
        try:
            if descriptor is not None:
                await _lock(descriptor, clock)
            yield
        finally:
            self._descriptor = None
            if descriptor is not None:
                os.close(descriptor)

    def read(self, key: bytes) -> SharedToken | None:
        """What stands there, if it was put there by who knows ``key``. Call it while it is `held`."""
        if self._descriptor is None:
            return None
        try:
            kept = msgspec.json.decode(os.pread(self._descriptor, MAX_TOKEN_FILE_BYTES, 0), type=_Kept)
        except (OSError, msgspec.DecodeError):
            return None  # Empty, or cut short by who died over it.
        token = SharedToken(kept.value, kept.issued_at, _end(kept.renew_at), _end(kept.ends_at))
        return token if hmac.compare_digest(kept.proof, _proof(token, key)) else None

    def write(self, token: SharedToken, key: bytes) -> None:
        """Put it there for the others. Call it while it is `held`."""
        if self._descriptor is None:
            return
        kept = _Kept(token.value, token.issued_at, _proof(token, key), token.renew_at, token.ends_at)
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, msgspec.json.encode(kept), 0)
        except OSError as error:
            self._give_up(error)

    def clear(self) -> None:
        """Nobody works any more: leave no token behind."""
        if self._path is not None and self._path.exists():
            with contextlib.suppress(OSError):
                os.truncate(self._path, 0)

    def _open(self) -> int | None:
        if self._path is None:
            return None
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._path, flags, 0o600)
        except OSError as error:
            self._give_up(error)
            return None
        try:
            # A file that others may read, however that came about, holds no token.
            os.fchmod(descriptor, 0o600)
        except OSError as error:
            os.close(descriptor)
            self._give_up(error)
            return None
        return descriptor

    def _give_up(self, error: OSError) -> None:
        logger.warning(
            "the access token cannot be shared; each process asks for its own",
            extra={"file": str(self._path), "error": error.strerror},
        )
        self._path = None


async def _lock(descriptor: int, clock: Clock) -> None:
    gives_up_at = clock.monotonic() + MAX_LOCK_WAIT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.monotonic() >= gives_up_at:
                logger.warning("another process has been fetching an access token for too long; it is not waited for")
                return
            await clock.sleep(LOCK_POLL_SECONDS)
        else:
            return


def _proof(token: SharedToken, key: bytes) -> str:
    said = f"{token.value}\n{token.issued_at!r}\n{token.renew_at!r}\n{token.ends_at!r}"
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()


def _end(moment: float | None) -> float:
    return math.inf if moment is None else moment
