"""What the model does to its clients: by rule, by seed, and the same each time."""

from __future__ import annotations

import asyncio

import pytest
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError, ServiceRequestError
from azure.storage.queue import QueueClient as SyncQueueClient

from haulier.testing.azure_queue.process import AzureQueueProcess
from haulier.testing.azure_queue.server import AzureQueueServer
from haulier.testing.azure_queue.settings import UNKIND, AzureQueueSettings
from haulier.testing.proxy.rules import FaultRule
from tests.testing.azure_queue.test_protocol import client_of, code_of, served, take


async def test_an_answer_lost_after_the_effect() -> None:
    """The send stands, the receive hides its message, and the delete's repetition finds nothing."""
    async with served() as (service, client):
        service.rules.use([FaultRule("lost", operation="put", times=1)])
        with pytest.raises(AzureError):
            await client.send_message("one")
        # Twice: aiohttp sends a GET, PUT or DELETE again by itself, though the SDK's retries are off.
        service.rules.use([FaultRule("lost", operation="get", times=2)])
        with pytest.raises(AzureError):
            await take(client)
        assert await take(client) == []
        service.clock.advance(61)
        [message] = await take(client)
        assert message.dequeue_count == 2
        service.rules.use([FaultRule("500 after", operation="delete", times=1)])
        assert await code_of(client.delete_message(message)) == (500, "InternalError")
        with pytest.raises(ResourceNotFoundError):
            await client.delete_message(message)
        assert service.counters.struck == {"put: lost": 1, "get: lost": 2, "delete: 500 after": 1}


async def test_an_error_before_the_effect_changes_nothing() -> None:
    """503 ServerBusy, 403 AuthorizationFailure and a reset."""
    async with served() as (service, client):
        service.rules.use([FaultRule("503", "put", times=1), FaultRule("403", "put", first=2, times=1)])
        assert await code_of(client.send_message("one")) == (503, "ServerBusy")
        assert await code_of(client.send_message("one")) == (403, "AuthorizationFailure")
        service.rules.use([FaultRule("reset", "put")])
        with pytest.raises(AzureError):
            await client.send_message("one")
        assert await client.peek_messages(5) == []


async def test_duplicates_and_reordering() -> None:
    """A duplicated message goes to two receivers, of which the second makes the first's receipt stale."""
    async with served(duplicate_rate=1.0) as (service, client):
        await client.send_message("one")
        [first] = await take(client)
        [second] = await take(client)
        assert (first.id, second.dequeue_count) == (second.id, 2)
        assert await code_of(client.delete_message(first)) == (400, "PopReceiptMismatch")
        await client.delete_message(second)
        assert service.counters.duplicated == 2
    async with served(reorder_rate=1.0) as (_, client):
        for number in range(8):
            await client.send_message(str(number))
        got = [message.content for message in await take(client, 8)]
        assert sorted(got) == list("01234567") != got


async def test_counts_may_be_wrong() -> None:
    """Too high or too low, and counted."""
    async with served(wrong_count_rate=1.0, seed=3) as (service, client):
        for number in range(5):
            await client.send_message(str(number))
        counts = {(await client.get_queue_properties()).approximate_message_count for _ in range(20)}
        assert min(map(int, filter(None, counts))) < 5 < max(map(int, filter(None, counts)))
        assert service.counters.wrong_counts == 20


async def test_the_same_seed_is_unkind_in_the_same_way() -> None:
    """Faults, receipts, identifiers and order; another seed differs."""

    async def seen(seed: int) -> list[object]:
        async with AzureQueueServer(AzureQueueSettings(seed=seed, **UNKIND)) as service, client_of(service) as client:
            service.store.create("items", {})
            log: list[object] = []
            for number in range(150):
                try:
                    log.append((await client.send_message(str(number))).id)
                    log += [(message.content, message.pop_receipt) for message in await take(client)]
                except AzureError as exc:
                    log.append(type(exc).__name__)
            return [*log, service.counters.struck, service.counters.duplicated]

    first, again, other = await asyncio.gather(seen(7), seen(7), seen(8))
    assert first == again != other
    assert any(isinstance(entry, str) and entry.endswith("Error") for entry in first)


async def test_it_goes_away_and_keeps_what_it_has() -> None:
    """Connections are refused meanwhile; its port and its messages stay."""
    async with served() as (service, client):
        await client.send_message("one")
        async with service.away():
            with pytest.raises(ServiceRequestError):
                await client.peek_messages()
        [shown] = await client.peek_messages()
        assert shown.content == "one"


def test_it_runs_as_a_process() -> None:
    """``AzureQueueProcess``: rules, clock and absence by its control path; a bad control is refused in words."""
    with (
        AzureQueueProcess(AzureQueueSettings(seed=2)) as service,
        SyncQueueClient.from_connection_string(service.connection_string, "items", retry_total=0) as client,
    ):
        client.create_queue()
        client.send_message("one")
        first = client.receive_message(visibility_timeout=3600)
        assert first is not None
        service.advance(3601)
        again = client.receive_message()
        assert again is not None
        assert (again.content, again.dequeue_count) == ("one", 2)
        service.use_rules([FaultRule("500", operation="peek")])
        with pytest.raises(HttpResponseError):
            client.peek_messages()
        assert service.counters().struck == {"peek: 500": 1}
        assert service.counters().messages == {"items": 1}
        for body in (b'{"advance": 1}', b'{"rules": [{"fault": "lots"}]}'):
            with pytest.raises(OSError, match="answered with 400"):
                service.post("/_queue", body)
        service.go_away(0.3)
        assert not all(answers(service) for _ in range(200))


def answers(service: AzureQueueProcess) -> bool:
    try:
        return service.counters().requests > 0
    except ConnectionError:
        return False
