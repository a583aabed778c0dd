"""Sends one message, for as long as it takes."""

from __future__ import annotations

from azure.storage.queue.aio import QueueClient

from haulier.errors import QueueUnavailableError
from haulier.queues.azure.answers import AbsentQueueError, UnansweredError
from haulier.queues.azure.connection import QueueConnection
from haulier.queues.azure.messages import marked, text_of
from haulier.queues.azure.waits import TRIES, Waits

FOR_EVER = -1
"""A time to live: the service's own is seven days."""


class MessageSender:
    """What may stand already is sent again, marked if it is work, so that it costs a look-up. A queue that is absent is
    made."""

    def __init__(self, connection: QueueConnection, waits: Waits, patience_seconds: float) -> None:
        self._connection = connection
        self._waits = waits
        self._patience_seconds = patience_seconds

    async def send(self, client: QueueClient, body: bytes, hidden_seconds: int = 0, *, is_work: bool = True) -> None:
        clock = self._waits.clock
        text, tries, absences, is_absent, began_at = text_of(body), 0, 0, False, clock.monotonic()
        while True:
            try:
                if is_absent:
                    await self._connection.create(client)
                    is_absent = False
                await self._send(client, text, hidden_seconds)
                return
            except AbsentQueueError as error:
                is_absent, absences = True, absences + 1
                if absences > TRIES:
                    raise QueueUnavailableError(
                        f"{error}, though it was just made. Is somebody deleting it?"
                    ) from error
            except QueueUnavailableError as error:
                if clock.monotonic() - began_at >= self._patience_seconds:
                    raise
                self._waits.warn("messages could not be sent; trying again", error)
                if is_work and isinstance(error, UnansweredError) and not is_absent:
                    text = text_of(marked(body))
                await self._waits.pause(tries)
                tries += 1

    async def _send(self, client: QueueClient, text: str, hidden_seconds: int) -> None:
        await self._connection.call(
            client, lambda: client.send_message(text, visibility_timeout=hidden_seconds, time_to_live=FOR_EVER)
        )
