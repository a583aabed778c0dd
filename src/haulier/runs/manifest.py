"""The manifest: one line for each key of a run, written once from the ledger and read back to judge it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

import msgspec
from isal import igzip

from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.runs.ledger import Ledger
from haulier.runs.records import ManifestEntry, Receipt, Totals

_COLUMNS = "key, stream, is_split, has_object, is_empty, is_damaged, poison, redrive, receipt"

_encoder = msgspec.json.Encoder()
_entry_decoder = msgspec.json.Decoder(ManifestEntry)
_receipt_decoder = msgspec.json.Decoder(Receipt)


def manifest_entry(paths: RunPaths, row: tuple[object, ...]) -> ManifestEntry:
    """How one key ended: child list beats object, object beats ``empty``, ``empty`` beats poison (C3)."""
    key, stream, is_split, has_object, is_empty, is_damaged, poison, redrive, receipt = row
    entry = ManifestEntry(key=str(key), stream=str(stream), state="damaged")
    if is_split:
        return msgspec.structs.replace(entry, state="split")
    if isinstance(receipt, bytes):
        found = _receipt_decoder.decode(receipt)
        return msgspec.structs.replace(
            entry,
            state="done" if has_object and not is_damaged else "damaged",
            path=paths.object(entry.stream, entry.key),
            records=found.records,
            bytes=found.bytes,
            sha256=found.sha256,
            requests=found.requests,
            seconds=found.seconds,
            encoded=found.encoded,
            drift=found.drift,
        )
    if has_object or is_damaged:
        return msgspec.structs.replace(entry, path=paths.object(entry.stream, entry.key))
    if is_empty:
        return msgspec.structs.replace(entry, state="empty")
    if isinstance(poison, int) and isinstance(redrive, int) and poison > redrive:
        return msgspec.structs.replace(entry, state="poisoned", poison=poison)
    return entry


async def write_manifest(lake: Lake, ledger: Ledger, paths: RunPaths, number: int) -> None:
    """Write the manifest of a closing from its ledger. Create-only: one that stands is left, and adopted (C3)."""
    file = ledger.scratch.folder / f"manifest-{number}.ndjson.gz"
    with await asyncio.to_thread(igzip.open, file, "wb") as stream:
        async for rows in ledger.select("is_planned", _COLUMNS):
            lines = b"".join(_encoder.encode(manifest_entry(paths, row)) + b"\n" for row in rows)
            await asyncio.to_thread(stream.write, lines)
    try:
        await lake.create_from(paths.closing(number, "manifest.ndjson.gz"), file)
    finally:
        file.unlink()


async def read_manifest(lake: Lake, paths: RunPaths, number: int) -> AsyncIterator[list[ManifestEntry]]:
    """The entries of a closing's manifest as it stands in the lake, in batches."""
    inflate = zlib.decompressobj(wbits=31)
    rest = b""
    async for piece in lake.download(paths.closing(number, "manifest.ndjson.gz")):
        *lines, rest = (rest + inflate.decompress(piece)).split(b"\n")
        yield [_entry_decoder.decode(line) for line in lines]


async def manifest_totals(lake: Lake, paths: RunPaths, number: int) -> tuple[Totals, dict[str, int]]:
    """The manifest that stands, added up, and the records of each stream."""
    totals = Totals()
    streams: dict[str, int] = {}
    async for entries in read_manifest(lake, paths, number):
        for entry in entries:
            count = 1 if entry.state == "done" else 0
            streams[entry.stream] = streams.get(entry.stream, 0) + count * entry.records
            totals = Totals(
                planned=totals.planned + 1,
                done=totals.done + count,
                empty=totals.empty + (entry.state == "empty"),
                split=totals.split + (entry.state == "split"),
                poisoned=totals.poisoned + (entry.state == "poisoned"),
                damaged=totals.damaged + (entry.state == "damaged"),
                records=totals.records + count * entry.records,
                bytes=totals.bytes + count * entry.bytes,
                requests=totals.requests + entry.requests,
                drifted=totals.drifted + (entry.drift is not None),
            )
    return totals, streams
