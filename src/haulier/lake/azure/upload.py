"""One object on its way to its name: create-only, whole or absent, in bounded memory."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from azure.core.exceptions import HttpResponseError

from haulier.lake.azure.blobs import Blobs, code_of, may_stand, stands
from haulier.lake.azure.patience import whole
from haulier.lake.azure.rights import PutRight, PutRights
from haulier.lake.seam import SecondsLeft

PUT_BYTES = 1024 * 1024
"""Up to this an object is one request, which costs half as much as two. Above, memory holds one block at a time, and
what makes it visible is a request without a body of its own, which is over in a moment."""
BLOCK_BYTES = 4 * 1024 * 1024
RIGHT_PAUSE_SECONDS = 0.05
"""Until a lease is looked at again of which too little is left: its keeper renews it meanwhile."""
MAX_BLOCKS = 50_000
"""Of one blob, by the documentation of Put Block."""


class UploadBody(Protocol):
    @property
    def size(self) -> int: ...

    async def read(self, start: int, size: int) -> bytes: ...


@dataclass(frozen=True)
class MemoryBody:
    body: bytes

    @property
    def size(self) -> int:
        return len(self.body)

    async def read(self, start: int, size: int) -> bytes:
        return self.body[start : start + size]


class FileBody:
    def __init__(self, file: Path, size: int) -> None:
        self._file = file
        self.size = size

    async def read(self, start: int, size: int) -> bytes:
        return await asyncio.to_thread(self._read, start, size)

    def _read(self, start: int, size: int) -> bytes:
        with open(self._file, "rb") as file:
            file.seek(start)
            return file.read(size)


class Upload:
    """Of one body to one name. A try that failed may be made again, and goes on behind the blocks that arrived.

    A cancelled one ends with the request that may make it visible; blocks do not, so they are not waited for.

    Blocks of a dead writer may lie under any name. Azurite then refuses each create by one request for ever, where the
    service drops them; both take a list of blocks. Their ids must be as long as those that lie there, so this length
    stays for ever.
    """

    def __init__(self, blobs: Blobs, rights: PutRights, blob: str, body: UploadBody) -> None:
        self._blobs = blobs
        self._rights = rights
        self._blob = blob
        self._body = body
        self.id = uuid.uuid4().hex
        """Goes with the blob, and tells it from another's."""
        self._staged: list[str] = []

    async def attempt(self, seconds_left: SecondsLeft | None = None) -> bool | None:
        """True: ours stands. False: another's does. None: nothing was put; either the lease's end came first, or the
        blocks took their time, and a closing is to be looked for anew before they are made visible (P7, step 2)."""
        if self._body.size <= PUT_BYTES and not self._staged:
            body = await self._body.read(0, self._body.size)
            right = await self._right(seconds_left)
            if right is None:
                return None
            try:
                await whole(self._blobs.put(self._blob, body, self.id, right.sas, right.timeout_seconds))
            except HttpResponseError as error:
                if self._is_late(error, right):
                    return None
                if not may_stand(error):
                    raise
                found = await self._blobs.standing(self._blob)
                if found is not None:
                    return found.attempt == self.id
            else:
                return True
        return await self._by_blocks(seconds_left)

    async def _by_blocks(self, seconds_left: SecondsLeft | None) -> bool | None:
        block_bytes = max(BLOCK_BYTES, -(-self._body.size // MAX_BLOCKS))
        staged_before = len(self._staged)
        for start in range(staged_before * block_bytes, self._body.size, block_bytes):
            block = f"{self.id}{len(self._staged):08d}"
            await self._blobs.stage(self._blob, block, await self._body.read(start, block_bytes))
            self._staged.append(block)
        if seconds_left is not None and len(self._staged) > staged_before:
            return None
        right = await self._right(seconds_left)
        if right is None:
            return None
        try:
            await whole(self._blobs.commit(self._blob, self._staged, self.id, right.sas, right.timeout_seconds))
        except HttpResponseError as error:
            if self._is_late(error, right):
                return None
            # Blocks go when another's blob is committed under the name, though that may have been removed since.
            stood = stands(error) or code_of(error) == "InvalidBlockList"
            if not stood and not may_stand(error):
                raise
            found = await self._blobs.standing(self._blob)
            if found is not None:
                return found.attempt == self.id
            if not stood:
                raise
            self._staged.clear()
            raise TimeoutError("what stood under the name has gone") from error
        return True

    async def _right(self, seconds_left: SecondsLeft | None) -> PutRight | None:
        """Asked for as late as can be: blocks take their time."""
        left = seconds_left() if seconds_left is not None else None
        right = await self._rights.for_seconds(self._blob, left)
        if right is None:
            await asyncio.sleep(RIGHT_PAUSE_SECONDS)
        return right

    def _is_late(self, error: HttpResponseError, right: PutRight) -> bool:
        return error.status_code == 403 and not stands(error) and self._rights.is_over(right)
