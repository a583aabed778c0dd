"""Reading blobs: whole where they are small, else in pieces, each of them one request that can be made again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import obstore
from obstore.store import AzureStore

from haulier.azure.fault import fault_of
from haulier.errors import LakeUnavailableError
from haulier.lake.azure.patience import LakePatience

PIECE_BYTES = 4 * 1024 * 1024
"""Small enough to come within the time of a request over a slow line."""


@dataclass(frozen=True)
class _Head:
    body: bytes | None
    """None where it is longer than a piece."""
    size: int
    tag: str


class Pieces:
    def __init__(self, store: AzureStore, patience: LakePatience) -> None:
        self._store = store
        self._patience = patience

    async def read(self, blob: str) -> bytes | None:
        """None: there is no such blob. For records, which memory holds."""
        head = await self._patience.ask(lambda: self._head(blob))
        if head is None or head.body is not None:
            return None if head is None else head.body
        return b"".join([piece async for piece in self._ranges(blob, head)])

    async def download(self, blob: str) -> AsyncIterator[bytes]:
        """Of one version of it. An empty one has no range that could be asked for, so the size comes first."""
        head = await self._patience.ask(lambda: self._head(blob))
        if head is None:
            return
        if head.body is not None:
            if head.body:
                yield head.body
            return
        async for piece in self._ranges(blob, head):
            yield piece

    async def _ranges(self, blob: str, head: _Head) -> AsyncIterator[bytes]:
        for start in range(0, head.size, PIECE_BYTES):
            piece = await self._range(blob, start, min(start + PIECE_BYTES, head.size), head.tag)
            if piece is None:
                raise LakeUnavailableError(f"{blob} has disappeared from the container while it was read")
            yield piece

    async def _head(self, blob: str) -> _Head | None:
        try:
            found = await obstore.get_async(self._store, blob)
        except FileNotFoundError as error:
            if _is_absent(error):
                return None
            raise
        size = found.meta["size"]
        body = bytes(await found.bytes_async()) if size <= PIECE_BYTES else None
        return _Head(body, size, found.meta["e_tag"] or "")

    async def _range(self, blob: str, start: int, end: int, tag: str) -> bytes | None:
        async def get() -> bytes | None:
            try:
                found = await obstore.get_async(self._store, blob, options={"range": (start, end), "if_match": tag})
                return bytes(await found.bytes_async())
            except FileNotFoundError as error:
                if not _is_absent(error):
                    raise
            return None

        return await self._patience.ask(get)


def _is_absent(error: FileNotFoundError) -> bool:
    """A missing container is the same error to obstore, and no missing blob."""
    return fault_of(error).code == "BlobNotFound"
