"""The create-only records of a run (docs/protocol.md#files-of-a-run)."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final, Literal, TypeVar

import msgspec

from haulier.errors import LakeUnavailableError, NewerFormatError
from haulier.queues.envelope import AttemptNote
from haulier.runs.watermark.span_table import Ends, SpanLists

FORMAT = 1

Overlaps = dict[str, tuple[Ends, ...]]
"""By stream, spans that are read again: those of all its groups together."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A default is omitted only where every later format reads its absence alike; so ``format`` never is."""

    NEWEST_FORMAT: ClassVar[int] = FORMAT
    """Higher where some records of a kind must not be read by an older haulier."""

    format: int = msgspec.field(default_factory=lambda: FORMAT)


class RunFile(Record, frozen=True, kw_only=True):
    """``run.json``, whose creation claims the name of the run."""

    run_id: str
    source: str
    mode: str
    snapshot_time: datetime
    created_at: datetime
    fingerprint: str
    streams: tuple[str, ...]
    has_expect: bool = False
    """Closing needs the API, which promises a count."""
    plans: str = ""
    """Of a trial, the mode of which it has the first items. Empty: ``mode`` itself."""
    max_items: int | None = None
    """Of a trial: how many it plans at most."""
    haulier: str = ""


class PlannedItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of a plan shard; a child of a child list."""

    key: str
    stream: str
    kind: str
    payload: msgspec.Raw
    held_in: str = ""
    """Of an item too large for a message: the file that it was read from (`Envelope.held_in`). Not written there."""


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a sealed plan, with the checksum that it must have."""

    name: str
    items: int
    sha256: str


class Seal(Record, frozen=True, kw_only=True):
    """``plan/_SEALED.json``: the attempt that counts, and its shards."""

    attempt: str
    items: int
    shards: tuple[Shard, ...]
    sha256: str
    """Over the shards' checksums, in order."""
    repeated: int = 0
    """Equal items that were given again; each is planned once."""
    spans: SpanLists = {}
    """Of an incremental run: what its items read, up to the time of the run."""
    spanless: dict[str, int] = {}
    """By stream, items of which no one span is told: they finish nothing."""
    ahead: dict[str, int] = {}
    """By stream, windows that end after the time of the run: they are finished up to it alone."""
    overlaps: Overlaps = {}
    """What of ``spans`` was finished before, and is read once more."""
    feeds: dict[str, tuple[int, int]] = {}
    """By stream, items of feeds: those that go on, and those that read one from its beginning."""
    sealed_at: datetime


class ChildList(Record, frozen=True, kw_only=True):
    """``children/<key>.json``: where it exists, the item is divided (P6)."""

    key: str
    children: tuple[PlannedItem, ...]
    worker: str
    split_at: datetime
    cause: str = ""
    """Empty where the processor divided it; else ``cap``, ``time_out``, ``failure`` or ``crash``."""


COUNT_FOLDERS: Final = ("hidden", "absent", "skipped")
"""Named as the fields of the records that hold these counts."""


class OutcomeRecord(Record, frozen=True, kw_only=True):
    """``outcomes/<key>.json``: an item that ended without records.

    Each count of `COUNT_FOLDERS` is recorded in ``<folder>/<key>/<count>.json`` too: a closing reads only the names of
    outcomes. Of divided items they stand too, but for ``hidden``, which the totals of their parts count again.
    """

    key: str
    outcome: str = "empty"
    requests: int = 0
    seconds: float = 0.0
    hidden: int = 0
    """This and the next three as in `haulier.api.records.item_counts.ItemCounts`."""
    present: int = 0
    absent: int = 0
    skipped: int = 0
    worker: str = ""
    ended_at: datetime


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    promised: int
    reread: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of a receipts file: a done item with an object (P8)."""

    key: str
    records: int
    bytes: int
    sha256: str
    requests: int = 0
    seconds: float = 0.0
    adopted: bool = False
    """Found in the lake and read to its end (P9), not written by this worker."""
    encoded: bool = False
    """The processor made the records: the bytes are not the API's own."""
    added: tuple[str, ...] = ()
    """Fields that were put in front of each record's own bytes."""
    drift: Drift | None = None
    hidden: int = 0
    """This and the next three as in `haulier.api.records.item_counts.ItemCounts`."""
    repeated: int = 0
    absent: int = 0
    skipped: int = 0
    unseen: str = ""
    """The sign of a next page that no page had, where nothing else proves the lists whole."""
    ended: float | None = None
    """Seconds after the run was claimed, by the clock of its writer; None in receipts of older versions."""


