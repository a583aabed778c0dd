"""The rules of faults: which request suffers, what it suffers, and what the service behind has done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from haulier.testing.proxy.operations import blob_operation, queue_operation, storage_refusal
from haulier.testing.proxy.process import FaultProxyProcess
from haulier.testing.proxy.rules import FAULTS, Fault, FaultRule, FaultRules
from haulier.testing.proxy.server import FaultProxy
from haulier.testing.proxy.settings import QUIET
from haulier.testing.proxy.wire import WireRequest
from haulier.testing.sandbox import Sandbox
from tests.testing.wire import answer, connected

BEFORE: tuple[Fault, ...] = ("500", "503", "429", "403", "reset", "hang")


@asynccontextmanager
async def ruled(*rules: FaultRule) -> AsyncIterator[tuple[FaultProxy, Sandbox]]:
    async with (
        Sandbox() as api,
        FaultProxy(api.url, QUIET, rules=FaultRules(1, rules), refuse=storage_refusal) as proxy,
    ):
        yield proxy, api


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_strikes_before_or_after_the_effect(fault: Fault) -> None:
    """The service behind is asked just where the fault says "after", or spoils an answer."""
    async with ruled(FaultRule(fault, seconds=0.01)) as (proxy, api), connected(proxy.url) as wire:
        wire.get("/count")
        reply = await wire.reply()
        assert api.counters.requests == (fault not in BEFORE)
        assert proxy.counters.struck == {f"get: {fault}": 1}
        if fault[:3].isdigit():
            assert reply is not None
            assert reply.status == int(fault[:3])
            assert b"<Error><Code>" in reply.body
            assert "x-ms-error-code" in reply.headers
        elif fault == "delay":
            assert reply is not None
            assert reply.is_whole
        elif fault == "cut":
            assert reply is not None
            assert not reply.is_whole
        else:
            assert reply is None


async def test_a_delayed_request_has_its_effect_without_its_client() -> None:
    """As a put does that a balancer kept."""
    async with ruled(FaultRule("delay", seconds=0.2)) as (proxy, api):
        async with connected(proxy.url) as wire:
            wire.get("/count")
            await asyncio.sleep(0.05)
            assert proxy.counters.requests == 1
        for _ in range(300):
            await asyncio.sleep(0.01)
            if api.counters.requests:
                break
        assert api.counters.requests == 1


async def test_a_lost_answer_is_lost_for_one_request() -> None:
    """The proxy asks the service once for each request, and the next one is answered."""
    async with ruled(FaultRule("lost", times=1)) as (proxy, api):
        async with connected(proxy.url) as wire:
            wire.get("/count")
            assert await wire.reply() is None
        assert (await answer(proxy.url, "/count")).status == 200
        assert api.counters.requests == 2


def test_rules_choose_by_operation_target_place_and_share() -> None:
    """The first that strikes counts; all that match count the request."""
    rules = FaultRules(
        5,
        (
            FaultRule("500", operation="put", first=2, times=2),
            FaultRule("503", operation="put", target="/b"),
            FaultRule("lost", operation="get", rate=0.3),
        ),
    )

    def fault(operation: str, target: str) -> str:
        rule = rules.decide(operation, target)
        return rule.fault if rule is not None else ""

    assert [fault("put", target) for target in ("/a", "/b", "/b", "/b", "/a")] == ["", "500", "500", "503", ""]
    drawn = [fault("get", "/") for _ in range(2_000)]
    assert 0.25 < drawn.count("lost") / 2_000 < 0.35
    rules.use(rules.rules)
    assert [fault("get", "/") for _ in range(2_000)] == drawn
    rules.use([])
    assert fault("put", "/a") == ""


@pytest.mark.parametrize("words", [{"fault": "none"}, {"fault": "500", "rate": 1.5}, {"fault": "500", "first": 0}])
def test_a_rule_that_cannot_be_is_refused(words: dict[str, object]) -> None:
    """In words, when it is made."""
    with pytest.raises(ValueError, match="write"):
        FaultRule(**words)  # type: ignore[arg-type]


async def test_it_can_go_away() -> None:
    """Connections are reset, and refused until it comes back on the same port."""
    async with ruled() as (proxy, _), connected(proxy.url) as wire:
        wire.get("/count")
        assert await wire.reply() is not None
        async with proxy.away():
            assert await wire.ended()
            with pytest.raises(ConnectionRefusedError):
                await answer(proxy.url, "/count")
        assert (await answer(proxy.url, "/count")).status == 200


def test_a_process_takes_rules_and_absence() -> None:
    """`FaultProxyProcess`, by its control path."""
    with FaultProxyProcess("http://127.0.0.1:9", QUIET, azure="blob") as proxy:
        proxy.use_rules([FaultRule("503", operation="head"), FaultRule("500", operation="list")])
        with pytest.raises(OSError, match=r"answered with 500: .*InternalError"):
            proxy.get("/account/c?restype=container&comp=list")
        assert proxy.counters().struck == {"list: 500": 1}
        proxy.go_away(30.0)
        assert not all(answers(proxy) for _ in range(200))


def answers(proxy: FaultProxyProcess) -> bool:
    try:
        return proxy.counters().requests > 0
    except ConnectionError:
        return False


BLOB = "/account/container/a/b.json"
CONTAINER = "/account/container?restype=container"


@pytest.mark.parametrize(
    ("method", "target", "operation"),
    [
        ("PUT", BLOB, "put-blob"),
        ("PUT", f"{BLOB}?comp=block&blockid=YQ%3D%3D", "put-block"),
        ("PUT", f"{BLOB}?blockid=YQ%3D%3D&comp=block", "put-block"),
        ("PUT", f"{BLOB}?comp=blocklist", "put-block-list"),
        ("GET", f"{BLOB}?comp=blocklist&blocklisttype=all", "get-block-list"),
        ("GET", BLOB, "get"),
        ("HEAD", BLOB, "head"),
        ("DELETE", BLOB, "delete"),
        ("GET", f"{BLOB}?sv=2021&sig=x", "get"),
        ("GET", f"{CONTAINER}&comp=list&prefix=a", "list"),
        ("POST", f"{CONTAINER}&comp=batch", "batch"),
        ("POST", "/account?comp=batch", "batch"),
        ("PUT", CONTAINER, "create-container"),
        ("GET", CONTAINER, "get-container"),
        ("DELETE", CONTAINER, "delete-container"),
        ("POST", "/account?restype=service&comp=userdelegationkey", "get-delegation-key"),
        ("POST", BLOB, "other"),
        ("PUT", f"{BLOB}?comp=undelete", "other"),
    ],
)
def test_blob_operations_have_names(method: str, target: str, operation: str) -> None:
    """By method and query, whatever else stands there."""
    assert blob_operation(WireRequest(method, target, "HTTP/1.1", [], b"")) == operation


def test_a_copy_is_told_by_its_header() -> None:
    """Its method and path are those of a put."""
    source = [(b"X-Ms-Copy-Source", b"http://h/account/c/a")]
    assert blob_operation(WireRequest("PUT", BLOB, "HTTP/1.1", source, b"")) == "copy"


@pytest.mark.parametrize(
    ("method", "target", "operation"),
    [
        ("POST", "/account/q/messages?messagettl=-1", "put"),
        ("GET", "/account/q/messages?numofmessages=3", "get"),
        ("GET", "/account/q/messages?peekonly=true", "peek"),
        ("DELETE", "/account/q/messages", "clear"),
        ("PUT", "/account/q/messages/id?popreceipt=a", "update"),
        ("DELETE", "/account/q/messages/id?popreceipt=a", "delete"),
        ("PUT", "/account/q", "create-queue"),
        ("DELETE", "/account/q", "delete-queue"),
        ("GET", "/account/q?comp=metadata", "get-metadata"),
        ("PUT", "/account/q?comp=metadata", "set-metadata"),
        ("GET", "/account?comp=list", "other"),
    ],
)
def test_queue_operations_have_names(method: str, target: str, operation: str) -> None:
    """Of messages by the path, of queues by method and query."""
    assert queue_operation(WireRequest(method, target, "HTTP/1.1", [], b"")) == operation
