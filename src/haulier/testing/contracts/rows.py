"""The contract of every backend of shared rows, as a test class to subclass (needs pytest and pytest-asyncio):

class TestMyRows(RowsContract):
    @pytest.fixture
    def opener(self) -> RowsOpener:
        store = MyStore()
        return lambda: MyRows(store)
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from haulier.queues.envelope import MAX_BODY_BYTES
from haulier.rows.seam import Rows, RowsOpener
from haulier.testing.contracts.threads import in_threads


@pytest.mark.asyncio
class RowsContract:
    """The whole contract of `haulier.rows.seam.Rows`. Override ``opener``."""

    threads = 4

    @pytest.fixture
    def opener(self) -> RowsOpener:
        """Return a function that opens clients of the same new rows, in any thread."""
        raise NotImplementedError("Define the fixture `opener` in the subclass: it opens clients of the same new rows.")

    @pytest_asyncio.fixture
    async def rows(self, opener: RowsOpener) -> AsyncIterator[Rows]:
        rows = opener()
        yield rows
        await rows.close()

    @pytest_asyncio.fixture
    async def other(self, opener: RowsOpener) -> AsyncIterator[Rows]:
        other = opener()
        yield other
        await other.close()

    async def test_row_that_nobody_wrote(self, rows: Rows) -> None:
        seen: list[bytes | None] = []

        def change(old: bytes | None) -> bytes:
            seen.append(old)
            return b"first"

        assert await rows.read("scope") is None
        assert await rows.update("scope", change) == b"first"
        assert seen
        assert set(seen) == {None}

    async def test_row_is_seen_by_all(self, rows: Rows, other: Rows) -> None:
        """An update gets what the last client wrote, and all clients read its result."""
        await rows.update("scope", lambda _: b"1")
        assert await other.update("scope", lambda old: (old or b"") + b"2") == b"12"
        assert await rows.read("scope") == b"12"

    async def test_rows_are_apart(self, rows: Rows) -> None:
        name = "api.example.com/v1?key=\u00fc " * 3
        await rows.update("a", lambda _: b"A")
        await rows.update(name, lambda _: b"B")
        assert [await rows.read("a"), await rows.read(name), await rows.read("b")] == [b"A", b"B", None]

    async def test_clock_of_all_clients(self, rows: Rows, other: Rows) -> None:
        """Clients on one machine agree about it."""
        assert abs(rows.ahead_seconds - other.ahead_seconds) <= 3.0

    async def test_row_of_48_kib(self, rows: Rows) -> None:
        body = json.dumps(["x" * 1_000] * 48).encode()[:MAX_BODY_BYTES]
        assert await rows.update("large", lambda _: body) == body
        assert await rows.read("large") == body

    async def test_change_that_fails(self, rows: Rows, other: Rows) -> None:
        """A change that raises changes nothing; its error is raised, and the client keeps working."""

        def fail(old: bytes | None) -> bytes:
            raise ZeroDivisionError

        await rows.update("scope", lambda _: b"good")
        with pytest.raises(ZeroDivisionError):
            await rows.update("scope", fail)
        assert await other.update("scope", lambda old: (old or b"") + b"!") == b"good!"
        assert await rows.update("scope", lambda old: (old or b"") + b"?") == b"good!?"

    async def test_updates_are_atomic(self, rows: Rows, opener: RowsOpener) -> None:

        def increment(old: bytes | None) -> bytes:
            return b"%d" % (int(old or b"0") + 1)

        async def count(client: Rows) -> list[bytes]:
            return [await client.update("count", increment) for _ in range(50)]

        answers = await in_threads(opener, count, self.threads)
        assert await rows.read("count") == b"%d" % (50 * self.threads)
        assert sorted(int(one) for mine in answers for one in mine) == list(range(1, 50 * self.threads + 1))

    async def test_closed_client_refuses(self, opener: RowsOpener, rows: Rows) -> None:
        """A client may be closed twice, or unused; a call after close is a programming error."""
        unused, client = opener(), opener()
        await unused.close()
        await client.update("scope", lambda _: b"1")
        await client.close()
        await client.close()
        with pytest.raises(RuntimeError, match="closed"):
            await client.read("scope")
        with pytest.raises(RuntimeError, match="closed"):
            await client.update("scope", lambda _: b"2")
        assert await rows.read("scope") == b"1"
