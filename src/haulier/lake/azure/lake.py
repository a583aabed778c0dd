"""A folder of a container, create-only by conditional puts. A sweep fences nothing there (C9)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import obstore
from azure.core.credentials_async import AsyncTokenCredential
from obstore.exceptions import AlreadyExistsError, PreconditionError

from haulier.azure.credential import async_credential
from haulier.azure.errors import AzureErrors, AzurePlace
from haulier.clock import Clock
from haulier.errors import DamagedObjectError, LakeUnavailableError
from haulier.lake.azure.blobs import ATTEMPT, Blobs, Standing, content_type
from haulier.lake.azure.folder import ContainerFolder
from haulier.lake.azure.listing import BlobListing, is_temporary
from haulier.lake.azure.patience import LakePatience, whole
from haulier.lake.azure.pieces import Pieces
from haulier.lake.azure.rights import PutRights
from haulier.lake.azure.rows import REQUEST_SECONDS, AzureRows
from haulier.lake.azure.server_clock import ServerClock
from haulier.lake.azure.spool import AzureSpool, spool_folder
from haulier.lake.azure.store import open_store
from haulier.lake.azure.upload import BLOCK_BYTES, FileBody, MemoryBody, Upload
from haulier.lake.floor import disk_at
from haulier.lake.names import checked, temporary_name
from haulier.lake.ndjson import LineCounter
from haulier.lake.seam import Disk, FolderSize, LakeCapabilities, ObjectFacts, Published, SecondsLeft, Spool
from haulier.rows.seam import Rows

ABANDONED_SECONDS = 0.1
"""A call of obstore that was cancelled still tells its thread, which panics where Python has ended by then: a page of
Rust on the terminal of somebody who pressed Ctrl-C."""
PROBE_SECONDS = 60.0
"""As a lease: the probe is signed as objects are."""
PROBES = "_haulier/checks"
PROBE_KEPT_SECONDS = 86_400.0
"""A check that was killed leaves its probe, which a later one removes. No check takes as long."""

_CAPABILITIES = LakeCapabilities(sweep_fences=False, in_flight=32, look_seconds=5.0)


class AzureLake:
    """Whatever does not answer is waited for. A cancelled write has ended before the cancellation goes on. Raises
    `ValueError` for a path that the lake does not take."""

    def __init__(self, folder: ContainerFolder, clock: Clock, rng: random.Random) -> None:
        account = folder.account
        credential = async_credential(account)
        self._folder = folder
        self._clock = clock
        self._rng = rng
        self._token = credential if isinstance(credential, AsyncTokenCredential) else None
        self._server_clock = ServerClock(clock)
        self._errors = AzureErrors(AzurePlace(account, "container", folder.container), clock)
        self._patience = LakePatience(folder.url, self._errors, clock, rng)
        self._store = open_store(account, folder.container, self._token)
        self._blobs = Blobs(folder, credential, self._server_clock)
        self._rights = PutRights(folder, self._token, self._server_clock)
        self._listing = BlobListing(self._store, self._blobs, self._patience)
        self._pieces = Pieces(self._store, self._patience)

    @property
    def capabilities(self) -> LakeCapabilities:
        return _CAPABILITIES

    async def create(self, path: str, body: bytes) -> bool:
        blob = self._folder.blob(path)
        upload = Upload(self._blobs, self._rights, blob, MemoryBody(body))
        attributes = {"Content-Type": content_type(blob), ATTEMPT: upload.id}

        async def put() -> bool:
            if len(body) > BLOCK_BYTES:
                return bool(await upload.attempt())  # A slow line could not bring it all in the time of one request.
            try:
                await whole(
                    obstore.put_async(
                        self._store, blob, body, mode="create", use_multipart=False, attributes=attributes
                    )
                )
            except AlreadyExistsError:
                standing = await self._blobs.standing(blob)
                # Where nothing stands, blocks of a dead writer are in the way.
                return bool(await upload.attempt()) if standing is None else standing.attempt == upload.id
            return True

        return await self._patience.ask(put)

    async def create_from(self, path: str, file: Path) -> bool:
        blob = self._folder.blob(path)
        size = await asyncio.to_thread(os.path.getsize, file)
        upload = Upload(self._blobs, self._rights, blob, FileBody(file, size))
        return bool(await self._patience.ask(upload.attempt))

    async def read(self, path: str) -> bytes | None:
        return await self._pieces.read(self._folder.blob(path))

    async def exists(self, path: str) -> bool:
        return await self._standing(self._folder.blob(path)) is not None

    async def walk(self, folder: str) -> AsyncIterator[list[str]]:
        async for blobs in self._listing.below(self._folder.blob(folder)):
            paths = map(self._folder.path, blobs)
            if batch := [_printable(path) for path in paths if _is_listed(path)]:
                yield batch

    async def names(self, folder: str) -> list[str]:
        entries = await self._listing.entries(self._folder.blob(folder))
        return [_printable(name) for name in entries if _is_listed(name)]

    async def measure(self, folder: str) -> FolderSize:
        return await self._listing.measure(self._folder.blob(folder))

    def download(self, path: str) -> AsyncIterator[bytes]:
        return self._pieces.download(self._folder.blob(path))

    async def remove(self, path: str) -> None:
        blob = self._folder.blob(path)
        await self._patience.ask(lambda: whole(self._blobs.delete(blob)))

    async def open_spool(self, folder: str, name: str) -> Spool:
        checked(folder)
        if "/" in checked(name):
            raise ValueError(f"a spool stands in its folder itself, not at {name!r} below it")
        return AzureSpool(self._patience.outage())

    async def publish(self, spool: Spool, path: str, seconds_left: SecondsLeft | None = None) -> Published:
        blob = self._folder.blob(path)
        if not isinstance(spool, AzureSpool):
            raise TypeError("a spool can be published only by a lake of its kind")
        return await spool.publish(lambda body: Upload(self._blobs, self._rights, blob, body), seconds_left)

    async def adopt(self, path: str) -> ObjectFacts | None:
        blob = self._folder.blob(path)
        while True:
            counter, is_there = LineCounter(), False
            try:
                async for piece in self._pieces.download(blob):
                    is_there = True
                    await asyncio.to_thread(counter.feed, piece)
                if not is_there:
                    standing = await self._standing(blob)
                    if standing is None:
                        return None
                    if standing.size:
                        continue  # It was published between the two requests.
                counter.check_end()
            except ValueError as error:
                raise DamagedObjectError(path, str(error)) from error
            return counter.facts()

    async def sweep(self, folder: str) -> int:
        """Spools are on the machines of their workers."""
        checked(folder)
        return 0

    async def clean(self, folder: str, *, older_than_seconds: float) -> int:
        before = self._clock.now() - timedelta(seconds=older_than_seconds)
        forgotten = await self._listing.forgotten(self._folder.blob(folder), before)
        for blob in forgotten:
            await self._patience.ask(partial(self._blobs.delete, blob))
        return len(forgotten)

    async def prune(self, folder: str) -> None:
        """Folders are names, but for those of a hierarchical namespace, which cost nothing."""
        checked(folder)

    def locate(self, path: str) -> str:
        return f"{self._folder.url}/{checked(path)}"

    async def disk(self) -> Disk | None:
        """Of the spools."""
        disk = await asyncio.to_thread(lambda: disk_at(spool_folder()))
        return replace(disk, holds="records under way", remedy="name a folder on another disk in TMPDIR")

    def rows(self) -> Rows:
        folder = self._folder.below("_haulier/rows")
        store = open_store(self._folder.account, self._folder.container, self._token, REQUEST_SECONDS)
        return AzureRows(store, folder, self._errors, self._clock, self._server_clock, self._rng)

    async def check(self) -> None:
        """Each right is tried that a run needs: to list, to put, to read, to replace and to delete."""
        await asyncio.to_thread(spool_folder)  # It is there.
        probe = self._folder.below(f"{PROBES}/{temporary_name()}")
        # Of its own: it has a minute, which no lease need have.
        rights = PutRights(self._folder, self._token, self._server_clock)
        upload = Upload(self._blobs, rights, probe, MemoryBody(b"{}"))

        async def put() -> None:
            # The first answer may show that our clock is slow: by the service's the signature had ended then.
            if await upload.attempt(lambda: PROBE_SECONDS) is None:
                await upload.attempt(lambda: PROBE_SECONDS)

        async def replace_it() -> None:
            """As a shared row is."""
            tag = (await obstore.head_async(self._store, probe))["e_tag"]
            with contextlib.suppress(PreconditionError):  # An earlier try was made, and its answer lost.
                await obstore.put_async(self._store, probe, b"{ }", mode={"e_tag": tag}, use_multipart=False)

        await self.clean(PROBES, older_than_seconds=PROBE_KEPT_SECONDS)
        try:
            await self._patience.ask(put)
        finally:
            await rights.close()
        self._errors.require_clock(datetime.fromtimestamp(self._server_clock.now(), UTC))
        found = await self._pieces.read(probe)
        if found is None:
            raise LakeUnavailableError(
                f"What is put into the lake at {self._folder.url} is not found there. Does something else remove it?"
            )
        await self._patience.ask(replace_it)
        await self._patience.ask(partial(self._blobs.delete, probe))

    async def _standing(self, blob: str) -> Standing | None:
        """By the SDK: obstore does not say whether it is the container that is missing."""
        return await self._patience.ask(lambda: self._blobs.standing(blob))

    async def close(self) -> None:
        await self._blobs.close()
        await self._rights.close()
        if self._token is not None:
            await self._token.close()
        await asyncio.sleep(ABANDONED_SECONDS)


def _is_listed(path: str) -> bool:
    """A stranger may have put anything there: no path of ours has an empty part, or one that climbs."""
    return not is_temporary(path) and not {"", ".", ".."} & set(path.split("/"))


def _printable(path: str) -> str:
    return path if path.isascii() else path.encode("ascii", "backslashreplace").decode("ascii")
