"""The manifest: one line for each key of a run, written once from the ledger and read back to judge it."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import apsw
import msgspec
from isal import igzip

from haulier.errors import LakeUnavailableError, UnavailableError
from haulier.lake.ndjson import lines_of
from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.runs import ledger_schema as table
from haulier.runs.ledger import BATCH_ITEMS, Ledger
from haulier.runs.records import Drift, ManifestEntry, Totals

NAME = "manifest.ndjson.gz"

_COLUMNS = (
    "stream, state, has_object, damage, disagrees, poison, discard_reason, "
    "records, bytes, sha256, requests, seconds, is_adopted, is_encoded, added, promised, reread, hidden, "
    "repeated, unseen"
)
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ManifestEntry)


def manifest_entry(paths: RunPaths, row: Sequence[object]) -> ManifestEntry:
    """How one key ended: child list beats object, object beats ``empty``, ``empty`` beats discard, discard beats poison
    (C3). Nothing stands in a manifest as done that is not a whole object with receipts that agree."""
    key, stream = str(row[0]), str(row[1])
    state, has_object, damage, disagrees, poison, discard_reason = row[2:8]
    if state == "split":
        return ManifestEntry(key=key, stream=stream, state="split")
    if has_object or state == "done":
        wrong = _damage(state, has_object, damage, disagrees)
        return _entry_of_object(paths, key, stream, wrong, row[8:])
    if state == "empty":
        return ManifestEntry(key=key, stream=stream, state="empty", hidden=_int(row[18]))
    if state == "discarded":
        return ManifestEntry(key=key, stream=stream, state="discarded", poison=_int(poison), reason=str(discard_reason))
    if state == "poisoned":
        return ManifestEntry(key=key, stream=stream, state="poisoned", poison=_int(poison))
    raise AssertionError(f"{key} has not ended, and no manifest is written over such a key (C2)")


async def write_manifest(lake: Lake, ledger: Ledger, paths: RunPaths, number: int) -> None:
    """Write the manifest of a closing from its ledger. Create-only: one that stands is left, and adopted (C3)."""
    try:
        with tempfile.TemporaryDirectory(prefix="haulier-") as folder:
            file = Path(folder) / NAME
            stream = await asyncio.to_thread(igzip.open, file, "wb")
            try:
                last: str | None = ""
                while last is not None:
                    last = await ledger.scratch.do(_write_batch, paths, last, stream)
            finally:
                await asyncio.to_thread(stream.close)
            await lake.create_from(paths.closing(number, NAME), file)
    except OSError as error:
        raise UnavailableError(
            f"The disk for temporary files cannot be used: {error}. Free some space there, or name another folder with "
            "TMPDIR, and run again."
        ) from error


async def read_manifest(lake: Lake, paths: RunPaths, number: int) -> AsyncIterator[list[ManifestEntry]]:
    """The entries of a closing's manifest as it stands in the lake, in batches. One that is not there, or not whole, is
    a `LakeUnavailableError`: a run is never judged by a part of its account."""
    path = paths.closing(number, NAME)
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
class Tally:
    """A manifest, added up while it is read."""

    count: dict[str, int] = field(default_factory=dict)
    streams: dict[str, int] = field(default_factory=dict)
    records: int = 0
    bytes: int = 0
    requests: int = 0
    drifted: int = 0
    hidden: int = 0
    repeated: int = 0
    _unseen: dict[str, str] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def add(self, entries: Iterable[ManifestEntry]) -> None:
        for entry in entries:
            self._add_sign(entry)
            self.count[entry.state] = self.count.get(entry.state, 0) + 1
            self.requests += entry.requests
            self.drifted += entry.drift is not None
            self.hidden += entry.hidden
            self.repeated += entry.repeated
            records = entry.records if entry.state == "done" else 0
            self.records += records
            self.bytes += entry.bytes if entry.state == "done" else 0
            self.streams[entry.stream] = self.streams.get(entry.stream, 0) + records

    @property
    def unseen(self) -> dict[str, str]:
        """By stream: the sign of a next page that none of its items had. Of an adopted one nobody knows."""
        return {stream: sign for stream, sign in self._unseen.items() if stream not in self._seen}

    def _add_sign(self, entry: ManifestEntry) -> None:
        if entry.unseen:
            self._unseen.setdefault(entry.stream, entry.unseen)
        elif entry.state == "done" and not entry.adopted:
            self._seen.add(entry.stream)

    @property
    def totals(self) -> Totals:
        return Totals(
            planned=sum(self.count.values()),
            done=self.count.get("done", 0),
            empty=self.count.get("empty", 0),
            split=self.count.get("split", 0),
            poisoned=self.count.get("poisoned", 0),
            discarded=self.count.get("discarded", 0),
            damaged=self.count.get("damaged", 0),
            records=self.records,
            bytes=self.bytes,
            requests=self.requests,
            drifted=self.drifted,
            hidden=self.hidden,
            repeated=self.repeated,
        )


def _write_batch(connection: apsw.Connection, paths: RunPaths, after: str, stream: BinaryIO) -> str | None:
    """The lines of the next keys, on the scratch thread. Returns the last of them, None where there are no more."""
    rows = table.page_of(connection, _COLUMNS, "is_planned", after, BATCH_ITEMS)
    stream.write(b"".join(_encoder.encode(manifest_entry(paths, row)) + b"\n" for row in rows))
    return str(rows[-1][0]) if len(rows) == BATCH_ITEMS else None


def _damage(state: object, has_object: object, damage: object, disagrees: object) -> str:
    """What is wrong with the object of a key; empty if nothing is."""
    if not has_object:
        return "its receipt stands and its object is gone"
    if disagrees:
        return "its receipts disagree"
    if state != "done":
        return str(damage) or "it was gone when it was to be read"
    return ""


def _entry_of_object(paths: RunPaths, key: str, stream: str, wrong: str, row: Sequence[object]) -> ManifestEntry:
    records, size, sha256, requests, seconds, is_adopted, is_encoded, added, *watched = row
    promised, reread, hidden, repeated, unseen = watched
    return ManifestEntry(
        key=key,
        stream=stream,
        state="damaged" if wrong else "done",
        path=paths.object(stream, key),
        records=_int(records),
        bytes=_int(size),
        sha256=str(sha256 or ""),
        requests=_int(requests),
        seconds=float(str(seconds or 0.0)),
        adopted=bool(is_adopted),
        encoded=bool(is_encoded),
        added=tuple(json.loads(str(added))) if added else (),
        drift=None if promised is None else Drift(promised=_int(promised), reread=_int(reread)),
        hidden=_int(hidden),
        repeated=_int(repeated),
        unseen=str(unseen or ""),
        reason=wrong,
    )


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
