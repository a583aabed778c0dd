"""Refresh tokens in a file beside the queue, for this user alone: replaced as a whole, and synced before it counts."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec

from haulier.api.errors import Fault
from haulier.api.http.transport import TransportError
from haulier.api.identity.grants import MAX_FAMILIES, Grant, KeptGrants, cannot_be_kept
from haulier.clock import Clock
from haulier.disks import make_durable, sync_folder

MAX_LOCK_WAIT_SECONDS: Final = 90.0
"""Longer than an issuer may take. Nobody goes on without the lock."""
LOCK_POLL_SECONDS: Final = 0.05

_READ_BYTES: Final = 1 << 20


class _StoredGrant(msgspec.Struct):
    family: str
    token: str
    proof: str
    asked_at: float = 0.0


class GrantFile:
    """``path.lock`` beside it is locked, since ``path`` itself is another file after each change. The system lets go of
    the lock of a dead process."""

    answer_seconds = 60.0

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextlib.asynccontextmanager
    async def locked(self, clock: Clock) -> AsyncIterator[KeptGrants]:
        lock = self._path.with_name(f"{self._path.name}.lock")
        try:
            lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise cannot_be_kept(str(lock), error.strerror or type(error).__name__) from error
        try:
            await _lock(descriptor, clock)
            yield _LockedFile(self._path)
        finally:
            os.close(descriptor)


class _LockedFile:
    """Implements `KeptGrants`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self, family: str) -> Grant | None:
        found = [kept for kept in await asyncio.to_thread(self._read) if kept.family == family]
        return Grant(found[0].token, found[0].asked_at) if found else None

    async def write(self, family: str, grant: Grant) -> None:
        await asyncio.to_thread(self._write, family, grant)

    def _read(self) -> list[_StoredGrant]:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._failure(error) from error
        try:
            kept = msgspec.json.decode(os.read(descriptor, _READ_BYTES), type=list[_StoredGrant])
        except OSError as error:
            raise self._failure(error) from error
        except msgspec.DecodeError as error:
            raise self._spoilt() from error
        finally:
            os.close(descriptor)
        if not all(hmac.compare_digest(each.proof, _proof(each)) for each in kept):
            raise self._spoilt()
        return kept

    def _write(self, family: str, grant: Grant) -> None:
        new = _StoredGrant(family, grant.token, "", grant.asked_at)
        new.proof = _proof(new)
        others = [kept for kept in self._read() if kept.family != family]
        half = self._path.with_name(f"{self._path.name}.new")
        try:
            with contextlib.suppress(FileNotFoundError):
                half.unlink()  # Of a process that died over it.
            descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.write(descriptor, msgspec.json.encode([new, *others][:MAX_FAMILIES]))
                make_durable(descriptor)
            finally:
                os.close(descriptor)
            half.replace(self._path)
            sync_folder(str(self._path.parent))
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> TransportError:
        return cannot_be_kept(str(self._path), error.strerror or type(error).__name__)

    def _spoilt(self) -> TransportError:
        return TransportError(
            Fault.AUTH,
            f"the refresh tokens in {self._path} were changed by something else. Nothing was asked. Remove that file, "
            "authorise anew and put the new refresh token into its variable",
        )


async def _lock(descriptor: int, clock: Clock) -> None:
    gives_up_at = clock.monotonic() + MAX_LOCK_WAIT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.monotonic() >= gives_up_at:
                raise TransportError(
                    Fault.CONNECT, f"another process refreshes it for more than {MAX_LOCK_WAIT_SECONDS:.0f} seconds"
                ) from None
            await clock.sleep(LOCK_POLL_SECONDS)
        else:
            return


def _proof(kept: _StoredGrant) -> str:
    """Against half a file that is put back by hand; who can write there needs no proof."""
    return hashlib.sha256(f"{kept.family}\n{kept.token}\n{kept.asked_at!r}".encode()).hexdigest()
