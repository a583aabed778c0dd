"""Above its knee the sandbox queues, thrashes or refuses (docs/sandbox.md#speed): what a governor must be able to tell
apart."""

import asyncio
import heapq
import random
import statistics

import pytest

from haulier.testing.sandbox import Sandbox, SandboxSettings
from haulier.testing.sandbox.counters import SandboxCounters
from haulier.testing.sandbox.faults import delay_seconds
from haulier.testing.sandbox.line import Line
from tests.testing.wire import answer, connected


class Simulated:
    """Clients that each send the next request as soon as the last one is answered, on a clock of their own."""

    def __init__(self, clients: int, knee: int) -> None:
        self.counters = SandboxCounters()
        self.line = Line(knee, self.counters)
        self.now = 0.0
        self.due: list[tuple[float, int]] = []
        self.sent_at: dict[int, float] = {}
        self.waits: list[float] = []
        self.requests = [Request(self, number) for number in range(clients)]

    def run(self, seconds: float) -> int:
        """How many are answered in that time."""
        for request in self.requests:
            request.send()
        answered = 0
        while self.due and self.due[0][0] <= seconds:
            self.now, number = heapq.heappop(self.due)
            self.waits.append(self.now - self.sent_at[number])
            answered += 1
            self.line.leave(self.requests[number])
            self.requests[number].send()
        return answered


class Request:
    def __init__(self, world: Simulated, number: int) -> None:
        self.world = world
        self.number = number

    def send(self) -> None:
        self.world.sent_at[self.number] = self.world.now
        self.world.line.enter(self, 0.5)

    def begin_service(self, seconds: float) -> None:
        heapq.heappush(self.world.due, (self.world.now + seconds, self.number))


@pytest.mark.parametrize("clients", [6, 12, 24, 48, 100])
def test_a_queue_lets_through_what_the_knee_can_serve(clients: int) -> None:
    """Up to the knee all are served at once; above, the rate stays knee / latency, and waiting is in proportion."""
    world = Simulated(clients, knee=12)
    answered = world.run(100.0)
    assert answered == pytest.approx(100 / 0.5 * min(clients, 12), abs=clients)
    steady = world.waits[len(world.waits) // 2 :]
    assert statistics.mean(steady) == pytest.approx(0.5 * max(1.0, clients / 12), rel=0.02)
    assert world.counters.waiting == max(0, clients - 12)


def test_the_line_is_first_come_first_served() -> None:
    """And who leaves, waiting or being served, makes room for the next."""
    served: list[str] = []

    class Guest:
        def __init__(self, name: str) -> None:
            self.name = name

        def begin_service(self, seconds: float) -> None:
            served.append(f"{self.name} {seconds:g}")

    counters = SandboxCounters()
    line = Line(2, counters)
    guests = [Guest(name) for name in "abcdef"]
    for number, guest in enumerate(guests):
        line.enter(guest, number)
    assert (served, counters.waiting) == (["a 0", "b 1"], 4)
    line.leave(guests[2])
    assert (len(served), counters.waiting) == (2, 3)
    line.leave(guests[1])
    assert (served[2:], counters.waiting) == (["d 3"], 2)
    line.widen(1)
    line.leave(guests[0])
    assert (len(served), counters.waiting) == (3, 2), "one too many is being served"
    line.widen(3)
    assert (served[3:], counters.waiting) == (["e 4", "f 5"], 0)


async def test_requests_above_the_knee_wait_in_line() -> None:
    """``knee``: they are in flight and waiting; who leaves the line is forgotten; a wider knee lets them on."""
    async with Sandbox(SandboxSettings(knee=2, latency_seconds=30.0)) as api:
        async with connected(api.url) as one, connected(api.url) as two, connected(api.url) as three:
            async with connected(api.url) as four:
                for number, wire in enumerate((one, two, three, four), 1):
                    wire.get("/count")
                    await until(lambda sent=number: api.counters.in_flight == sent)
                assert api.counters.waiting == 2
            await until(lambda: api.counters.in_flight == 3)
            assert api.counters.waiting == 1
            api.change(knee=0, latency_seconds=0.0)
            assert api.counters.waiting == 0
            assert (await answer(api.url, "/count")).status == 200
        await until(lambda: api.counters.in_flight == 0)
        assert api.counters.abandoned == 4


async def test_the_line_moves_on() -> None:
    """All are answered in the end, however long the line, and nobody is left in it."""
    async with Sandbox(SandboxSettings(knee=3, latency_seconds=0.01)) as api:
        replies = await asyncio.gather(*(answer(api.url, "/count") for _ in range(20)))
        assert {reply.status for reply in replies} == {200}
        assert (api.counters.waiting, api.counters.in_flight) == (0, 0)


async def test_refusals_above_the_knee_say_nothing_of_when() -> None:
    """``knee_mode`` refuse: 429 or ``refuse_status`` at once, without Retry-After; no pause was asked for."""
    settings = SandboxSettings(knee=3, knee_mode="refuse", latency_seconds=0.1, refuse_status=503)
    async with Sandbox(settings) as api:
        replies = await asyncio.gather(*(answer(api.url, "/count") for _ in range(8)))
        assert sorted(reply.status for reply in replies) == [200] * 3 + [503] * 5
        assert all("retry-after" not in reply.headers for reply in replies)
        assert (await answer(api.url, "/count")).status == 200
        assert (api.counters.refused, api.counters.early) == (5, 0)


async def test_the_mode_can_be_changed_while_it_runs() -> None:
    """Those who wait are served when the line goes, and it is there again when it is wanted."""
    async with Sandbox(SandboxSettings(knee=1, latency_seconds=30.0)) as api, connected(api.url) as one:
        one.get("/count")
        await until(lambda: api.counters.in_flight == 1)
        async with connected(api.url) as two:
            two.get("/count")
            await until(lambda: api.counters.waiting == 1)
            api.change(knee_mode="refuse")
            assert api.counters.waiting == 0
            assert (await answer(api.url, "/count")).status == 429
            api.change(knee_mode="queue")
            async with connected(api.url) as three:
                three.get("/count")
                await until(lambda: api.counters.in_flight == 3)


def test_thrashing_lowers_the_rate() -> None:
    """``knee_mode`` thrash: with four times the knee in flight, half as many get through."""
    settings = SandboxSettings(latency_seconds=0.5, knee=12, knee_mode="thrash")

    def rate(in_flight: int) -> float:
        return in_flight / delay_seconds(settings, random.Random(1), in_flight=in_flight, is_first_page=False)

    assert rate(12) == 24
    assert rate(48) == pytest.approx(12)
    assert rate(108) == pytest.approx(8)


def test_latency_has_a_long_tail() -> None:
    """``latency_sigma``: a lognormal factor of median 1; the same from the same seed."""
    settings = SandboxSettings(latency_seconds=0.5, latency_sigma=0.5)

    def draws(seed: int) -> list[float]:
        draw = random.Random(seed)
        return [delay_seconds(settings, draw, in_flight=1, is_first_page=False) for _ in range(4_000)]

    found = sorted(draws(1))
    assert found[2_000] == pytest.approx(0.5, rel=0.05)
    # e^(0.5 * 2.326), the 99th percentile of a lognormal draw.
    assert found[3_960] == pytest.approx(0.5 * 3.2, rel=0.15)
    assert draws(1) == draws(1) != draws(2)


async def until(is_so: object) -> None:
    async with asyncio.timeout(60):
        while not is_so():  # type: ignore[operator]
            await asyncio.sleep(0.001)
