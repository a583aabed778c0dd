"""P8: receipts are durable, in groups, before the leases behind them are completed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from haulier.errors import HaulierError
from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.runs.records import Receipt

_encoder = msgspec.json.Encoder()


async def write_receipts(lake: Lake, paths: RunPaths, writer: str, number: int, receipts: Sequence[Receipt]) -> None:
    """Write one group, durable on return. ``writer`` is a name that nobody else ever uses (it holds a random part).

    May be called again with the same receipts after it failed: the lake may have kept them all the same.
    """
    path = paths.receipts(writer, number)
    body = b"".join(_encoder.encode(receipt) + b"\n" for receipt in receipts)
    if not await lake.create(path, body) and await lake.read(path) != body:
        raise HaulierError(f"{path} stands already with other receipts: two processes use the name {writer!r}")
