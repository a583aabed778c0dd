"""Receipts (P8): durable, in groups, before their leases are completed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from haulier.errors import HaulierError, LakeUnavailableError
from haulier.lake.names import is_path
from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.runs.records import Receipt

MAX_RECEIPTS_READ: Final = 2_000
"""Receipts read to learn of a stream, while an item that looks wrong waits."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Receipt)


async def write_receipts(lake: Lake, paths: RunPaths, writer: str, number: int, receipts: Sequence[Receipt]) -> None:
    """Durable on return; repeatable after a failure. ``writer`` is unique (it holds a random part)."""
    path = paths.receipts(writer, number)
    body = b"".join(_encoder.encode(receipt) + b"\n" for receipt in receipts)
    if not await lake.create(path, body) and await lake.read(path) != body:
        raise HaulierError(f"{path} already exists with other receipts: two processes use the name {writer!r}")


async def was_sign_seen(lake: Lake, paths: RunPaths, stream: str) -> bool:
    looked_at = 0
    async for files in lake.walk(paths.folder("receipts")):
        for path in filter(is_path, files):
            for receipt in await _receipts_at(lake, path):
                looked_at += 1
                if looked_at > MAX_RECEIPTS_READ:
                    return False
                # A receipt does not name its stream; its object does.
                is_known = not (receipt.unseen or receipt.adopted)
                if is_known and await lake.exists(paths.object(stream, receipt.key)):
                    return True
    return False


async def _receipts_at(lake: Lake, path: str) -> list[Receipt]:
    body = await lake.read(path)
    try:
        return [_decoder.decode(line) for line in (body or b"").splitlines()]
    except msgspec.DecodeError as error:
        raise LakeUnavailableError(
            f"{path} in the lake is not a file of receipts that haulier wrote: {error}"
        ) from error