class RequestNote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request, without secrets."""

    method: str
    url: str
    headers: dict[str, str] = {}
    """Those of this request alone, not what all requests have."""
    body: str = ""


class PoisonRecord(Record, frozen=True, kw_only=True):
    """``poison/<key>/<n>.json``, for a person to read."""

    number: int
    key: str
    kind: str
    run_id: str
    payload: msgspec.Raw
    reason: str
    """One of `haulier.runs.reasons.POISON_REASONS`, for tools."""
    error_class: str
    error: str
    traceback: str = ""
    status: int | None = None
    excerpt: str = ""
    body: str = ""
    """Path of the answer that could not be read; empty without one, or without room."""
    failures: int = 0
    deliveries: int = 0
    worker: str = ""
    poisoned_at: datetime
    attempts: tuple[AttemptNote, ...] = ()
    """The newest that failed since the item was planned or redriven, the last of them this one."""
    request: RequestNote | None = None
    """The last one of the last attempt; None where it sent none, or where that is not known."""


class RedriveRecord(Record, frozen=True, kw_only=True):
    """``redrives/<key>/<n>.json``: a person asked for another try after poison ``n``."""

    number: int
    key: str
    redriven_at: datetime
    by: str = ""
    """Who typed it (``user@host``); empty in records of older versions."""
    why: str = ""


class DiscardRecord(Record, frozen=True, kw_only=True):
    """``discards/<key>/<n>.json``: a person gave up the item of poison ``n``."""

    number: int
    key: str
    reason: str
    discarded_at: datetime
    by: str = ""


class CrashRecord(Record, frozen=True, kw_only=True):
    """``crashes/<key>/<n>.json``: a subprocess died over this item alone."""

    number: int
    key: str
    exit_code: int
    """A negative one is minus the signal."""
    worker: str
    crashed_at: datetime


class RepairRecord(Record, frozen=True, kw_only=True):
    """``repairs/<n>.json``: who created it sends what the queue may have lost."""

    number: int
    by: str
    repaired_at: datetime


class RemovedRecord(Record, frozen=True, kw_only=True):
    """``removed/<stream>.json``: no reader may take this stream's objects of the run any more; they are removed after
    this was written."""

    stream: str
    why: str
    """``old``, or the mode or the verdict of a run that never was a snapshot."""
    files: int
    bytes: int
    """What stood there."""
    by: str
    removed_at: datetime


class ExpectRecord(Record, frozen=True, kw_only=True):
    """``expect/{before,after}.json``: the counts that the API promised."""

    counts: dict[str, int]
    """Streams without a count are absent."""
    asked_at: datetime


class EstimateRecord(Record, frozen=True, kw_only=True):
    """``estimate.json``: what the run was said to take, the first time that something allowed to say it."""

    requests: int
    by: str
    """What it was judged by, in words."""
    estimated_at: datetime


class TellingRecord(Record, frozen=True, kw_only=True):
    """``closings/<n>/telling-<k>``: a process calls the command of ``on_close`` (C10)."""

    number: int
    by: str
    mark: str
    """Of the process; empty where its system cannot tell processes apart."""
    began_at: datetime
    until: datetime
    """Whoever cannot see that process takes over after this."""


class ToldRecord(Record, frozen=True, kw_only=True):
    """``closings/<n>/told``: that command was called, however it ended."""

    by: str
    ended_at: datetime
    exit_code: int | None = None
    """None where it could not be started, or was ended at its time limit."""
    problem: str = ""
    said: str = ""
    """The last line of its output, redacted."""


class OpenedRecord(Record, frozen=True, kw_only=True):
    """``closings/<n>/opened``."""

    number: int
    by: str
    opened_at: datetime


class ReopenedRecord(Record, frozen=True, kw_only=True):
    """``closings/<n>/reopened``."""

    number: int
    by: str
    reopened_at: datetime


EntryState = Literal["done", "empty", "split", "discarded", "poisoned", "damaged"]


class ManifestEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the manifest, with the figures of the key's receipt."""

    key: str
    stream: str
    state: EntryState
    path: str = ""
    records: int = 0
    bytes: int = 0
    sha256: str = ""
    requests: int = 0
    seconds: float = 0.0
    adopted: bool = False
    encoded: bool = False
    added: tuple[str, ...] = ()
    drift: Drift | None = None
    hidden: int = 0
    repeated: int = 0
    absent: int = 0
    skipped: int = 0
    unseen: str = ""
    ended: float | None = None
    poison: int = 0
    """The newest number of a poisoned or discarded item."""
    reason: str = ""
    """Why the item was discarded, or its object is damaged."""

    @property
    def records_done(self) -> int:
        return self.records if self.state == "done" else 0


