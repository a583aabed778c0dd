"""Paths of everything in the lake (docs/protocol.md#files-of-a-run)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

COMPACT_TIME = "%Y%m%dT%H%M%SZ"


@lru_cache(maxsize=64)
def compact_time(moment: datetime) -> str:
    """``20261123T222500Z``: sortable and, without colons, safe on every disk."""
    return moment.astimezone(UTC).strftime(COMPACT_TIME)


@dataclass(frozen=True)
class RunPaths:
    source: str
    run_id: str
    mode: str
    snapshot_time: datetime

    @property
    def root(self) -> str:
        return run_root(self.source, self.run_id)

    def bronze(self, stream: str) -> str:
        """Folder of the objects of one stream."""
        return f"{self.source}/{stream}/mode={self.mode}/snapshot_time={compact_time(self.snapshot_time)}"

    def object(self, stream: str, key: str) -> str:
        return f"{self.bronze(stream)}/{key}.ndjson.gz"

    @property
    def run(self) -> str:
        return f"{self.root}/run.json"

    @property
    def estimate(self) -> str:
        return f"{self.root}/estimate.json"

    def expect(self, when: str) -> str:
        return f"{self.root}/expect/{when}.json"

    @property
    def seal(self) -> str:
        return f"{self.root}/plan/_SEALED.json"

    @property
    def plans(self) -> str:
        return f"{self.root}/plan"

    def shard(self, attempt: str, shard: str) -> str:
        return f"{self.root}/plan/{attempt}/{shard}.ndjson"

    def held(self, held_in: str) -> str:
        """Path of `Envelope.held_in`."""
        return f"{self.root}/{held_in}"

    def held_in(self, path: str) -> str:
        return path.removeprefix(f"{self.root}/")

    def planning(self, attempt: str, number: int) -> str:
        return f"{self.root}/plan/{attempt}/planning-{number}"

    def sending(self, attempt: str, shard: str) -> str:
        return f"{self.root}/plan/{attempt}/{shard}.sending"

    def sent(self, attempt: str, shard: str) -> str:
        return f"{self.root}/plan/{attempt}/{shard}.sent"

    def folder(self, name: str) -> str:
        """One of ``children``, ``outcomes``, ``feeds``, ``receipts``, ``poison``, ``redrives``, ``discards``,
        ``crashes``, ``hidden``, ``absent``, ``skipped``, ``repairs``, ``removed``, ``closings``."""
        return f"{self.root}/{name}"

    @property
    def staging(self) -> str:
        return f"{self.root}/staging"

    def children(self, key: str) -> str:
        return f"{self.root}/children/{key}.json"

    def outcome(self, key: str) -> str:
        return f"{self.root}/outcomes/{key}.json"

    def feed(self, key: str, checksum: str) -> str:
        """What an attempt at an item of a feed noted."""
        return f"{self.root}/feeds/{key}/{checksum}.json"

    def receipts(self, worker: str, number: int) -> str:
        return f"{self.root}/receipts/{worker}-{number}.ndjson"

    def numbered(self, folder: str, key: str, number: int) -> str:
        """Record ``number`` of a key in ``poison``, ``redrives``, ``discards``, ``crashes``, ``hidden``,
        ``absent`` or ``skipped``."""
        return f"{self.root}/{folder}/{key}/{number}.json"

    @property
    def bodies(self) -> str:
        return f"{self.root}/bodies"

    def body(self, key: str, number: int) -> str:
        """Numbered as the poison that its key has or would have."""
        return f"{self.bodies}/{key}.{number}"

    def repair(self, number: int) -> str:
        return f"{self.root}/repairs/{number}.json"

    def removed(self, stream: str) -> str:
        return f"{self.root}/removed/{stream}.json"

    def closing(self, number: int, name: str) -> str:
        """``opened``, ``manifest.ndjson.gz``, ``shapes.json``, ``timeline.json``, ``verdict`` or ``reopened`` of one
        closing."""
        return f"{self.root}/closings/{number:04d}/{name}"

    def sign(self, name: str) -> str:
        """``_SUCCESS.json`` or ``_PARTIAL.json``."""
        return f"{self.root}/{name}"

    def stream_sign(self, stream: str) -> str:
        return f"{self.bronze(stream)}/_SUCCESS.json"


def edits_root(source: str) -> str:
    """Folder of what people said is finished, ``<n>.json``."""
    return f"_haulier/{source}/state/edits"


def versions_root(source: str) -> str:
    """Folder of what is known to be finished, ``<n>.json``: a cache."""
    return f"_haulier/{source}/state/versions"


def runs_root(source: str) -> str:
    return f"_haulier/{source}/runs"


def run_root(source: str, run_id: str) -> str:
    return f"{runs_root(source)}/{run_id}"
