"""NDJSON under gzip: records to lines to stored bytes, and back."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, cast

from isal import igzip_lib, isal_zlib

from haulier.errors import ItemError
from haulier.lake.seam import Bytes, ObjectFacts

BLOCK_BYTES = 256 * 1024
"""Bytes fed to ISA-L at a time. Its output depends on where its input is cut, so equal content has equal bytes only
with cuts at fixed places. Below this a thread costs more than compression saves."""

_RECORDS_AT_ONCE = 1_000
"""Records taken in at a time: an endless iterable needs no endless memory."""

_LONG_RECORD_BYTES = 500
"""Mean size from which searching for line ends beats `bytes.count`: it takes a fifth of the time at 10 KB, twice the
time at 200 bytes."""

_LEVEL = 2
"""286 MB/s a core at nearly the size of the slow levels; the standard library's gzip does 29."""
_MEMORY = 8
"""410 KB a stream; the quickest for long ones."""
_LITTLE_MEMORY = 3
"""214 KB a stream; content below a block gains nothing by more."""
_GZIP_WINDOW_BITS = 31
"""A gzip header with time 0 and no name."""
_TEXT_BYTES = 1024 * 1024
"""Most bytes decompressed at a time, whatever the ratio."""

_NotGzip = cast("type[Exception]", isal_zlib.error)
"""The stubs of isal type it as an instance."""


def batches(records: Iterable[Bytes]) -> Iterator[tuple[list[Bytes], int]]:
    """Records, and their bytes together."""
    remaining = iter(records)
    while batch := list(islice(remaining, _RECORDS_AT_ONCE)):
        yield batch, sum(map(len, batch))


def to_lines(page: Sequence[Bytes], start: int = 0, stop: int | None = None) -> bytes:
    """Raises `ItemError` for a record that is empty without CR and LF: readers would skip its line and counts miss
    it."""
    records = page[start:stop]
    lines = b"\n".join((*records, b""))
    if b"\r" not in lines and _hold(lines, records):
        return lines
    cleaned = [bytes(record).translate(None, b"\r\n") for record in records]
    if b"" in cleaned:
        raise ItemError(
            f"Record {start + cleaned.index(b'') + 1} of {len(page)} in a page is empty, which no line of NDJSON can "
            "hold. Does the processor yield the records themselves?"
        )
    return b"\n".join((*cleaned, b""))


def _hold(lines: bytes, records: Sequence[Bytes]) -> bool:
    """Whether each record has one line, and none is empty."""
    if len(lines) < _LONG_RECORD_BYTES * len(records):
        return lines.count(b"\n") == len(records) and all(map(len, records))
    found = start = 0
    while (end := lines.find(b"\n", start)) > start:
        found += 1
        start = end + 1
    return found == len(records) and start == len(lines)


