"""The spool of one attempt, opened when its first bytes go to disk: for a small item when it is finished.

A spool that a sweep came too early for was thus finished after `opened` was written, so its attempt finds the closing
(C1, P7).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterable, Sequence

from haulier.disks import make_durable, sync_folder
from haulier.errors import LakeUnavailableError, SweptError
from haulier.lake.local.files import LocalFiles, link, parent, write_all
from haulier.lake.local.threads import Call, LocalThreads
from haulier.lake.ndjson import LineCompressor, batches
from haulier.lake.seam import Bytes, ObjectFacts, Published


class LocalSpool:
    """Calls are done in turn, from however many tasks they come. After a `write` or `finish` that failed or was
    cancelled it can only be discarded: it may hold a part. A `publish` that failed may be tried again."""

    def __init__(self, files: LocalFiles, folder: str, name: str, threads: LocalThreads) -> None:
        self._files = files
        self._folder = folder
        self._name = files.at(f"{folder}/{name}")
        self._threads = threads
        self._turn = asyncio.Lock()
        self._compressor = LineCompressor()
        self._descriptor = -1
        self._inode: tuple[int, int] | None = None
        self._usable = True
        self._facts: ObjectFacts | None = None
        self._published: Published | None = None

    async def write(self, records: Iterable[Bytes]) -> None:
        async with self._turn:
            self._begin()
            for batch, size in batches(records):
                if not self._compressor.take(batch, size):
                    await self._threads.run(self._write, batch, size)
            self._usable = True

    async def finish(self) -> ObjectFacts:
        async with self._turn:
            self._begin()
            if self._descriptor < 0:
                await self._threads.together(_finish_all, self)
            else:
                # What is large already takes the disk its own time, which no small one should have to wait for.
                await self._threads.run(self._finish)
            facts = self._facts = self._compressor.facts()
            self._usable = True
            return facts

    async def publish(self, path: str) -> Published:
        """Idempotent once it has succeeded."""
        async with self._turn:
            if self._published is None:
                if self._facts is None or not self._usable:
                    raise RuntimeError("only a spool that was finished can be published")
                if self._facts.records == 0:
                    raise ValueError("an item without records has no object; write its outcome instead (protocol, P6)")
                await self._threads.together(_publish_all, (self, path))
            assert self._published is not None
            return self._published

    async def discard(self) -> None:
        async with self._turn:
            self._usable = False
            if self._descriptor >= 0:
                await self._threads.run(self._drop)

    def _begin(self) -> None:
        if not self._usable or self._facts is not None:
            raise RuntimeError("nothing can be written to a spool that was finished, discarded or left by an error")
        self._usable = False

    def _write(self, batch: Sequence[Bytes], size: int) -> None:
        self._compressor.store(batch, size, lambda stored: write_all(self._opened(), stored))

    def _finish(self) -> None:
        self._store()
        make_durable(self._descriptor)

    def _store(self) -> None:
        write_all(self._opened(), self._compressor.finish())

    def _opened(self) -> int:
        if self._descriptor < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            try:
                self._descriptor = self._files.in_folder(self._folder, lambda: os.open(self._name, flags, 0o666))
            except FileExistsError:
                raise ValueError(
                    f"The spool {self._name} already exists, though no two attempts share a name."
                ) from None
            self._inode = _inode(os.fstat(self._descriptor))
        return self._descriptor

    def _link(self, path: str) -> Published:
        """P7, step 4. Twice: a file at ``path`` may be removed between the link and the look at it."""
        folder, name = parent(path), self._files.at(path)
        for _ in range(2):
            self._files.make_folder(folder)
            try:
                if link(self._name, name):
                    return Published.OURS
                swept = False
            except FileNotFoundError:
                swept = os.fstat(self._descriptor).st_nlink == 0
                self._files.forget_folders()
            standing = _inode_at(name)
            if standing == self._inode:
                return Published.OURS  # linked by an earlier try; its own name may have been swept since
            if swept:
                self._drop()
                raise SweptError("A closing swept the spool of this attempt; the attempt gives up.")
            if standing is not None:
                return Published.TAKEN
        raise LakeUnavailableError(
            f"The lake is broken: the spool at {self._name} was moved, or no link to it can be made at {name}. "
            "Does something else move or clean up files in the lake?"
        )

    def _drop(self) -> None:
        """A sweep finds what cannot be removed."""
        self._usable = False
        with contextlib.suppress(OSError):
            if _inode_at(self._name) == self._inode:
                os.unlink(self._name)
        descriptor, self._descriptor = self._descriptor, -1
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _finish_all(calls: Sequence[Call[LocalSpool, None]]) -> None:
    """P7, step 1."""
    for call in calls:
        call.attempt(LocalSpool._store)
    calls[0].argument._threads.side_by_side(calls, lambda spool: make_durable(spool._descriptor))


def _publish_all(calls: Sequence[Call[tuple[LocalSpool, str], Published]]) -> None:
    """P7, steps 4 to 6. Each folder is made durable once, after the last link into it."""
    for call in calls:
        call.attempt(lambda argument: argument[0]._link(argument[1]))
    by_folder: dict[str, list[Call[tuple[LocalSpool, str], Published]]] = {}
    for call in calls:
        if call.result is Published.OURS:
            by_folder.setdefault(os.path.dirname(call.argument[0]._files.at(call.argument[1])), []).append(call)
    for folder, theirs in by_folder.items():
        try:
            sync_folder(folder)
        except OSError as error:
            for call in theirs:
                call.error = error
    for call in calls:
        if call.error is None:
            spool, _ = call.argument
            spool._drop()
            spool._published = call.result


def _inode(status: os.stat_result) -> tuple[int, int]:
    """Equal for all names of one file."""
    return status.st_dev, status.st_ino


def _inode_at(name: str) -> tuple[int, int] | None:
    try:
        return _inode(os.lstat(name))
    except FileNotFoundError:
        return None
