"""What the contract does not ask of the Azure queue: its messages, its making, its counts, its refusals."""

from __future__ import annotations

import base64
import logging

import msgspec
import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue.aio import QueueClient

from haulier.azure.account import AzureAccount
from haulier.clock import SystemClock
from haulier.errors import QueueUnavailableError, UsageError
from haulier.queues.azure.messages import MAX_HIDDEN_SECONDS, MAX_TEXT_BYTES, body_of, marked, text_of, whole_seconds
from haulier.queues.azure.queue import AzureQueue
from haulier.queues.envelope import MAX_BODY_BYTES, Envelope, encode
from haulier.queues.seam import Depth
from haulier.testing.azure_queue.server import AzureQueueServer
from haulier.testing.azure_queue.settings import AzureQueueSettings
from haulier.testing.clock import FakeClock
from haulier.testing.proxy.rules import Fault, FaultRule
from tests.harness.azurite import ACCOUNT, KEY
from tests.queues.azure.service import account_of, served, take, take_one

ENVELOPE = Envelope(kind="things", key="things-1", run_id="full-20261123T222500Z", payload=msgspec.Raw(b"{}"))
JSON = encode(ENVELOPE)


def plain_client(server: AzureQueueServer, name: str = "flights") -> QueueClient:
    """The SDK's own, as other tools use it."""
    return QueueClient(server.endpoint, name, credential={"account_name": ACCOUNT, "account_key": KEY})


@pytest.mark.parametrize(
    ("text", "body"),
    [
        (JSON.decode(), JSON),
        (f"\n  {JSON.decode()}", b"\n  " + JSON),
        (base64.b64encode(JSON).decode(), JSON),
        (f" {base64.b64encode(JSON).decode()}\n", JSON),
        (base64.b64encode(b"not json").decode(), base64.b64encode(b"not json")),
        ("no base64", b"no base64"),
        ("\u00fc{", "\u00fc{".encode()),
        ("", b""),
        (None, b""),
    ],
)
def test_what_other_tools_write_is_read(text: str | None, body: bytes) -> None:
    """JSON as it is, or in base64; everything else is handed up as it came, for the layer above to poison."""
    assert body_of(text) == body


async def test_each_message_is_read_by_itself() -> None:
    """One that nobody can read spoils none of its neighbours."""
    async with served() as (server, queue):
        await queue.enqueue([JSON])
        async with plain_client(server) as other:
            await other.send_message("\u0663 no message", time_to_live=-1)
            await other.send_message(base64.b64encode(JSON).decode(), time_to_live=-1)
        assert [lease.body for lease in await take(queue)] == [JSON, "\u0663 no message".encode(), JSON]


def test_what_xml_cannot_carry_is_escaped() -> None:
    """In a copy on the poison queue: it is still JSON, and Storage Explorer shows it."""
    assert text_of(b'{"a":"\x01\t\xef\xbf\xbf\xff"}') == '{"a":"\\u0001\t\\uffff\\xff"}'


async def test_a_copy_that_would_outgrow_the_service_is_cut() -> None:
    """UTF-16 in base64, as .NET writes it, grows to more than twice its length. The lake has the whole."""
    text = base64.b64encode(('{"a":"%s"}' % ("\u00fc" * 12_000)).encode("utf-16-le")).decode()
    async with served() as (server, queue):
        await queue.enqueue([b"first"])
        async with plain_client(server) as other:
            await other.send_message(text, time_to_live=-1)
        (_, lease) = await take(queue)
        assert len(text) < MAX_TEXT_BYTES < len(text_of(lease.body).encode())
        await queue.poison(lease.body)
        (copy,) = await queue.peek(1, poison=True)
        assert len(copy) == MAX_TEXT_BYTES
        assert text_of(lease.body).encode().startswith(copy)


def test_a_mark_that_does_not_fit_is_left_out() -> None:
    """So is one in what is not ours: the message is sent again as it was."""
    room = MAX_BODY_BYTES - len(JSON) - len(b'{"a":""}') + len(b"{}")
    payload = msgspec.Raw(b'{"a":"%s"}' % (b"x" * room))
    full = encode(msgspec.structs.replace(ENVELOPE, payload=payload))
    assert len(full) == MAX_BODY_BYTES
    assert marked(full) == full
    assert marked(b"[]") == b"[]"
    assert b'"resent":true' in marked(JSON)


