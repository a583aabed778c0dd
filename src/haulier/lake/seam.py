"""The seam of lakes: create-only, whole or absent. `haulier.testing.contracts.lake` is its contract suite.

Paths are relative to the lake, with ``/`` between parts, and hold ASCII letters, digits and ``-_.=`` only.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from haulier.rows.seam import Rows

Bytes = bytes | bytearray | memoryview

SecondsLeft = Callable[[], float]
"""How long a lease is surely ours yet; of one that nobody knows of, how long the last look at the closings counts."""


@dataclass(frozen=True)
class ObjectFacts:
    """Counted while an object was written or read to its end."""

    records: int
    """Lines."""
    bytes: int
    """As stored, compressed."""
    sha256: str
    """Of the stored bytes, in hexadecimal."""


class Published(enum.Enum):
    """How a publication ended (P7)."""

    OURS = "ours"
    """The object is this spool's, now or from an earlier try."""
    TAKEN = "taken"
    """The object is another attempt's: adopt it. This spool is dropped."""
    AGAIN = "again"
    """Nobody knows yet: the lease's end came first, or the answer was lost. Look for closings and at the lease anew,
    and publish again; the spool is kept."""


@dataclass(frozen=True)
class Disk:
    """The disk of this machine that takes a lake's bytes."""

    place: str
    """The folder on it that is used, for people."""
    free_bytes: int
    """Bytes that this user may still write."""
    total_bytes: int
    free_files: int
    total_files: int
    """0 where the disk does not count its files."""
    holds: str = "the lake"
    """For people, as ``remedy``."""
    remedy: str = "name a lake on another disk"


@dataclass(frozen=True)
class LakeCapabilities:
    """The contract suite and the layers above branch on these, never on a name."""

    sweep_fences: bool
    """Whether a spool that `sweep` removed can no longer be published (C1). If not, an object may land after a closing
    has listed, however late (C9)."""
    in_flight: int = 8
    """Calls that one command makes side by side. Eight are enough for a disk, whose fsyncs join into one."""
    look_seconds: float = 0.0
    """The least pause between two looks at a run as a whole, of a dozen calls each, where the lake charges for them."""


@dataclass(frozen=True)
class FolderSize:
    """What stands below a folder."""

    files: int
    bytes: int
    """As stored."""


class Spool(Protocol):
    """Records of one attempt, not yet visible: opened once, under a name of its own, kept by descriptor (P5)."""

    async def write(self, records: Iterable[Bytes]) -> None:
        """Append records, one line each. CR and LF, which JSON allows between tokens alone, are taken out (G6). Raises
        `ItemError` for an empty record."""
        ...

    async def finish(self) -> ObjectFacts:
        """End the compressed stream and make it durable (P7, step 1). No `write` may follow."""
        ...

    async def discard(self) -> None:
        """Idempotent, safe at any time, and never touches a published object."""
        ...


class Lake(Protocol):
    """Every method may raise `LakeUnavailableError`. What is absent reads as None or as nothing, and is removed without
    an error."""

    @property
    def capabilities(self) -> LakeCapabilities: ...

    async def create(self, path: str, body: bytes) -> bool:
        """Write a small record, whole or absent, durable on return. False: something stood at ``path``."""
        ...

    async def create_from(self, path: str, file: Path) -> bool:
        """As `create`, streamed: for manifests, which have no size limit."""
        ...

    async def read(self, path: str) -> bytes | None: ...

    async def exists(self, path: str) -> bool: ...

    def walk(self, folder: str) -> AsyncIterator[list[str]]:
        """List every file below ``folder``, at any depth, in batches and no order: all that stood before the call and
        stays, and no temporary names (``.tmp-*``)."""
        ...

    async def names(self, folder: str) -> list[str]:
        """List the files and folders directly in a small folder, in no order, without temporary names."""
        ...

    async def measure(self, folder: str) -> FolderSize:
        """Count what `walk` lists."""
        ...

    def download(self, path: str) -> AsyncIterator[bytes]:
        """Read the stored bytes, in pieces."""
        ...

    async def remove(self, path: str) -> None: ...

    async def open_spool(self, folder: str, name: str) -> Spool:
        """``folder`` is a run's staging folder, ``name`` of this attempt alone. Something stands there once bytes are
        stored, after `Spool.finish` at the latest, and from then on a sweep takes it."""
        ...

    async def publish(self, spool: Spool, path: str, seconds_left: SecondsLeft | None = None) -> Published:
        """Do steps 4-6 of P7, create-only: link, make durable, drop the spool's own name. Raises `SweptError` if a
        closing took the spool (only where a sweep fences).

        Where no sweep fences, the right to put ends with the lease if the store can do that (C9). Without
        ``seconds_left`` it does not end."""
        ...

    async def adopt(self, path: str) -> ObjectFacts | None:
        """Make an object durable and read it to its end (P9). Raises `DamagedObjectError` if that cannot be reached."""
        ...

    async def sweep(self, folder: str) -> int:
        """List a staging folder whole, then remove what was listed, missing ones ignored (C1). Returns how many. Safe
        at any time: an attempt without its spool gives up."""
        ...

    async def clean(self, folder: str, *, older_than_seconds: float) -> int:
        """Remove temporary names (``.tmp-*``) below ``folder`` that are older. Returns how many."""
        ...

    async def prune(self, folder: str) -> None:
        """Remove folders at and below ``folder`` that have nothing in them. A writer that is about to put something
        there makes its folder anew. Nothing where folders are mere names."""
        ...

    def locate(self, path: str) -> str:
        """Where a reader outside finds a path: a path of the machine, or a URL."""
        ...

    async def disk(self) -> Disk | None:
        """Room on this machine for what is being written: on the lake's own disk or, if that is elsewhere, on its
        spools'. None if nothing is kept on one."""
        ...

    def rows(self) -> Rows | None:
        """Open a client of the shared rows that the lake keeps, for a queue that keeps none. None if it cannot replace
        a document atomically. It is closed before the lake."""
        ...

    async def check(self) -> None:
        """Refuse a place that cannot keep the protocol, before any run: `UsageError` with a remedy."""
        ...

    async def close(self) -> None: ...
