"""The queue-of-work pattern as first published: 12 synchronous processes, each of which takes one message of an Azure
Storage Queue (Azurite), fetches it, writes it, deletes it.

Settings as published: messages in jsonpickle, one at a time, invisible for 30 s, so that whatever failed is done again
by whoever finds it. Added, so that it ends: a time-out of 10 s, and an end when the queue is empty.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from pathlib import Path

import jsonpickle
import requests
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient
from page import TIMEOUT_SECONDS, Order, read_order

PROCESSES = 12
VISIBILITY_SECONDS = 30


class Item:
    def __init__(self, n: int) -> None:
        self.n = n


def queue() -> QueueClient:
    return QueueClient.from_connection_string(os.environ["PEER_QUEUE"], "items")


def work(order: Order) -> None:
    client = queue()
    session = requests.Session()
    while True:
        message = client.receive_message(visibility_timeout=VISIBILITY_SECONDS)
        if message is None:
            if not client.get_queue_properties().approximate_message_count:
                return
            time.sleep(1)
            continue
        item = jsonpickle.decode(message.content)
        try:
            answer = session.get(order.page_url(item.n), timeout=TIMEOUT_SECONDS)
            answer.raise_for_status()
        except requests.RequestException:
            continue
        lines = "".join(json.dumps(record) + "\n" for record in answer.json()["records"])
        Path(f"{item.n}.ndjson").write_text(lines)
        try:
            client.delete_message(message)
        except ResourceNotFoundError:
            continue  # It was late: somebody else has it by now.


if __name__ == "__main__":
    order = read_order()
    queue().create_queue()
    sender = queue()
    for n in range(order.pages):
        sender.send_message(jsonpickle.encode(Item(n)))
    workers = [multiprocessing.Process(target=work, args=(order,)) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