_ADDED_UP: Final = ("repeated", *COUNT_FOLDERS)


class Totals(msgspec.Struct, kw_only=True):
    """A manifest, added up: items by state, and sums."""

    planned: int = 0
    done: int = 0
    empty: int = 0
    split: int = 0
    poisoned: int = 0
    discarded: int = 0
    damaged: int = 0
    records: int = 0
    bytes: int = 0
    requests: int = 0
    drifted: int = 0
    hidden: int = 0
    repeated: int = 0
    absent: int = 0
    skipped: int = 0

    def add(self, entry: ManifestEntry) -> None:
        self.planned += 1
        setattr(self, entry.state, getattr(self, entry.state) + 1)
        self.records += entry.records_done
        self.bytes += entry.bytes if entry.state == "done" else 0
        self.requests += entry.requests
        self.drifted += entry.drift is not None
        for name in _ADDED_UP:
            if count := getattr(entry, name):
                setattr(self, name, getattr(self, name) + count)


Verdict = Literal["complete", "partial", "abandoned", "superseded", "cancelled"]
Ending = Literal["superseded", "cancelled"]
"""Verdicts that a person asks for (C8)."""


class ShapeChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the records of a stream differ from those of an earlier run, as far as samples of both can tell."""

    before: str
    """The run that they are compared with."""
    new: dict[str, str] = {}
    """Paths, with the types of their values in words; so is ``gone``."""
    gone: dict[str, str] = {}
    retyped: dict[str, tuple[str, str]] = {}
    """Paths with values of a type that they had not: the types then, and now."""
    more: int = 0
    """Paths that are not named here."""


class VerdictRecord(Record, frozen=True, kw_only=True):
    """``closings/<n>/verdict``, of which ``_SUCCESS.json`` and ``_PARTIAL.json`` are copies."""

    number: int
    run_id: str
    verdict: Verdict
    reasons: dict[str, int] = {}
    """Why it is partial, by the words of `haulier.runs.reasons.VERDICT_REASONS`: the numbers of items, or of records
    (``count``)."""
    totals: Totals = msgspec.field(default_factory=Totals)
    expected: dict[str, tuple[int, int]] = {}
    snapshot_time: datetime | None = None
    streams: dict[str, int] = {}
    unseen: dict[str, str] = {}
    """By stream, the sign of a next page that no page had."""
    shapes: dict[str, ShapeChange] = {}
    """By stream, how its records differ from those of the run before. No reason for anything: a warning."""
    overlaps: Overlaps = {}
    """Of an incremental run: what earlier ones had finished, and this one read once more."""
    feeds_anew: dict[str, int] = {}
    """By stream, feeds that were to go on, and that the run read from their beginning."""
    by: str = ""
    closed_at: datetime
    is_to_be_told: bool = False
    """Its closer had a command of ``on_close``: whoever finds it untold calls that (C10)."""


R = TypeVar("R", bound=Record)

_encoder = msgspec.json.Encoder()


def encode_record(record: Record) -> bytes:
    """Ends with a newline, for people's tools."""
    return _encoder.encode(record) + b"\n"


def decode_record(kind: type[R], body: bytes, path: str) -> R:
    """Raises `NewerFormatError` for a newer format, and `LakeUnavailableError` for what is no record."""
    try:
        # What every format has, first: a newer one may have none of the other fields.
        found = msgspec.json.decode(body, type=Record).format
        if found <= kind.NEWEST_FORMAT:
            return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LakeUnavailableError(f"{path} in the lake is not a record that haulier wrote: {error}") from error
    raise NewerFormatError(path, found, kind.NEWEST_FORMAT)
