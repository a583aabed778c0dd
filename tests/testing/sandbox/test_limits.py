"""Quotas and buckets let through what they say, and tell it as real APIs do (docs/sandbox.md#limits); haulier reads
it."""

import asyncio
import json
from datetime import UTC, datetime
from typing import get_args

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from haulier.api.answers.declared_wait import DeclaredWait, find_wait
from haulier.api.http.ratelimit_headers import rate_limits
from haulier.api.http.transport import Response
from haulier.testing.clock import FakeClock
from haulier.testing.sandbox import Sandbox, SandboxSettings
from haulier.testing.sandbox.faults import Fault
from haulier.testing.sandbox.server import SandboxServer
from haulier.testing.sandbox.setting_groups import WaitForm
from haulier.testing.sandbox.wire import RequestHead
from tests.testing.wire import answer

REQUEST = RequestHead(b"GET /count HTTP/1.1")


class Served:
    """A sandbox without a network, on a clock that is turned by hand."""

    def __init__(self, settings: SandboxSettings) -> None:
        self.clock = FakeClock()
        self.body = b""
        self.server = SandboxServer(settings, asyncio.get_running_loop(), self.clock)

    def ask(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next answer."""
        reply = self.server.reply(REQUEST, b"GET", b"/count", b"", False)
        self.server.counters.in_flight -= 1
        assert reply.wire is not None
        head, _, self.body = reply.wire.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")[1:]
        return reply.status, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def test_a_quota_is_spent_and_filled_again() -> None:
    """``quota`` requests in ``quota_seconds``; then 429 with Retry-After to the window's end, which costs nothing."""
    api = Served(SandboxSettings(quota=3, quota_seconds=60))
    assert [api.ask()[0] for _ in range(3)] == [200] * 3
    api.clock.advance(20.5)
    status, headers = api.ask()
    assert (status, headers["retry-after"]) == (429, "40")
    assert not any(name.startswith(("ratelimit", "x-ratelimit")) for name in headers)
    assert api.server.read_counters().quota_left == 0
    assert api.server.read_counters().quota_resets_in_seconds == 39.5
    api.clock.advance(40)
    assert [api.ask()[0] for _ in range(4)] == [200] * 3 + [429]
    assert (api.server.counters.limited, api.server.counters.early) == (2, 0)


@pytest.mark.parametrize("form", get_args(WaitForm))
async def test_haulier_reads_the_wait_in_every_form(form: WaitForm) -> None:
    """``wait_form``: the same nine seconds, told in six ways; two of them want to be declared."""
    api = Served(SandboxSettings(quota=1, quota_seconds=9, wait_form=form))
    api.ask()
    declared = {"ms": DeclaredWait(header="Retry-After", unit="ms"), "body": DeclaredWait(at="retry_in")}.get(form)
    status, headers = api.ask()
    assert status == 429
    response = Response(429, CIMultiDictProxy(CIMultiDict(headers)), api.body)
    assert find_wait(response, api.clock.now(), declared).seconds == pytest.approx(9, abs=1)


async def test_requests_before_the_quota_is_filled_again_are_early() -> None:
    """Those that were under way are not."""
    api = Served(SandboxSettings(quota=1, quota_seconds=60, early_grace_seconds=0.5))
    api.ask()
    api.ask()
    api.clock.advance(0.4)
    api.ask()
    assert api.server.counters.early == 0
    api.clock.advance(10)
    api.ask()
    assert api.server.counters.early == 1


@pytest.mark.parametrize("kind", ["ratelimit", "x-ratelimit"])
async def test_headers_tell_the_quota_with_each_answer(kind: str) -> None:
    """``quota_headers``: what haulier learns from them is what is really left, to the end of the window."""
    api = Served(SandboxSettings(quota=3, quota_seconds=60, quota_headers=kind))  # type: ignore[arg-type]
    api.clock.advance(12.25)
    for left in (2, 1, 0, 0):
        status, headers = api.ask()
        assert status == (200 if api.server.counters.limited == 0 else 429)
        told = rate_limits(CIMultiDictProxy(CIMultiDict(headers)), api.clock.now())
        (limit,) = told.limits
        assert limit.remaining == left
        assert 3 in [limit.quota, *(policy.quota for policy in told.policies)]
        assert limit.reset_seconds == 48
    assert api.server.counters.limited == 1


async def test_a_quota_may_be_told_by_headers_alone() -> None:
    """``retry_after_seconds`` 0: no Retry-After, and coming before the reset is early all the same."""
    api = Served(SandboxSettings(quota=1, quota_seconds=60, quota_headers="x-ratelimit", retry_after_seconds=0))
    api.ask()
    status, headers = api.ask()
    assert (status, "retry-after" in headers) == (429, False)
    reset = datetime.fromtimestamp(int(headers["x-ratelimit-reset"]), UTC)
    assert (reset - api.clock.now()).total_seconds() == 60
    api.clock.advance(30)
    api.ask()
    assert api.server.counters.early == 1


async def test_a_bucket_fills_again_and_holds_so_much() -> None:
    """``rate_per_second`` and ``bucket``: a burst of the bucket, then the rate; 429 with Retry-After: 1."""
    api = Served(SandboxSettings(rate_per_second=20, bucket=5))
    assert [api.ask()[0] for _ in range(6)] == [200] * 5 + [429]
    assert api.ask()[1]["retry-after"] == "1"
    api.clock.advance(0.05)
    assert [api.ask()[0] for _ in range(2)] == [200, 429]
    api.clock.advance(3_600)
    assert [api.ask()[0] for _ in range(6)] == [200] * 5 + [429]
    passed = 0
    for _ in range(1_000):
        api.clock.advance(0.01)
        passed += api.ask()[0] == 200
    assert passed == pytest.approx(200, abs=1)


async def test_who_may_not_ask_spends_nothing() -> None:
    """Neither a 401 nor an outage counts against the quota."""
    api = Served(SandboxSettings(quota=1, token="hush"))
    assert [api.ask()[0] for _ in range(3)] == [401] * 3
    api.server.use(SandboxSettings(quota=1, is_down=True))
    assert [api.ask()[0] for _ in range(3)] == [503] * 3
    api.server.use(SandboxSettings(quota=1))
    assert [api.ask()[0] for _ in range(2)] == [200, 429]
    assert api.server.begin(REQUEST) is Fault.LIMITED


async def test_the_quota_goes_on_when_other_settings_change() -> None:
    """Only a changed limit begins afresh."""
    api = Served(SandboxSettings(quota=2))
    api.ask()
    api.server.use(SandboxSettings(quota=2, records=5))
    assert [api.ask()[0] for _ in range(2)] == [200, 429]
    api.server.use(SandboxSettings(quota=3))
    assert [api.ask()[0] for _ in range(4)] == [200] * 3 + [429]


async def test_the_quota_is_shown_by_the_counters() -> None:
    """`/_sandbox` has what is left and when it is filled again, or null without a quota."""
    async with Sandbox(SandboxSettings(quota=5, quota_seconds=3_600, quota_headers="ratelimit")) as api:
        reply = await answer(api.url, "/count")
        assert json.loads(reply.body) == {"count": 10_000}
        assert reply.headers["ratelimit-policy"] == '"default";q=5;w=3600'
        shown = json.loads((await answer(api.url, "/_sandbox")).body)
        assert (shown["quota_left"], shown["requests"], shown["by_status"]) == (4, 1, {"200": 1})
        assert 3_500 < shown["quota_resets_in_seconds"] <= 3_600
        api.change(quota=0, quota_headers="none")
        assert json.loads((await answer(api.url, "/_sandbox")).body)["quota_left"] is None
