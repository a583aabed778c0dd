"""The part of `LakeContract` about spools and objects (P5 to P9 and C1)."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import itertools
import os
import tracemalloc
from collections.abc import Iterable, Iterator

import pytest

from haulier.api.records.page import split_records
from haulier.errors import DamagedObjectError, ItemError, SweptError
from haulier.lake.seam import Bytes, Lake, ObjectFacts, Published
from haulier.testing.contracts.lake.contents import OBJECT, STAGING, cancelled_after, lines, listed, spooled, stored

SWEPT_RECORDS = 4_000
"""Records of a kilobyte: more than a spool keeps in memory, so that a sweep finds something."""
MAX_SPOOL_MEMORY_BYTES = 2 * 1024 * 1024
"""Memory that a spool may use for an endless stream (G9); the test sends ten times as much through it."""


class ObjectContract:
    """What an attempt writes becomes visible once, and as a whole."""

    async def test_an_object_holds_what_was_written(self, lake: Lake) -> None:
        """It has one line for each record, in order, and its facts are right (G3)."""
        records = [b'{"id":%d}' % number for number in range(5_000)]
        spool = await lake.open_spool(STAGING, "one")
        for start in range(0, len(records), 700):
            await spool.write(records[start : start + 700])
        facts = await spool.finish()
        assert await lake.publish(spool, OBJECT) is Published.OURS
        body = await stored(lake, OBJECT)
        assert gzip.decompress(body).splitlines() == records
        assert facts == ObjectFacts(len(records), len(body), hashlib.sha256(body).hexdigest())
        assert await lake.adopt(OBJECT) == facts

    async def test_records_of_every_kind_of_bytes_are_written(self, lake: Lake) -> None:
        """Views of a page's body are written too, from any iterable."""
        records: list[Bytes] = [b'{"a":1}', bytearray(b'{"b":2}'), memoryview(b'[{"c":3}]')[1:-1]]
        spool = await lake.open_spool(STAGING, "one")
        await spool.write(record for record in records)
        await spool.write(())
        for body in (b'{"rows":[{"d":4}, {"e":\n5}]}', b'{"rows":[{"f":6}]}'):
            await spool.write(split_records(body, "rows").records)
        await spool.finish()
        await lake.publish(spool, OBJECT)
        assert b"".join(await lines(lake, OBJECT)) == b'{"a":1}{"b":2}{"c":3}{"d":4}{"e":5}{"f":6}'

    async def test_line_ends_between_tokens_are_taken_out(self, lake: Lake) -> None:
        """A pretty-printed record becomes one line; its other bytes do not change (G6)."""
        spool = await spooled(lake, [b'{\r\n  "a" : 1.10,\n\t"b":"\\n" }\n', b'{"c":2}'])
        await lake.publish(spool, OBJECT)
        assert await lines(lake, OBJECT) == [b'{  "a" : 1.10,\t"b":"\\n" }', b'{"c":2}']

    @pytest.mark.parametrize("empty", [b"", b"\n", b"\r\n"])
    async def test_an_empty_record_is_an_error_of_the_item(self, lake: Lake, empty: bytes) -> None:
        """Readers would skip its line, and counts would differ. The spool cannot be used any more."""
        spool = await lake.open_spool(STAGING, "one")
        with pytest.raises(ItemError, match="Record 2 of 2"):
            await spool.write([b"{}", empty])
        with pytest.raises(RuntimeError):
            await spool.finish()
        with pytest.raises(RuntimeError):
            await lake.publish(spool, OBJECT)
        await spool.discard()
        assert not await lake.exists(OBJECT)

    async def test_nothing_is_visible_before_it_is_published(self, lake: Lake) -> None:
        """Readers of the object's folder never see a spool (G2)."""
        spool = await spooled(lake, [b"{}"])
        assert await listed(lake, "flights") == []
        assert await stored(lake, OBJECT) == b""
        await lake.publish(spool, OBJECT)
        assert await listed(lake, "flights") == [OBJECT]

    async def test_a_spool_is_written_then_finished_then_published(self, lake: Lake) -> None:
        """Any other order is a programming error and makes nothing visible."""
        spool = await lake.open_spool(STAGING, "one")
        await spool.write([b"{}"])
        with pytest.raises(RuntimeError):
            await lake.publish(spool, OBJECT)
        await spool.finish()
        with pytest.raises(RuntimeError):
            await spool.write([b"{}"])
        with pytest.raises(RuntimeError):
            await spool.finish()
        assert await lake.publish(spool, OBJECT) is Published.OURS
        assert await lines(lake, OBJECT) == [b"{}"]

    async def test_an_item_without_records_has_no_object(self, lake: Lake) -> None:
        """It has an outcome instead (P6)."""
        spool = await spooled(lake, [])
        with pytest.raises(ValueError, match="without records"):
            await lake.publish(spool, OBJECT)
        await spool.discard()
        assert not await lake.exists(OBJECT)

    async def test_publishing_again_is_answered_as_before(self, lake: Lake) -> None:
        """A worker that does not know whether it succeeded may publish again (P7)."""
        spool = await spooled(lake, [b"{}"])
        other = await spooled(lake, [b"[]"], "other")
        assert [await lake.publish(spool, OBJECT) for _ in range(3)] == [Published.OURS] * 3
        assert [await lake.publish(other, OBJECT) for _ in range(3)] == [Published.TAKEN] * 3
        assert await lines(lake, OBJECT) == [b"{}"]

    async def test_of_many_attempts_one_publishes(self, lake: Lake) -> None:
        """The others are told, and leave nothing (G2)."""
        spools = [await spooled(lake, [b"[%d]" % number] * 100, f"attempt-{number}") for number in range(8)]
        published = await asyncio.gather(*(lake.publish(spool, OBJECT) for spool in spools))
        assert published.count(Published.OURS) == 1
        assert published.count(Published.TAKEN) == 7
        assert await lines(lake, OBJECT) == [b"[%d]" % published.index(Published.OURS)] * 100
        assert await listed(lake, "flights") == [OBJECT]
        assert await lake.sweep(STAGING) == 0

    async def test_discarding_is_safe_at_any_time(self, lake: Lake) -> None:
        """It is idempotent in any state of the spool, and never removes a published object."""
        fresh = await lake.open_spool(STAGING, "fresh")
        written = await lake.open_spool(STAGING, "written")
        await written.write([b"{}"] * 1000)
        finished = await spooled(lake, [b"{}"], "finished")
        published = await spooled(lake, [b"{}"], "published")
        await lake.publish(published, OBJECT)
        for spool in (fresh, written, finished, published):
            await asyncio.gather(spool.discard(), spool.discard())
            await spool.discard()
        assert await lines(lake, OBJECT) == [b"{}"]
        assert await lake.sweep(STAGING) == 0
        assert await lake.publish(published, OBJECT) is Published.OURS
        with pytest.raises(RuntimeError):
            await lake.publish(finished, OBJECT)

    async def test_a_sweep_leaves_objects_alone(self, lake: Lake) -> None:
        """It empties the staging folder and nothing else (C1)."""
        await lake.publish(await spooled(lake, [b"{}"]), OBJECT)
        await lake.open_spool(STAGING, "under-way")
        await lake.sweep(STAGING)
        assert await lake.sweep(STAGING) == 0
        assert await listed(lake, STAGING) == []
        assert await lines(lake, OBJECT) == [b"{}"]

    async def test_a_swept_spool_gives_up(self, lake: Lake) -> None:
        """It is not published after the sweep; writing to it does no harm (P7, C1)."""
        if not lake.capabilities.sweep_fences:
            pytest.skip("this lake cannot take a spool away from its attempt (C9)")
        finished = await spooled(lake, [b"{}"], "finished")
        writing = await lake.open_spool(STAGING, "writing")
        await writing.write([os.urandom(500).hex().encode()] * SWEPT_RECORDS)
        assert await lake.sweep(STAGING) == 2
        await writing.write([b"{}"] * 1000)
        await writing.finish()
        for spool in (finished, writing):
            with pytest.raises(SweptError):
                await lake.publish(spool, OBJECT)
            await spool.discard()
        assert await listed(lake, "flights") == []
        assert await lake.sweep(STAGING) == 0

    async def test_a_whole_object_is_adopted(self, lake: Lake) -> None:
        """Its facts are those of the stored bytes, whether compressed in one gzip member or several (P9)."""
        body = gzip.compress(b'{"a":1}\n') + gzip.compress(b'{"b":2}\n{"c":3}\n')
        await lake.create(OBJECT, body)
        assert await lake.adopt(OBJECT) == ObjectFacts(3, len(body), hashlib.sha256(body).hexdigest())
        assert await lake.adopt(OBJECT) == ObjectFacts(3, len(body), hashlib.sha256(body).hexdigest())

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b'{"a":1}\n', id="not-gzip"),
            pytest.param(gzip.compress(b'{"a":1}\n' * 50)[:-1], id="cut"),
            pytest.param(gzip.compress(b'{"a":1}\n') + b"\0", id="more-after-its-end"),
            pytest.param(gzip.compress(b'{"a":1}\n{"b":'), id="last-line-without-end"),
            pytest.param(gzip.compress(b'{"a":1}\n')[:-8] + bytes(8), id="wrong-checksum"),
        ],
    )
    async def test_a_damaged_object_is_not_adopted(self, lake: Lake, body: bytes) -> None:
        """The error names it, and it stays unchanged (P9)."""
        await lake.create(OBJECT, body)
        with pytest.raises(DamagedObjectError) as raised:
            await lake.adopt(OBJECT)
        assert raised.value.path == OBJECT
        assert await lake.read(OBJECT) == body

    async def test_a_stream_without_end_needs_no_memory(self, lake: Lake) -> None:
        """A spool of 100,000 records uses a few megabytes at most (G9)."""
        count = 100_000
        record = b'{"id":%d,"text":"' + b"haulier hauls " * 14 + b'"}'
        spool = await lake.open_spool(STAGING, "one")
        await spool.write([record % 0])
        tracemalloc.start()
        try:
            await spool.write(record % number for number in range(1, count))
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (await spool.finish()).records == count
        assert peak_bytes < MAX_SPOOL_MEMORY_BYTES, peak_bytes
        await spool.discard()

    async def test_equal_content_has_equal_bytes(self, lake: Lake) -> None:
        """The bytes do not depend on pages, so that retries can be compared by checksum."""
        records = [b'{"id":%d,"text":"%x"}' % (number, number * 2_654_435_761) for number in range(30_000)]
        facts = set()
        for size in (7, 1_000, 29_999, 30_000):
            spool = await lake.open_spool(STAGING, f"by-{size}")
            for page in batched(records, size):
                await spool.write(page)
            facts.add(await spool.finish())
            await spool.discard()
        assert len(facts) == 1

    async def test_a_cancelled_publication_is_whole_or_absent(self, lake: Lake) -> None:
        """Afterwards its spool can be published again or discarded."""
        for turns in range(12):
            path = f"flights/{turns}.ndjson.gz"
            spool = await spooled(lake, [b"{}"] * 1000, f"attempt-{turns}")
            await cancelled_after(turns, lake.publish(spool, path))
            if await lake.exists(path) or turns % 2:
                assert await lake.publish(spool, path) is Published.OURS
                assert await lines(lake, path) == [b"{}"] * 1000
            else:
                await spool.discard()
                assert not await lake.exists(path)

    async def test_a_spool_that_was_cancelled_can_only_be_dropped(self, lake: Lake) -> None:
        """It may contain part of a page, which is never published (G2)."""
        for turns in range(1, 12):
            spool = await lake.open_spool(STAGING, f"attempt-{turns}")
            if await cancelled_after(turns, spool.write([os.urandom(500).hex().encode()] * 1000)):
                with pytest.raises(RuntimeError):
                    await spool.finish()
            await spool.discard()
        assert await lake.sweep(STAGING) == 0


def batched(records: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    remaining = iter(records)
    while page := list(itertools.islice(remaining, size)):
        yield page
