"""The manifest: one line for each key of a run."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import apsw
import msgspec
from isal import igzip

from haulier.errors import LakeUnavailableError, UnavailableError
from haulier.lake.ndjson import lines_of
from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.runs import ledger_schema as table
from haulier.runs.ledger import BATCH_ITEMS, Ledger
from haulier.runs.records import COUNT_FOLDERS, Drift, EntryState, ManifestEntry, Totals

MANIFEST_NAME = "manifest.ndjson.gz"

_COLUMNS = ", ".join(("stream, state, has_object, damage, disagrees, poison, discard_reason", *table.RECEIPT_COLUMNS))
_FROM_COLUMN: dict[str, Callable[[Any], object]] = {
    "adopted": bool,
    "encoded": bool,
    "added": msgspec.json.Decoder(tuple[str, ...]).decode,
    "drift": msgspec.json.Decoder(Drift).decode,
}
"""Fields that are neither number nor text."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ManifestEntry)


def manifest_entry(paths: RunPaths, row: Sequence[object]) -> ManifestEntry:
    """How one key ended (C3): child list beats object, object beats ``empty``, ``empty`` beats discard, discard beats
    poison. ``done`` takes a whole object and receipts that agree."""
    key, stream = str(row[0]), str(row[1])
    state, has_object, damage, disagrees, poison, discard_reason = row[2:8]
    receipt = {name: value for name, value in zip(table.RECEIPT_COLUMNS, row[8:], strict=True) if value is not None}
    if state == "split":
        return ManifestEntry(key=key, stream=stream, state="split", **(_counts_of(receipt) | {"hidden": 0}))
    if has_object or state == "done":
        wrong = _damage(state, has_object, damage, disagrees)
        return _entry_of_object(paths, key, stream, wrong, receipt)
    if state == "empty":
        return ManifestEntry(key=key, stream=stream, state="empty", **_counts_of(receipt))
    if state == "discarded":
        return ManifestEntry(key=key, stream=stream, state="discarded", poison=_int(poison), reason=str(discard_reason))
    if state == "poisoned":
        return ManifestEntry(key=key, stream=stream, state="poisoned", poison=_int(poison))
    raise AssertionError(f"{key} has not ended, and no manifest is written over such a key (C2)")


async def write_manifest(lake: Lake, ledger: Ledger, paths: RunPaths, number: int) -> None:
    """An existing manifest is adopted (C3)."""
    try:
        with tempfile.TemporaryDirectory(prefix="haulier-") as folder:
            file = Path(folder) / MANIFEST_NAME
            stream = await asyncio.to_thread(igzip.open, file, "wb")
            try:
                last: str | None = ""
                while last is not None:
                    last = await ledger.scratch.do(_write_batch, paths, last, stream)
            finally:
                await asyncio.to_thread(stream.close)
            await lake.create_from(paths.closing(number, MANIFEST_NAME), file)
    except OSError as error:
        raise UnavailableError(
            f"The disk for temporary files cannot be used: {error}. Free some space there, or name another folder with "
            "TMPDIR, and run again."
        ) from error


async def ended_entries(ledger: Ledger, paths: RunPaths) -> AsyncIterator[list[ManifestEntry]]:
    """What a manifest would say of the items of an open run that have ended, by receipts alone: no object is looked
    for."""
    columns = _COLUMNS.replace("has_object", "state = 'done'", 1)
    async for rows in ledger.select(f"is_planned AND NOT ({table.MISSING})", columns):
        yield [manifest_entry(paths, row) for row in rows]


async def read_manifest(lake: Lake, paths: RunPaths, number: int) -> AsyncIterator[list[ManifestEntry]]:
    """Yield the entries in batches.

    Raises `LakeUnavailableError` where the manifest is missing or not whole: no run is judged by a part of its account.
    """
    path = paths.closing(number, MANIFEST_NAME)
    try:
        async for lines in lines_of(lake.download(path)):
            yield [_decoder.decode(line) for line in lines]
    except msgspec.DecodeError as error:
        raise LakeUnavailableError(f"{path} in the lake is not a manifest that haulier wrote: {error}") from error
    except ValueError as error:
        raise LakeUnavailableError(
            f"{path} is missing in the lake, or incomplete: this run cannot be judged or verified ({error})."
        ) from error


@dataclass
class ManifestSums:
    totals: Totals = field(default_factory=Totals)
    streams: dict[str, int] = field(default_factory=dict)
    absent: dict[str, int] = field(default_factory=dict)
    """By stream."""
    skipped: dict[str, int] = field(default_factory=dict)
    """By stream."""
    _unseen: dict[str, str] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def add(self, entries: Iterable[ManifestEntry]) -> None:
        for entry in entries:
            self.totals.add(entry)
            self.streams[entry.stream] = self.streams.get(entry.stream, 0) + entry.records_done
            if entry.absent:
                self.absent[entry.stream] = self.absent.get(entry.stream, 0) + entry.absent
            if entry.skipped:
                self.skipped[entry.stream] = self.skipped.get(entry.stream, 0) + entry.skipped
            self._add_sign(entry)

    @property
    def unseen(self) -> dict[str, str]:
        """By stream, the sign of a next page that no item had. Adopted items tell nothing of it."""
        return {stream: sign for stream, sign in self._unseen.items() if stream not in self._seen}

    def _add_sign(self, entry: ManifestEntry) -> None:
        if entry.unseen:
            self._unseen.setdefault(entry.stream, entry.unseen)
        elif entry.state == "done" and not entry.adopted:
            self._seen.add(entry.stream)


def _write_batch(connection: apsw.Connection, paths: RunPaths, after: str, stream: BinaryIO) -> str | None:
    """Return the last key, None at the end."""
    rows = table.read_rows(connection, _COLUMNS, "is_planned", after, BATCH_ITEMS)
    stream.write(b"".join(_encoder.encode(manifest_entry(paths, row)) + b"\n" for row in rows))
    return str(rows[-1][0]) if len(rows) == BATCH_ITEMS else None


def _damage(state: object, has_object: object, damage: object, disagrees: object) -> str:
    if not has_object:
        return "its receipt stands and its object is gone"
    if disagrees:
        return "its receipts disagree"
    if state != "done":
        return str(damage) or "it was gone when it was to be read"
    return ""


def _entry_of_object(paths: RunPaths, key: str, stream: str, wrong: str, receipt: dict[str, Any]) -> ManifestEntry:
    """A new field of receipts needs no change here."""
    for name in _FROM_COLUMN.keys() & receipt.keys():
        receipt[name] = _FROM_COLUMN[name](receipt[name])
    state: EntryState = "damaged" if wrong else "done"
    return ManifestEntry(key=key, stream=stream, state=state, path=paths.object(stream, key), reason=wrong, **receipt)


def _counts_of(receipt: dict[str, Any]) -> dict[str, Any]:
    return {name: _int(receipt.get(name)) for name in COUNT_FOLDERS}


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