@pytest.mark.parametrize(
    ("seconds", "whole"), [(-1.0, 0), (0.0, 0), (0.2, 1), (1.0, 1), (1.9, 2), (1e12, MAX_HIDDEN_SECONDS)]
)
def test_times_are_whole_seconds_rounded_up(seconds: float, whole: int) -> None:
    """A lease that is shorter than was asked for would end under its worker."""
    assert whole_seconds(seconds) == whole
    assert whole_seconds(seconds, least=1) == max(1, whole)


async def test_g1_messages_live_for_ever() -> None:
    """The service drops what is older than seven days, if it is not told otherwise: a run may be paused for longer."""
    async with served() as (server, queue):
        await queue.enqueue([b"one", b"two"])
        await queue.poison(b"copy")
        (lease, _) = await take(queue)
        await queue.release(lease, b"released")
        server.clock.advance(400 * 86_400.0)
        assert sorted(lease.body for lease in await take(queue)) == [b"released", b"two"]
        assert await queue.peek(1, poison=True) == [b"copy"]
        assert server.counters.expired == 0


async def test_all_queues_are_made_by_the_first_call_that_writes() -> None:
    """Reading makes none: it finds nothing. One that is there already is as good."""
    async with served() as (server, queue):
        assert await take(queue) == []
        assert await queue.peek(3) == []
        assert await queue.depth() == Depth(0, 0, 0, 0)
        assert await queue.purge() == 0
        assert "create-queue" not in server.counters.operations
        async with plain_client(server) as other:
            await other.create_queue()
            await queue.poison(b"one")
            with pytest.raises(ResourceExistsError):
                await other.create_queue(metadata={"mine": "1"})
        async with plain_client(server, "flights-poison") as other:
            assert [message.content for message in await other.peek_messages()] == ["one"]
        assert server.counters.operations["create-queue"] == 5
        assert set(server.store.counts()) == {"flights", "flights-first", "flights-poison"}


async def test_a_queue_that_is_deleted_under_its_workers_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """It looks empty to them, and a run would seem to stand still."""
    async with served() as (server, queue):
        assert await take(queue) == []
        assert caplog.records == [], "nobody has sent anything yet"
        await queue.enqueue([JSON])
        assert len(await take(queue)) == 1
        async with plain_client(server) as other:
            await other.delete_queue()
        server.clock.advance(60.0)  # For half a minute its name is taken.
        assert await take(queue) == []
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "haulier repair" in record.message


async def test_a_right_without_creating_is_enough_for_a_queue_that_is_there() -> None:
    """Nothing is created that need not be; where it must be and may not, the credential is told so."""
    async with served() as (server, queue):
        async with plain_client(server) as other:
            await other.create_queue()
        server.rules.use([FaultRule("403", "create-queue")])
        await queue.enqueue([b"one"])
        assert len(await take(queue)) == 1
        with pytest.raises(UsageError, match=r"'flights-poison' .* does not exist, .* --name flights-poison"):
            await queue.poison(b"one")


async def test_a_queue_that_is_being_cleared_is_asked_again() -> None:
    """The service gives up after a while, with 500 OperationTimedOut, and goes on where it is asked again."""
    async with served(AzureQueueSettings(clear_at_most=30)) as (server, queue):
        await queue.enqueue([b"%d" % n for n in range(70)])
        assert await queue.purge() == 70
        assert server.counters.operations["clear"] == 4, "three, and one of the first lane"
        assert await take(queue) == []


async def test_depth_is_about_right() -> None:
    """The service tells one number, which counts leased and delayed messages too."""
    async with served() as (_, queue):
        assert not queue.capabilities.exact_depth
        await queue.enqueue([b"one", b"two"])
        await queue.enqueue([b"later"], delay_seconds=60.0)
        await queue.poison(b"bad")
        await queue.dequeue(1, 30.0)
        assert await queue.depth() == Depth(ready=3, delayed=0, leased=0, poisoned=1)


async def test_one_request_a_dequeue() -> None:
    """However many are there, and whether there are any; and one for the first lane, which was not asked yet."""
    async with served() as (server, queue):
        await queue.enqueue([b"%d" % n for n in range(70)])
        assert [len(await take(queue, 500)), len(await take(queue, 5))] == [32, 5]
        assert await take(queue, 0) == []
        assert server.counters.operations["get"] == 3


