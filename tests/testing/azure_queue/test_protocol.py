"""The model of Azure Queue Storage, as the official SDK sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
)
from azure.storage.queue import QueueMessage, QueueSasPermissions, generate_queue_sas
from azure.storage.queue.aio import QueueClient

from haulier.testing.azure_queue.process import ACCOUNT_KEY
from haulier.testing.azure_queue.server import AzureQueueServer
from haulier.testing.azure_queue.settings import AzureQueueSettings
from tests.testing.wire import answer, connected

WEEK_SECONDS = 7 * 24 * 3600


@asynccontextmanager
async def served(**settings: object) -> AsyncIterator[tuple[AzureQueueServer, QueueClient]]:
    async with AzureQueueServer(AzureQueueSettings(**settings)) as service, client_of(service) as client:  # type: ignore[arg-type]
        await client.create_queue()
        yield service, client


def client_of(service: AzureQueueServer, name: str = "items") -> QueueClient:
    account = service.settings.account
    return QueueClient(
        service.endpoint, name, credential={"account_name": account, "account_key": ACCOUNT_KEY}, retry_total=0
    )


async def take(client: QueueClient, count: int = 1, seconds: int = 60) -> list[QueueMessage]:
    found = client.receive_messages(messages_per_page=count, max_messages=count, visibility_timeout=seconds)
    return [message async for message in found]


async def code_of(call: Awaitable[object]) -> tuple[int | None, str | None]:
    with pytest.raises(HttpResponseError) as caught:
        await call
    code = getattr(caught.value, "error_code", None)
    return caught.value.status_code, getattr(code, "value", code)


async def test_a_message_lives() -> None:
    """Sent, shown, received, changed with a new receipt, seen again after its visibility, deleted."""
    async with served() as (service, client):
        await client.send_message('{"a": "<&>\\u00fc"}')
        [shown] = await client.peek_messages(5)
        assert (shown.content, shown.dequeue_count) == ('{"a": "<&>\\u00fc"}', 0)
        [first] = await take(client, 2)
        assert await take(client) == []
        changed = await client.update_message(first, visibility_timeout=30, content="line1\nline2\ttab ]]>")
        assert changed.pop_receipt != first.pop_receipt
        service.clock.advance(31)
        [second] = await take(client)
        assert (second.id, second.content, second.dequeue_count) == (first.id, "line1\nline2\ttab ]]>", 2)
        await client.delete_message(second)
        assert (await client.get_queue_properties()).approximate_message_count == 0


async def test_a_receipt_is_good_until_the_next_receiver() -> None:
    """After its visibility ran out too; then 400 PopReceiptMismatch or, by seed, 404; 404 once the message is gone."""
    for rate, expected in ((0.0, (400, "PopReceiptMismatch")), (1.0, (404, "MessageNotFound"))):
        async with served(stale_404_rate=rate) as (service, client):
            await client.send_message("one")
            [late] = await take(client)
            service.clock.advance(61)
            renewed = await client.update_message(late, visibility_timeout=60)
            assert await code_of(client.delete_message(late)) == expected
            service.clock.advance(61)
            [owner] = await take(client)
            assert await code_of(client.update_message(renewed, visibility_timeout=60)) == expected
            await client.delete_message(owner)
            assert await code_of(client.delete_message(owner)) == (404, "MessageNotFound")
            assert service.counters.stale_400 + service.counters.stale_404 == 2


async def test_lives_end_after_seven_days_or_never() -> None:
    """The default is seven days, -1 is for ever, and nothing outlives its time."""
    async with served() as (service, client):
        default = await client.send_message("week")
        assert default.expires_on is not None
        assert default.inserted_on is not None
        assert (default.expires_on - default.inserted_on).total_seconds() == pytest.approx(WEEK_SECONDS, abs=1)
        kept = await client.send_message("ever", time_to_live=-1)
        assert kept.expires_on == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
        await client.send_message("short", time_to_live=10)
        service.clock.advance(11)
        assert [shown.content for shown in await client.peek_messages(5)] == ["week", "ever"]
        [held] = [each for each in await take(client, 5, 6 * 24 * 3600) if each.content == "week"]
        assert await code_of(client.update_message(held, visibility_timeout=WEEK_SECONDS)) == (
            400,
            "OutOfRangeQueryParameterValue",
        )
        service.clock.advance(WEEK_SECONDS)
        assert await code_of(client.delete_message(held)) == (404, "MessageNotFound")
        assert [shown.content for shown in await client.peek_messages(5)] == ["ever"]
        assert service.counters.expired == 2


async def test_limits_are_those_of_the_documentation() -> None:
    """64 KiB of text, 1 to 32 messages, visibility from 1 (0 to change it) second to seven days."""
    async with served() as (_, client):
        await client.send_message("&" * 65_536)
        assert await code_of(client.send_message("&" * 65_537)) == (413, "RequestBodyTooLarge")
        [message] = await take(client)
        out_of_range = (400, "OutOfRangeQueryParameterValue")
        for seconds in (0, WEEK_SECONDS + 1):
            assert await code_of(take(client, 1, seconds)) == out_of_range
        assert await code_of(client.update_message(message, visibility_timeout=WEEK_SECONDS + 1)) == out_of_range
        assert await code_of(take(client, 33)) == out_of_range
        assert await code_of(client.send_message("a", visibility_timeout=WEEK_SECONDS + 1, time_to_live=-1)) == (
            out_of_range
        )
        assert await code_of(client.send_message("a", time_to_live=0)) == (400, "InvalidQueryParameterValue")
        assert await code_of(client.send_message("a", time_to_live=30, visibility_timeout=30)) == (
            400,
            "InvalidQueryParameterValue",
        )
        assert await code_of(client.send_message("\x01")) == (400, "InvalidXmlDocument")
        changed = await client.update_message(message, visibility_timeout=0)
        assert changed.id == (await take(client))[0].id


async def test_queues_are_made_named_and_removed() -> None:
    """Making one again is no error of the service; a deleted name is refused for half a minute."""
    async with served() as (service, client):
        with pytest.raises(ResourceExistsError):
            await client.create_queue()
        assert await code_of(client.create_queue(metadata={"a": "b"})) == (409, "QueueAlreadyExists")
        await client.set_queue_metadata({"a": "b"})
        assert (await client.get_queue_properties()).metadata == {"a": "b"}
        await client.send_message("one")
        await client.delete_queue()
        assert await code_of(client.send_message("one")) == (409, "QueueBeingDeleted")
        service.clock.advance(31)
        assert await code_of(client.send_message("one")) == (404, "QueueNotFound")
        await client.create_queue()
        assert await take(client) == []
        async with client_of(service, "Bad_Name") as misnamed:
            assert await code_of(misnamed.create_queue()) == (400, "InvalidResourceName")


async def test_clear_may_time_out() -> None:
    """``clear_at_most``: some are gone, and the answer is 500 OperationTimedOut until all are."""
    async with served(clear_at_most=2) as (_, client):
        for number in range(3):
            await client.send_message(str(number))
        assert await code_of(client.clear_messages()) == (500, "OperationTimedOut")
        await client.clear_messages()
        assert await client.peek_messages(5) == []


async def test_credentials_must_be_there_and_in_time() -> None:
    """The signature is not verified. A SAS has to be in its time and to grant the operation; a clock an hour off is
    refused, as the service does."""
    async with served() as (service, client):
        account = service.settings.account

        def with_sas(permission: str, minutes: int) -> QueueClient:
            sas = generate_queue_sas(
                account,
                "items",
                ACCOUNT_KEY,
                permission=QueueSasPermissions.from_string(permission),
                expiry=datetime.now(UTC) + timedelta(minutes=minutes),
            )
            return QueueClient(service.endpoint, "items", credential=sas, retry_total=0)

        async with with_sas("rap", 5) as allowed, with_sas("r", 5) as reader, with_sas("rap", -5) as late:
            await allowed.send_message("one")
            assert len(await take(allowed)) == 1
            assert await code_of(reader.send_message("two")) == (403, "AuthorizationPermissionMismatch")
            assert await code_of(late.peek_messages()) == (403, "AuthenticationFailed")
            service.clock.advance(301)
            assert await code_of(allowed.peek_messages()) == (403, "AuthenticationFailed")
        unsigned = await answer(service.url, f"/{account}/items/messages?peekonly=true")
        assert (unsigned.status, unsigned.headers["x-ms-error-code"]) == (401, "NoAuthenticationInformation")
        assert len(await client.peek_messages(5)) == 1
    async with AzureQueueServer(AzureQueueSettings(skew_seconds=3600)) as service, client_of(service) as client:
        with pytest.raises(ClientAuthenticationError, match="too old"):
            await client.create_queue()


@pytest.mark.parametrize(
    ("request_line", "body", "code"),
    [
        ("GET /devstoreaccount1", b"", "UnsupportedHttpVerb"),
        ("PATCH /devstoreaccount1/items/messages", b"", "UnsupportedHttpVerb"),
        ("DELETE /devstoreaccount1/items/messages/a/b/c", b"", "UnsupportedHttpVerb"),
        ("GET /another/items/messages", b"", "ResourceNotFound"),
        ("GET /devstoreaccount1/items/messages?numofmessages=x", b"", "InvalidQueryParameterValue"),
        ("POST /devstoreaccount1/items/messages", b"\xff\xfe<", "InvalidXmlDocument"),
        ("POST /devstoreaccount1/items/messages", b"<a/>", "InvalidXmlDocument"),
        ("PUT /devstoreaccount1/items/messages/%ff?popreceipt=a", b"", "MissingRequiredQueryParameter"),
        ("DELETE /devstoreaccount1/items/messages/a", b"", "MissingRequiredQueryParameter"),
    ],
)
async def test_what_it_cannot_do_is_answered(request_line: str, body: bytes, code: str) -> None:
    """With a code, whatever is asked; and the next request of the connection is served."""
    async with served() as (service, _), connected(service.url) as wire:
        head = f"{request_line} HTTP/1.1\r\nAuthorization: Bearer token\r\nContent-Length: {len(body)}\r\n\r\n"
        for _ in range(2):
            wire.send(head.encode() + body)
            reply = await wire.reply()
            assert reply is not None
            assert (reply.headers["x-ms-error-code"], reply.is_whole) == (code, True)
            assert f"<Code>{code}</Code>".encode() in reply.body
