"""One request until it is answered well or given up: repeats, pauses, the account, the error."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from haulier.api.answers.judgement import ExpectedAnswer, Rule
from haulier.api.client import ItemApi
from haulier.api.errors import Action, ApiError, Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request, Response, TransportError
from haulier.api.records.empty_forms import EmptyForms
from haulier.api.settings import Api
from haulier.errors import UsageError
from haulier.testing.clock import FakeClock
from tests.api.paging.rig import Said, ToldTransport, client_over, says, told
from tests.harness.health import is_healthy

GOOD = says({"n": 1})
CUT = TransportError(Fault.CUT, "the body was cut")
REFUSED = TransportError(Fault.CONNECT, "nothing listens there")
T = TypeVar("T")


async def run(coroutine: Coroutine[Any, Any, T], clock: FakeClock, seconds: float = 120.0) -> T:
    """Await while time passes."""
    task = asyncio.ensure_future(coroutine)
    await clock.run_for(seconds)
    assert task.done(), "it waits longer than that"
    return task.result()


async def failure(api: ItemApi, clock: FakeClock, seconds: float = 120.0) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await run(api.json("/items"), clock, seconds)
    return caught.value


async def test_hiccup_is_repeated_in_place() -> None:
    """A body that is cut is asked for again, and the item never knows; both requests are counted."""
    async with told(CUT, GOOD) as (api, transport, clock, _):
        assert await run(api.json("/items", at="n"), clock) == 1
        assert len(transport.requests) == api.usage.requests == 2


async def test_hops_are_requests_too() -> None:
    """G5: an answer behind two redirects took three requests, and a failure behind one took two."""
    async with told(CUT, GOOD) as (api, transport, clock, _):
        transport.hops = [1, 2]
        assert await run(api.json("/items", at="n"), clock) == 1
        assert len(transport.requests) == 2
        assert api.usage.requests == 2 + 3


async def test_repeats_end() -> None:
    """After four repeats the item goes back, charged, and the error says what happened where."""
    async with told(CUT) as (api, transport, clock, _):
        error = await failure(api, clock)
        assert len(transport.requests) == 5
        assert error.action is Action.RETRY_LATER
        assert error.status is None
        assert str(error).startswith("GET http://api.test/items: the body was cut.")


async def test_repeats_wait_with_full_jitter() -> None:
    """The waits are drawn from 0.5, 1, 2 and 4 seconds, outside of the gate."""
    async with told(CUT) as (api, transport, clock, client):
        task = asyncio.ensure_future(api.json("/items"))
        sent_at: list[float] = []
        start = clock.monotonic()
        for _ in range(800):
            await clock.run_for(0.01)
            if len(transport.requests) > len(sent_at):
                sent_at.append(clock.monotonic() - start)
            assert client.scope.in_use == 0
        waits = [after - before for before, after in itertools.pairwise(sent_at)]
        assert len(waits) == 4
        assert all(wait <= most + 0.02 for wait, most in zip(waits, (0.5, 1.0, 2.0, 4.0), strict=True))
        with pytest.raises(ApiError):
            await task


async def test_retry_after_of_an_error_is_waited_for() -> None:
    """A wait that an error asks for is waited for in place, however small the jitter."""
    async with told(says({}, 500, Retry_After="20"), GOOD) as (api, transport, clock, _):
        task = asyncio.ensure_future(api.json("/items", at="n"))
        await clock.run_for(19.5)
        assert len(transport.requests) == 1
        await clock.run_for(2)
        assert await task == 1


async def test_pause_holds_all_requests_of_the_scope() -> None:
    """G5: a 429 with Retry-After pauses the scope at once; no request of any item is sent until it is over."""
    async with told(says({}, 429, Retry_After="30"), GOOD) as (api, transport, clock, client):
        other = client.session()
        first = asyncio.ensure_future(api.json("/items"))
        await clock.run_for(1)
        assert client.scope.pause_seconds_left > 0.0
        second = asyncio.ensure_future(other.json("/items"))
        await clock.run_for(28)
        assert len(transport.requests) == 1
        assert api.is_waiting
        assert other.is_waiting
        assert other.usage.first_sent_at is None
        await clock.run_for(20)
        assert await first == await second == {"n": 1}
        assert not api.is_waiting


async def test_wait_of_a_quarter_of_an_hour_is_held_and_not_more() -> None:
    """Above 15 minutes the item is handed back with the wait; the scope is paused all the same."""
    async with told(says({}, 503, Retry_After="901")) as (api, transport, clock, client):
        error = await failure(api, clock, 1)
        assert (error.action, error.status, error.retry_after_seconds) == (Action.PAUSE, 503, 901.0)
        assert len(transport.requests) == 1
        assert client.scope.pause_seconds_left > 0.0
    async with told(says({}, 429, Retry_After="900"), GOOD) as (api, _, clock, _):
        assert await run(api.json("/items"), clock, 1100) == {"n": 1}


async def test_pauses_end() -> None:
    """An API that refuses again after each of its own waits gets the item back, uncharged."""
    async with told(says({}, 429, Retry_After="5")) as (api, transport, clock, _):
        error = await failure(api, clock)
        assert error.action is Action.PAUSE
        assert len(transport.requests) == 5


async def test_pause_without_a_time_is_a_minute() -> None:
    """Where an API asks everybody to wait and does not say how long, a minute is waited."""
    async with told(says({}, 511), GOOD) as (api, transport, clock, _):
        task = asyncio.ensure_future(api.json("/items"))
        await clock.run_for(59)
        assert len(transport.requests) == 1
        await clock.run_for(20)
        assert await task == {"n": 1}


async def test_outage_is_no_success() -> None:
    """G4: refused connections end as an outage and prove nothing; the first good answer makes the scope healthy."""
    async with told(REFUSED, REFUSED, REFUSED, GOOD) as (api, _, clock, client):
        assert (await failure(api, clock)).action is Action.OUTAGE
        assert not client.scope.has_ever_succeeded
        await run(api.json("/items"), clock, 10)
        assert client.scope.has_ever_succeeded
        assert is_healthy(client.scope, clock)


async def test_answer_that_cannot_be_read_is_no_success() -> None:
    """A good status with a body that makes no sense is asked for twice more, and proves nothing."""
    async with told(says({"error": "boom"})) as (api, transport, clock, client):
        with pytest.raises(
            ApiError, match="there is nothing at 'n': the body is an object with the keys error"
        ) as caught:
            await run(api.json("/items", at="n"), clock)
        assert caught.value.action is Action.RETRY_LATER
        assert len(transport.requests) == 3
        assert not client.scope.has_ever_succeeded


@pytest.mark.parametrize(
    ("said", "action", "advice"),
    [
        (says({}, 401), Action.AUTH, "Check `auth`"),
        (says({}, 404), Action.POISON, "Check the path"),
        (says({}, 400), Action.POISON, "Check path, query and access rights"),
        (TransportError(Fault.TLS, "the certificate has expired"), Action.CONFIG, "certificates"),
        (TransportError(Fault.TOO_LARGE, "over 64 MiB"), Action.SPLIT, "smaller pages"),
        (TransportError(Fault.REDIRECT, "a redirect to another origin"), Action.POISON, "Check `url` and the path"),
    ],
)
async def test_what_no_repeat_helps_is_sent_once(said: Said, action: Action, advice: str) -> None:
    """What would be answered so each time is sent once; the error says what to do."""
    async with told(said) as (api, transport, clock, _):
        error = await failure(api, clock)
        assert error.action is action
        assert advice in str(error)
        assert len(transport.requests) == 1


@pytest.mark.parametrize(
    "said",
    [
        *(says({}, status) for status in (400, 401, 404, 409, 412, 413, 429, 500, 503)),
        says({}, 503, Retry_After="1000"),
        TransportError(Fault.CUT, "the body was cut short"),
        TransportError(Fault.REDIRECT, "a redirect"),
    ],
)
async def test_an_error_promises_nothing(said: Said) -> None:
    """What becomes of the item is decided later, by others; and who only tries a source out tries nothing again."""
    async with told(said) as (api, _, clock, _):
        error = str(await failure(api, clock))
        assert not any(word in error for word in ("again", "later", "charged"))
        assert "  " not in error
        assert not error.endswith(" ")


async def test_g7_error_shows_no_secret() -> None:
    """G7: neither the address nor the excerpt nor the text shows a secret; the excerpt is capped."""
    redactor = Redactor()
    redactor.add("hunter2hunter2")
    body = b'{"message":"bad key hunter2hunter2","x":"' + b"y" * 100_000 + b'"}'
    async with told(says(body, 400), redactor=redactor) as (api, _, clock, _):
        with pytest.raises(ApiError) as caught:
            await run(api.json("/items", {"api_key": "abcdefgh", "token": "hunter2hunter2"}), clock)
        shown = str(caught.value) + caught.value.excerpt
        assert "hunter2" not in shown
        assert "abcdefgh" not in shown
        assert "bad key ***" in caught.value.excerpt
        assert len(caught.value.excerpt) < 3000
        assert len(str(caught.value)) < 1200


async def test_g7_keys_of_a_body_are_redacted() -> None:
    """G7: the names of keys that an error shows are data too."""
    redactor = Redactor()
    redactor.add("hunter2hunter2")
    async with told(says({"hunter2hunter2": 1}), redactor=redactor) as (api, _, clock, _):
        with pytest.raises(ApiError) as caught:
            await run(api.json("/items", at="n"), clock)
        assert "hunter2" not in str(caught.value)


async def test_rules_come_first() -> None:
    """A rule of the source decides ahead of the table: END and ABSENT are answers and no failures."""
    rules = (Rule(Action.ABSENT, status=404), Rule(Action.END, status=416))
    async with told(says({}, 404), says({}, 416), rules=rules) as (api, _, clock, client):
        assert await run(api.json("/items"), clock) is None
        assert (await run(api.request("GET", "/items"), clock)).status == 416
        assert client.scope.has_ever_succeeded


async def test_request_says_what_it_asked() -> None:
    """Method, query, headers and JSON body arrive as given; the body is labelled."""
    async with told(GOOD) as (api, transport, clock, _):
        answer = await run(
            api.request("POST", "/search?a=1", {"b": [2, 3]}, json={"q": "é"}, headers={"X-Trace": "t"}), clock
        )
        assert answer is GOOD
        assert transport.requests == [
            Request(
                "POST",
                "http://api.test/search?a=1&b=2&b=3",
                (("X-Trace", "t"), ("Content-Type", "application/json")),
                '{"q":"é"}'.encode(),
            )
        ]


async def test_empty_answer_may_be_allowed() -> None:
    """A 204 is an answer where the caller says so."""
    async with told(says(b"", 204)) as (api, _, clock, _):
        answer = await run(
            api.request("GET", "/items", expected=ExpectedAnswer(empty=EmptyForms.of(["no body"]))), clock
        )
        assert answer.status == 204


async def test_arguments_that_cannot_be_sent_are_mistakes_of_the_program() -> None:
    """Another origin, a body that is no JSON, or a path that is none: refused before anything is sent."""
    async with told(GOOD) as (api, transport, _, _):
        with pytest.raises(UsageError, match="is not a path of this API"):
            await api.json("https://evil.test/items")
        with pytest.raises(UsageError, match="cannot be written as JSON"):
            await api.request("POST", "/items", json=object())
        with pytest.raises(UsageError, match="no path into JSON"):
            await api.json("/items", at="a..b")
        assert transport.requests == []


async def test_usage_counts_from_the_first_request() -> None:
    """The item's clock starts with the first request that is sent, and not with its wait at the gate."""
    async with told(GOOD) as (api, _, clock, client):
        assert api.usage.first_sent_at is None
        await client.scope.pause(10)
        task = asyncio.ensure_future(api.json("/items"))
        await clock.run_for(5)
        assert api.is_waiting
        assert api.usage.first_sent_at is None
        before = clock.monotonic()
        await clock.run_for(20)
        await task
        assert not api.is_waiting
        assert api.usage.first_sent_at is not None
        assert api.usage.first_sent_at > before