async def test_an_idle_worker_asks_the_first_lane_less_and_less_often() -> None:
    """Each question is paid for. What another client sends there is found within `lane_seconds`."""
    clock = FakeClock()
    async with AzureQueueServer() as server:
        queue, other = (AzureQueue(account_of(server), "flights", clock) for _ in range(2))
        try:
            await queue.enqueue([b"%d" % n for n in range(3)])
            assert len(await take(queue)) == 3
            for _ in range(120):
                assert await take(queue) == []
                clock.advance(queue.capabilities.idle_seconds)
            asked = server.counters.operations["get"] - 122
            assert 30 <= asked <= 60, "of 120"
            await other.enqueue([b"first"], is_first=True)
            clock.advance(queue.capabilities.lane_seconds)
            assert [lease.body for lease in await take(queue)] == [b"first"]
        finally:
            await queue.close()
            await other.close()


async def test_a_client_finds_at_once_what_it_sent_to_the_first_lane() -> None:
    """And goes on asking there while there is something."""
    async with served() as (server, queue):
        await queue.enqueue([b"other"])
        assert [lease.body for lease in await take(queue)] == [b"other"]
        await queue.enqueue([b"%d" % n for n in range(5)], is_first=True)
        before = server.counters.operations["get"]
        assert [len(await take(queue, 2)) for _ in range(3)] == [2, 2, 1]
        assert server.counters.operations["get"] - before == 3


async def test_g1_a_first_lane_that_was_deleted_is_made_again_by_the_next_send() -> None:
    """The others go on meanwhile, and a lease from there is lost."""
    async with served() as (server, queue):
        await queue.enqueue([b"other"])
        await queue.enqueue([b"first"], is_first=True)
        (lease,) = await take(queue)
        async with plain_client(server, "flights-first") as other:
            await other.delete_queue()
        server.clock.advance(60.0)
        assert [lease.body for lease in await take(queue)] == [b"other"]
        assert await queue.complete([lease]) == [lease]
        await queue.enqueue([b"again"], is_first=True)
        assert [lease.body for lease in await take(queue)] == [b"again"]


async def test_g7_no_error_repeats_a_signature(caplog: pytest.LogCaptureFixture) -> None:
    """With a SAS every URL bears one, and the words of SDK and aiohttp may have the URL."""
    caplog.set_level(logging.DEBUG, "haulier")
    async with AzureQueueServer() as server:
        account = AzureAccount(
            ACCOUNT,
            "",
            server.endpoint,
            sas="sv=2025-05-05&se=2099-01-01T00:00:00Z&sp=raupc&sig=S3CR3T",
            setting="AZURE_STORAGE_SAS_TOKEN",
        )
        queue = AzureQueue(account, "flights", SystemClock(), call_seconds=0.5, patience_seconds=0.3)
        await queue.enqueue([b"one"])
        said = []
        faults: tuple[Fault, ...] = ("403", "503", "lost", "hang", "500 after", "cut", "429")
        for fault in faults:
            server.rules.use([FaultRule(fault)])
            with pytest.raises((UsageError, QueueUnavailableError)) as caught:
                await queue.enqueue([b"two"])
            said.append(f"{caught.value} {caught.value.__cause__} {caught.value.__context__}")
        await server.leave()
        with pytest.raises(QueueUnavailableError) as caught:
            await queue.dequeue(1, 30.0)
        said.append(str(caught.value))
        await queue.close()
    assert len(said) == 8
    assert "S3CR3T" not in "".join(said) + caplog.text


async def test_a_refusal_in_mid_run_touches_nothing() -> None:
    """A SAS that ended, or a right that was withdrawn: a person must act, and the leases are as they were."""
    async with served() as (server, queue):
        lease = await take_one(queue)
        server.rules.use([FaultRule("403")])
        with pytest.raises(UsageError):
            await queue.renew([lease], 30.0)
        with pytest.raises(UsageError):
            await queue.complete([lease])
        with pytest.raises(UsageError):
            await take(queue)
        server.rules.use([])
        (held,) = await queue.renew([lease], 30.0)
        assert held is not None
        assert held.hold == "held"
        assert await queue.complete([held]) == []


async def test_an_account_that_is_not_there_is_said_within_seconds() -> None:
    """The SDK's own retries take a minute and a half."""
    async with AzureQueueServer() as server:
        account = account_of(server)
    queue = AzureQueue(account, "flights", SystemClock(), patience_seconds=1.0)
    with pytest.raises(QueueUnavailableError, match="cannot be used now"):
        await queue.enqueue([b"one"])
    await queue.close()
