import json
from pathlib import Path

from azure.storage.queue import QueueServiceClient

from tests.harness.azurite import Azurite, fresh_name

LOCK = Path(__file__).parent / "npm" / "package-lock.json"


def test_the_official_client_reaches_it_by_its_connection_string(azurite: Azurite) -> None:
    name = fresh_name("seen")
    with QueueServiceClient.from_connection_string(azurite.connection_string) as service:
        service.create_queue(name)
        assert name in [queue.name for queue in service.list_queues()]


def test_its_packages_are_pinned_by_hash_and_name_no_registry() -> None:
    packages = [one for path, one in json.loads(LOCK.read_text())["packages"].items() if path]
    assert all(one["integrity"].startswith("sha512-") for one in packages)
    assert not [one for one in packages if "resolved" in one]
