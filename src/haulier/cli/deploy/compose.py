"""The services of a fleet on one machine, for Docker Compose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from haulier.cli.deploy.deployed_source import FOLDER
from haulier.cli.deploy.deployment import CONNECTION_VARIABLE, TERMINATION_SECONDS, Deployment
from haulier.cli.deploy.sizing import CPU, GIBIBYTES
from haulier.cli.deploy.yaml_text import documents_text, note
from haulier.errors import UsageError

DATA = "/data"
"""Where the volume is that all containers share."""
LONGEST_NAME = 44
_TRIES = 3
_DEFAULT_NOTE = "As the shell or .env has it; where they have none it is not set, and the source takes its default."
_LATE_SECONDS = 5
"""A worker begins when the items are on the queue. A short run may be closed before, or have no item."""
_BESIDE_SECONDS = 60
"""It begins beside `haulier run`, on the same machine."""

Service = Mapping[str, object]


@dataclass(frozen=True)
class ComposePlatform:
    deployment: Deployment
    queue: str
    """A queue on Azure; empty for a file in the volume."""
    lake: str
    """A lake on Azure; empty for a folder in the volume."""

    def text(self) -> str:
        deployment = self.deployment
        start: Service = {"depends_on": {"enqueue": {"condition": "service_completed_successfully"}}}
        work: Service = {
            **({} if deployment.is_staying else start),
            **self._service(deployment.work_words(_BESIDE_SECONDS if deployment.is_staying else _LATE_SECONDS)),
            "restart": f"on-failure:{_TRIES}",
            "deploy": {
                **note("Another number: docker compose up --scale work=4"),
                "replicas": deployment.workers,
                "resources": {"limits": {"cpus": f"{CPU:g}", "memory": f"{GIBIBYTES:g}G"}},
            },
        }
        project: dict[str, object] = {
            "name": deployment.name,
            "services": {
                **note(deployment.enqueue_note(is_tried_again=True)),
                "enqueue": {**self._service(deployment.enqueue_words(is_tried_again=True)), "restart": "no"},
                **note("The workers. They leave once no run is open or being planned."),
                "work": work,
            },
        }
        if self._has_volume:
            project["# Queue and lake. On a disk of this machine: no network share keeps the promises of either."] = (
                None
            )
            project["volumes"] = {"data": {}}
        return documents_text(self._heading(), [project])

    def _heading(self) -> str:
        lines = [
            f"Source {self.deployment.source.app.name!r} of haulier on one machine: haulier deploy compose --help",
            "A run: docker compose up. Once more: docker compose up --force-recreate",
        ]
        if self._has_volume and not self.lake:
            lines.append(
                "Out of the volume: docker compose run --rm --no-deps -T enqueue latest SOURCE says where it is"
            )
        return "\n".join(lines)

    @property
    def _has_volume(self) -> bool:
        return not (self.queue and self.lake)

    def _service(self, words: list[str]) -> Service:
        service: dict[str, object] = {
            "image": _literal(self.deployment.image),
            "command": [_literal(word) for word in words],
            "environment": self._environment(),
            **note("A worker is gone before: what is under way may end, the rest goes back."),
            "stop_grace_period": f"{TERMINATION_SECONDS}s",
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
        }
        if volumes := self._volumes():
            service["volumes"] = volumes
        return service

    def _environment(self) -> Mapping[str, object]:
        environment: dict[str, object] = {
            "HAULIER_QUEUE": _literal(self.queue or f"sqlite:///{DATA}/queue.sqlite3"),
            "HAULIER_LAKE": _literal(self.lake or f"{DATA}/lake"),
        }
        environment |= {name: _literal(value) for name, value in self.deployment.settings.items()}
        if self.queue or self.lake:
            environment[CONNECTION_VARIABLE] = _from_shell(CONNECTION_VARIABLE)
        variables = self.deployment.variables
        environment |= {one.name: _from_shell(one.name) for one in variables if not one.has_default}
        if optional := [one.name for one in variables if one.has_default]:
            environment |= note(_DEFAULT_NOTE)
            environment |= dict.fromkeys(optional)
        return environment

    def _volumes(self) -> list[Service]:
        file = self.deployment.source.file
        volumes: list[Service] = []
        if self._has_volume:
            volumes.append({"type": "volume", "source": "data", "target": DATA})
        if file is not None:
            path = str(file) if file.is_absolute() else f"./{PurePath(file)}"
            target = f"{FOLDER}/{file.name}"
            volumes.append({"type": "bind", "source": _literal(path), "target": _literal(target), "read_only": True})
        return volumes


def _literal(text: str) -> str:
    return text.replace("$", "$$")


def _from_shell(name: str) -> str:
    """Compose refuses to start without a value."""
    return f"${{{name}:?set it in the shell or in a file named .env}}"


def require_volume(queue: str, lake: str) -> None:
    """Raises `UsageError` for a place on this machine: containers would not see it."""
    for name, place, instead in (("queue", queue, "sqlite"), ("lake", lake, "lake")):
        if place.startswith(("sqlite:////", "sqlite:///~", "/", "~", "file:")):
            raise UsageError(
                f"The {name} {place} is on this machine, where containers do not see it: those on one machine are in "
                f"the containers' volume, at {DATA}. Write --{name} {instead} for that, or name one on Azure."
            )
