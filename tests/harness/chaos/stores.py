"""Where the runs of the chaos harness keep lake and queue, and how its oracle looks at them: never through haulier."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from haulier.clock import Clock
from tests.harness import oracle
from tests.harness.azurite import Azurite, fresh_name, start_azurite

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient


class Store(Protocol):
    """A lake and the queues of all sources."""

    look_seconds: float
    """Between two looks for a closing under way, which takes a few hundredths of a second on a disk."""
    forgets_members: bool
    """Whether a lost queue takes the rows with it that say who has what in flight (G5)."""
    wants_repair: bool
    """Whether workers need minutes to see that a queue was lost, so that a person would type `haulier repair`."""

    def words(self, source: str) -> list[str]:
        """The flags of every command about a source, by its name."""
        ...

    @property
    def variables(self) -> Mapping[str, str]:
        """For the environment of every command."""
        ...

    def is_closed(self, source: str, run_id: str) -> bool: ...

    def closer_at_work(self, source: str, run_id: str) -> str | None: ...

    def lose_queue(self, source: str) -> None:
        """As an accident does: what was in the queue is gone."""
        ...

    def fetch(self, source: str, run_id: str) -> Path:
        """Return a folder that holds all of a run as the lake does, for the oracle."""
        ...


@dataclass
class LocalStore:
    """A folder, and SQLite, as they are without any flag."""

    folder: Path
    look_seconds: float = 0.004
    forgets_members: bool = True
    wants_repair: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)

    def words(self, source: str) -> list[str]:
        return []

    def is_closed(self, source: str, run_id: str) -> bool:
        return oracle.is_closed(self.folder / "lake", source, run_id)

    def closer_at_work(self, source: str, run_id: str) -> str | None:
        return oracle.closer_at_work(self.folder / "lake", source, run_id)

    def lose_queue(self, source: str) -> None:
        for path in (self.folder / ".haulier" / source).glob("queue.sqlite3*"):
            path.unlink(missing_ok=True)

    def fetch(self, source: str, run_id: str) -> Path:
        return self.folder / "lake"


class AzureStore:
    """A container, and a queue for each source, read and cleared by Microsoft's own client."""

    look_seconds = 0.1
    forgets_members = False
    wants_repair = True

    def __init__(self, server: Azurite, folder: Path, container: ContainerClient, clock: Clock) -> None:
        self._server = server
        self._folder = folder
        self._container = container
        self._clock = clock
        self._looked: tuple[str, float] | None = None
        self.variables: Mapping[str, str] = server.environ

    def words(self, source: str) -> list[str]:
        lake = f"az://{self._container.container_name}/lake"
        return ["--lake", lake, "--queue", f"azure-queue://{self._server.account.name}/{self._queue_of(source)}"]

    def is_closed(self, source: str, run_id: str) -> bool:
        return oracle.is_closed(self._closings(source, run_id), source, run_id)

    def closer_at_work(self, source: str, run_id: str) -> str | None:
        return oracle.closer_at_work(self._closings(source, run_id), source, run_id)

    def lose_queue(self, source: str) -> None:
        from azure.core.exceptions import ResourceNotFoundError
        from azure.storage.queue import QueueClient

        connection = self._server.connection_string
        for suffix in ("", "-first"):
            queue = QueueClient.from_connection_string(connection, self._queue_of(source) + suffix)
            with queue, contextlib.suppress(ResourceNotFoundError):
                queue.clear_messages()

    def fetch(self, source: str, run_id: str) -> Path:
        _, _, moment = run_id.partition("-")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._copy(f"lake/_haulier/{source}/runs/{run_id}/", lambda name: True)
        self._copy(f"lake/{source}/", lambda name: f"/snapshot_time={moment}/" in name)
        return self._folder / "lake"

    def _closings(self, source: str, run_id: str) -> Path:
        """A folder with the closings of a run as they stand, at most as old as two looks may lie apart."""
        root = f"lake/_haulier/{source}/runs/{run_id}/closings/"
        if self._looked is None or self._looked[0] != root or self._clock.monotonic() >= self._looked[1]:
            shutil.rmtree(self._folder / root, ignore_errors=True)
            self._copy(root, lambda name: not name.endswith(".gz"))
            self._looked = root, self._clock.monotonic() + self.look_seconds
        return self._folder / "lake"

    def _copy(self, prefix: str, is_wanted: Callable[[str], bool]) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        for name in list(self._container.list_blob_names(name_starts_with=prefix)):
            if is_wanted(name):
                path = self._folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(ResourceNotFoundError):  # Removed since it was listed.
                    path.write_bytes(self._container.download_blob(name).readall())

    def _queue_of(self, source: str) -> str:
        """Of this container and source alone."""
        name = f"{self._container.container_name} {source}"
        return f"chaos-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


@contextlib.contextmanager
def azure_store(folder: Path, clock: Clock) -> Iterator[AzureStore]:
    """A store on an Azurite of its own."""
    from azure.storage.blob import BlobServiceClient

    with start_azurite() as server, BlobServiceClient.from_connection_string(server.connection_string) as service:
        container = service.create_container(fresh_name("chaos"))
        yield AzureStore(server, folder / "copy", container, clock)


@contextlib.contextmanager
def open_store(backend: str, folder: Path, clock: Clock) -> Iterator[Store]:
    """``sqlite``, which is a folder and SQLite, or ``azure``."""
    if backend == "azure":
        with azure_store(folder, clock) as store:
            yield store
    else:
        yield LocalStore(folder)


BACKENDS = ("sqlite", "azure")