class LineCompressor:
    """Equal lines give equal bytes, however grouped, on one kind of processor: ISA-L's code differs between kinds."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._block = bytearray()
        self._stream: Any = None
        self._stored_bytes = 0
        self.waiting_bytes = 0
        self.records = 0

    def add(self, lines: bytes, records: int) -> None:
        """Nothing is compressed yet."""
        self._waiting.append(lines)
        self.waiting_bytes += len(lines)
        self.records += records

    def take(self, batch: Sequence[Bytes], size: int) -> bool:
        """Whether a small batch, of ``size`` bytes, was only added, for which no thread is worth its cost. If not, it
        is left to `store`."""
        if self.waiting_bytes + size >= BLOCK_BYTES:
            return False
        self.add(to_lines(batch), len(batch))
        return True

    def store(self, batch: Sequence[Bytes], size: int, put: Callable[[bytes], None]) -> None:
        """A block's worth of records at a time: a page is not there twice, and its lines stay in the processor's
        cache."""
        step = max(1, len(batch) * BLOCK_BYTES // size)
        for start in range(0, len(batch), step):
            self.add(to_lines(batch, start, start + step), min(step, len(batch) - start))
            put(self.drain())

    def drain(self) -> bytes:
        """Returns the bytes to store next; less than a block waits."""
        stored = []
        for lines in self._waiting:
            rest = memoryview(lines)
            if self._block:
                room = BLOCK_BYTES - len(self._block)
                self._block += rest[:room]
                rest = rest[room:]
                if len(self._block) == BLOCK_BYTES:
                    stored.append(self._opened().compress(self._block))
                    self._block.clear()
            # What fills a block is not copied into one.
            while len(rest) >= BLOCK_BYTES:
                stored.append(self._opened().compress(rest[:BLOCK_BYTES]))
                rest = rest[BLOCK_BYTES:]
            self._block += rest
        self._waiting.clear()
        self.waiting_bytes = len(self._block)
        return self._counted(b"".join(stored))

    def finish(self) -> bytes:
        stored = self.drain()
        stream = self._opened(_LITTLE_MEMORY)
        stored += self._counted(stream.compress(self._block) + stream.flush())
        del self._stream, self._block
        return stored

    def facts(self) -> ObjectFacts:
        return ObjectFacts(self.records, self._stored_bytes, self._sha256.hexdigest())

    def _opened(self, memory: int = _MEMORY) -> Any:
        """It exists only in use, since it takes memory: not while a small item waits for its answer or a spool to be
        published."""
        if self._stream is None:
            self._stream = isal_zlib.compressobj(_LEVEL, wbits=_GZIP_WINDOW_BITS, memLevel=memory)
        return self._stream

    def _counted(self, stored: bytes) -> bytes:
        self._sha256.update(stored)
        self._stored_bytes += len(stored)
        return stored


async def lines_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Holds a megabyte and the longest line. Raises `ValueError` if the object is not whole."""
    member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    rest = b""
    try:
        async for piece in pieces:
            text = member.decompress(piece, _TEXT_BYTES)
            while text:
                *lines, rest = (rest + text).split(b"\n")
                if lines:
                    yield lines
                text = b"" if member.eof or member.needs_input else member.decompress(b"", _TEXT_BYTES)
    except (_NotGzip, EOFError) as error:
        raise ValueError(f"it is not gzip from byte 0 to its end ({error})") from error
    if not member.eof or member.unused_data or rest:
        raise ValueError("it is not whole")


class LineCounter:
    """Counts from stored bytes (P9), in bounded memory. `ValueError` says why they are damaged."""

    def __init__(self) -> None:
        self._member: igzip_lib.IgzipDecompressor | None = None
        self._sha256 = hashlib.sha256()
        self._stored_bytes = 0
        self._records = 0
        self._end = b"\n"

    def feed(self, stored: bytes) -> None:
        """Several gzip members in a row are one object."""
        self._sha256.update(stored)
        self._stored_bytes += len(stored)
        try:
            while stored:
                stored = self._read_member(stored)
        except _NotGzip as error:
            raise ValueError(f"it is not gzip from byte 0 to its end ({error})") from error

    def check_end(self) -> None:
        """Raise `ValueError` if more was to come."""
        if self._stored_bytes == 0:
            raise ValueError("it has no bytes")
        if self._member is not None:
            raise ValueError("it is cut off")
        if self._end != b"\n":
            raise ValueError("its last line has no end")

    def facts(self) -> ObjectFacts:
        return ObjectFacts(self._records, self._stored_bytes, self._sha256.hexdigest())

    def _read_member(self, stored: bytes) -> bytes:
        """Returns what follows the member's end."""
        member = self._member = self._member or igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        while True:
            text = member.decompress(stored, _TEXT_BYTES)
            self._records += text.count(b"\n")
            self._end = text[-1:] or self._end
            if member.eof:
                self._member = None
                return member.unused_data
            if member.needs_input:
                return b""
            stored = b""
