"""Refresh tokens in a file beside the queue, for this user alone: replaced as a whole, and synced before it counts."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec

from haulier.api.errors import Fault
from haulier.api.http.transport import TransportError
from haulier.api.identity.file_lock import lock_file
from haulier.api.identity.grants import MAX_FAMILIES, Grant, KeptGrants, cannot_be_kept
from haulier.clock import Clock
from haulier.disks import make_durable, sync_folder

MAX_LOCK_WAIT_SECONDS: Final = 90.0
"""Longer than an issuer may take. Nobody goes on without the lock."""

_READ_BYTES: Final = 1 << 20
_ROOM_BYTES: Final = 128 * 1024
"""For the next token, which is no longer than a header may be."""


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
            try:
                is_locked = await lock_file(descriptor, clock, MAX_LOCK_WAIT_SECONDS)
            except OSError as error:
                raise cannot_be_kept(str(lock), error.strerror or type(error).__name__) from error
            if not is_locked:
                raise TransportError(
                    Fault.CONNECT, f"another process refreshes it for more than {MAX_LOCK_WAIT_SECONDS:.0f} seconds"
                )
            kept = _LockedFile(self._path)
            try:
                yield kept
            finally:
                kept.give_room_back()
        finally:
            os.close(descriptor)


class _LockedFile:
    """Implements `KeptGrants`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._half = path.with_name(f"{path.name}.new")
        self._room: int | None = None
        """An open file with room for the next token: a full disk is found before the issuer is asked."""

    def give_room_back(self) -> None:
        if self._room is not None:
            os.close(self._room)
            self._room = None
            with contextlib.suppress(OSError):
                self._half.unlink()

    async def read(self, family: str) -> Grant | None:
        found = [kept for kept in await asyncio.to_thread(self._read) if kept.family == family]
        return Grant(found[0].token, found[0].asked_at) if found else None

    async def write(self, family: str, grant: Grant, replaced: str = "") -> None:
        await asyncio.to_thread(self._write, family, grant, was_asked=bool(replaced))

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

    def _write(self, family: str, grant: Grant, *, was_asked: bool) -> None:
        new = _StoredGrant(family, grant.token, "", grant.asked_at)
        new.proof = _proof(new)
        others = [kept for kept in self._read() if kept.family != family]
        try:
            self._replace(msgspec.json.encode([new, *others][:MAX_FAMILIES]))
            if grant.asked_at:
                self._room = self._new_half()
                _write_all(self._room, bytes(_ROOM_BYTES))
        except OSError as error:
            raise self._failure(error, was_asked=was_asked) from error

    def _replace(self, body: bytes) -> None:
        descriptor, self._room = self._new_half() if self._room is None else self._room, None
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            _write_all(descriptor, body)
            os.ftruncate(descriptor, len(body))
            make_durable(descriptor)
        finally:
            os.close(descriptor)
        self._half.replace(self._path)
        sync_folder(str(self._path.parent))

    def _new_half(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            self._half.unlink()  # Of a process that died over it.
        return os.open(self._half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def _failure(self, error: OSError, *, was_asked: bool = False) -> TransportError:
        return cannot_be_kept(str(self._path), error.strerror or type(error).__name__, was_asked=was_asked)

    def _spoilt(self) -> TransportError:
        return TransportError(
            Fault.AUTH,
            f"the refresh tokens in {self._path} were changed by something else. Nothing was asked. Remove that file, "
            "authorise anew and put the new refresh token into its variable",
        )


def _write_all(descriptor: int, body: bytes) -> None:
    """A disk that runs full takes a part, and refuses the rest."""
    while body:
        body = body[os.write(descriptor, body) :]


def _proof(kept: _StoredGrant) -> str:
    """Against half a file that is put back by hand; who can write there needs no proof."""
    return hashlib.sha256(f"{kept.family}\n{kept.token}\n{kept.asked_at!r}".encode()).hexdigest()
