"""Whatever is done to a queue, in whatever order, it stays what a model of twenty lines says it is (G1, G2)."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from haulier.errors import LeaseLostError
from haulier.queues.memory import MemoryQueueOpener
from haulier.queues.seam import Depth, Lease, Queue
from haulier.queues.sqlite.queue import SqliteQueue
from haulier.rows.memory import MemoryRows, RowStore
from haulier.rows.seam import Rows
from haulier.testing.clock import FakeClock

T = TypeVar("T")
Opener = Callable[[], tuple[Queue, Rows]]

delays = st.sampled_from([0.0, 0.0, 30.0, 60.0])
lengths = st.sampled_from([60.0, 30.0, 60.0, 0.0])
choice = st.integers(0, 3) | st.integers(0, 50)  # How many leases ago: mostly recent ones, that still count.
choices = st.lists(choice, min_size=1, max_size=4)


@dataclass
class Message:
    """The model of a message. ``token`` is that of the one lease that counts, or None."""

    body: bytes
    visible_at: float
    is_first: bool = False
    token: str | None = None
    deliveries: int = 0


def in_line(message: Message) -> tuple[bool, float]:
    return not message.is_first, message.visible_at


class QueueMachine(RuleBasedStateMachine):
    """Every rule does one thing to the queue and to the model; the invariants compare them whole."""

    def opener(self, clock: FakeClock) -> Opener:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.open: Opener = self.opener(self.clock)
        self.clients = [self.open(), self.open()]
        self.messages: list[Message] = []
        self.leases: list[Lease] = []
        self.poisoned: list[bytes] = []
        self.row: bytes | None = None
        self.enqueued = 0

    def teardown(self) -> None:
        for client in self.clients:
            self.close(client)
        self.runner.close()

    # -- what can be done ----------------------------------------------------------------------------------------------

    @rule(count=st.integers(0, 4), delay=delays, is_first=st.booleans())
    def enqueue(self, count: int, delay: float, is_first: bool) -> None:
        bodies = [b"message %d" % (self.enqueued + n) for n in range(count)]
        self.enqueued += count
        self.do(self.client.enqueue(bodies, delay_seconds=delay, is_first=is_first))
        self.messages += [Message(body, self.now + delay, is_first) for body in bodies]

    @rule(limit=st.integers(0, 5) | st.just(100), length=lengths)
    def dequeue(self, limit: int, length: float) -> None:
        ready = sorted(map(in_line, (message for message in self.messages if message.visible_at <= self.now)))
        leases = self.do(self.client.dequeue(limit, length))
        taken = [self.message_of(lease.body) for lease in leases]
        assert list(map(in_line, taken)) == ready[:limit]
        for lease, message in zip(leases, taken, strict=True):
            message.deliveries += 1
            message.visible_at, message.token = self.now + length, lease.token
            assert (lease.deliveries, lease.is_first) == (message.deliveries, message.is_first)
        self.leases += leases

    @precondition(lambda self: self.leases)
    @rule(picks=choices, length=lengths)
    def renew(self, picks: list[int], length: float) -> None:
        leases = self.pick(picks)
        for lease, renewed in zip(leases, self.do(self.client.renew(leases, length)), strict=True):
            message = self.held_by(lease)
            if message is None:
                assert renewed is None
                continue
            assert renewed is not None
            assert renewed.body == message.body
            message.visible_at, message.token = self.now + length, renewed.token
            if renewed.token != lease.token:
                self.leases.append(renewed)

    @precondition(lambda self: self.leases)
    @rule(pick=choice, delay=delays)
    def release(self, pick: int, delay: float) -> None:
        [lease] = self.pick([pick])
        message = self.held_by(lease)
        body = lease.body.split(b", ")[0] + b", released %d" % self.enqueued
        if message is None:
            with pytest.raises(LeaseLostError):
                self.do(self.client.release(lease, b"from a zombie", delay_seconds=delay))
            return
        self.do(self.client.release(lease, body, delay_seconds=delay))
        message.body, message.visible_at, message.token = body, self.now + delay, None

    @precondition(lambda self: self.leases)
    @rule(picks=choices)
    def complete(self, picks: list[int]) -> None:
        leases = self.pick(picks)
        held = {lease.token: self.held_by(lease) for lease in leases}
        lost = self.do(self.client.complete(leases))
        assert lost == [lease for lease in leases if held[lease.token] is None]
        done = [id(message) for message in held.values() if message is not None]
        self.messages = [message for message in self.messages if id(message) not in done]

    @rule(seconds=st.sampled_from([61.0, 30.0, 31.0, 1.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def poison(self) -> None:
        self.poisoned.append(b"poison %d" % len(self.poisoned))
        self.do(self.client.poison(self.poisoned[-1]))

    @rule(is_poison=st.booleans(), is_meant=st.sampled_from([False, False, True]))
    def purge(self, is_poison: bool, is_meant: bool) -> None:
        if not is_meant:  # Otherwise most runs would work on an empty queue.
            return
        emptied = self.poisoned if is_poison else self.messages
        assert self.do(self.client.purge(poison=is_poison)) == len(emptied)
        emptied.clear()

    @rule()
    def update(self) -> None:
        seen: list[bytes | None] = []

        def change(old: bytes | None) -> bytes:
            seen.append(old)
            return b"%s+" % (old or b"")

        new = self.do(self.rows.update("scope", change))
        assert seen[-1] == self.row
        assert new == b"%s+" % (self.row or b"")
        self.row = new

    @rule()
    def use_another_client(self) -> None:
        self.clients.reverse()

    @rule()
    def open_anew(self) -> None:
        self.close(self.clients[0])
        self.clients[0] = self.open()

    # -- what always holds ---------------------------------------------------------------------------------------------

    @invariant()
    def depth_is_exact(self) -> None:
        states = [self.state_of(message) for message in self.messages]
        assert self.do(self.client.depth()) == Depth(
            ready=states.count("ready"),
            delayed=states.count("delayed"),
            leased=states.count("leased"),
            poisoned=len(self.poisoned),
        )

    @invariant()
    def all_is_there(self) -> None:
        shown = self.do(self.client.peek(1_000))
        assert sorted(shown) == sorted(message.body for message in self.messages)
        line = [in_line(self.message_of(body)) for body in shown]
        assert line == sorted(line)
        known = {message.body for message in self.messages}
        assert self.do(self.client.holds(known.__contains__)) == bool(known)
        assert not self.do(self.client.holds(lambda body: body not in known))
        assert self.do(self.client.peek(1_000, poison=True)) == self.poisoned
        assert self.do(self.rows.read("scope")) == self.row

    # -- the model -----------------------------------------------------------------------------------------------------

    @property
    def client(self) -> Queue:
        return self.clients[0][0]

    @property
    def rows(self) -> Rows:
        return self.clients[0][1]

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    def close(self, client: tuple[Queue, Rows]) -> None:
        for one in client:
            self.do(one.close())

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    def pick(self, picks: list[int]) -> list[Lease]:
        """Some of all leases that ever were, each once; most of them recent."""
        indexes = {-1 - number % len(self.leases) for number in picks}
        return list({self.leases[index].token: self.leases[index] for index in sorted(indexes)}.values())

    def message_of(self, body: bytes) -> Message:
        [message] = [message for message in self.messages if message.body == body]
        return message

    def held_by(self, lease: Lease) -> Message | None:
        return next((message for message in self.messages if message.token == lease.token), None)

    def state_of(self, message: Message) -> str:
        if message.visible_at <= self.now:
            return "ready"
        return "delayed" if message.token is None else "leased"


class MemoryMachine(QueueMachine):
    def opener(self, clock: FakeClock) -> Opener:
        open_queue, store = MemoryQueueOpener(clock), RowStore()
        return lambda: (open_queue(), MemoryRows(store))


class SqliteMachine(QueueMachine):
    def opener(self, clock: FakeClock) -> Opener:
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "queue.sqlite3"

        def opened() -> tuple[Queue, Rows]:
            queue = SqliteQueue(path, clock)
            return queue, queue.rows

        return opened

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


TestMemoryMachine = MemoryMachine.TestCase
TestMemoryMachine.settings = settings(max_examples=60, stateful_step_count=40)
TestSqliteMachine = SqliteMachine.TestCase
TestSqliteMachine.settings = settings(max_examples=25, stateful_step_count=40)