async def test_cancelled_wait_leaves_the_gate() -> None:
    """An item that is cancelled at the gate waits no longer, and takes nobody's place."""
    async with told(GOOD) as (api, _, clock, client):
        await client.scope.pause(10)
        task = asyncio.ensure_future(api.json("/items"))
        await clock.run_for(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not api.is_waiting
        await clock.run_for(20)
        assert client.scope.in_use == 0
        assert await run(client.session().json("/items"), clock) == {"n": 1}


class SlowTransport(ToldTransport):
    """Keeps its requests until they are let go, and counts how many there are."""

    def __init__(self) -> None:
        super().__init__(GOOD)
        self.now = self.most = 0
        self.let_go = asyncio.Event()

    async def send(self, request: Request) -> Response:
        self.now += 1
        self.most = max(self.most, self.now)
        await self.let_go.wait()
        self.now -= 1
        return await super().send(request)


async def test_g5_requests_in_flight_stay_below_the_cap() -> None:
    """G5: of 50 items at once, no more than ``in_flight`` have a request out."""
    transport, clock = SlowTransport(), FakeClock()
    async with client_over(transport, Api("http://api.test", in_flight=3), clock) as client:
        tasks = [asyncio.ensure_future(client.session().json("/items")) for n in range(50)]
        await clock.run_for(5)
        assert transport.most == 3
        transport.let_go.set()
        await clock.run_for(5)
        assert len(await asyncio.gather(*tasks)) == 50
        assert transport.most == 3
