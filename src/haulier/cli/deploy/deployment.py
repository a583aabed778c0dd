"""What is to be deployed, whatever the platform."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from haulier.api.http.redactor import is_telling
from haulier.app.app import App
from haulier.cli.deploy.deployed_source import DeployedSource
from haulier.cli.deploy.sizing import WORKERS, WORKERS_BY_DEPTH, most_workers
from haulier.errors import UsageError
from haulier.plurals import count_of

WAIT_SECONDS = 3600
"""So long a worker of a fixed fleet waits for a run that it may work: the plan is made meanwhile."""
TERMINATION_SECONDS = 30
"""So long after it asked a container to stop a platform kills it: more than `--grace`, and the end of a worker."""
IMAGE = "<IMAGE>"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACES = frozenset({"HAULIER_QUEUE", "HAULIER_LAKE", "AZURE_STORAGE_ACCOUNT", "AZURE_CLIENT_ID"})
_CONNECTIONS = frozenset({"AZURE_STORAGE_CONNECTION_STRING", "APPLICATIONINSIGHTS_CONNECTION_STRING"})
_NAME = re.compile(r"[a-z](?:-?[a-z0-9])*")


@dataclass(frozen=True)
class Deployment:
    source: DeployedSource
    name: str
    image: str
    mode: str
    schedule: str | None
    """Checked; None: whoever deploys starts it."""
    workers: int
    """The most, where they follow the depth of the queue."""
    is_by_depth: bool
    is_staying: bool
    """Whether whoever enqueues stays until the run is closed."""
    settings: Mapping[str, str]
    """More variables of every container, which are printed."""

    @property
    def enqueue_words(self) -> list[str]:
        """The arguments of `haulier` that start a run."""
        return ["run" if self.is_staying else "enqueue", self.source.argument, self.mode]

    @property
    def enqueue_note(self) -> str:
        if self.is_staying:
            return "Works along, stays until the run is closed, and ends as it did: 0 complete, 3 partial, 1 failed."
        return "Plans a run and puts its items on the queue. While a run of this mode is open it starts no other."

    def work_words(self, wait_seconds: int = WAIT_SECONDS) -> list[str]:
        how = ["--exit-idle"] if self.is_by_depth else ["--wait", str(wait_seconds)]
        return ["work", self.source.argument, *how]


def read_settings(pairs: Iterable[str], source: DeployedSource) -> dict[str, str]:
    """``NAME=VALUE`` of ``--env``. Raises `UsageError` for what may be a secret, and does not repeat it."""
    settings: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not _VARIABLE.fullmatch(name):
            raise UsageError(
                "--env: write NAME=VALUE, for example --env OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318"
            )
        if is_telling(name) or name.endswith("_HEADERS") or name in _CONNECTIONS:
            raise UsageError(
                f"--env: {name} may hold a secret, and is printed. Leave it out, and take it from a secret of the "
                "platform: the YAML shows how for the variables of the source."
            )
        if name in _PLACES or name in {variable.name for variable in source.variables} or name in settings:
            raise UsageError(f"--env: {name} is set already. Leave it out.")
        settings[name] = value
    return settings


def deployed_name(app: App, name: str | None, longest: int) -> str:
    """A name that DNS takes, in which a suffix such as ``-enqueue`` finds room. Raises `UsageError`."""
    found = name or re.sub(r"_+", "-", app.name).strip("-")
    if _NAME.fullmatch(found) and len(found) <= longest:
        return found
    raise UsageError(
        f"{found!r} cannot name what is deployed: that has at most {longest} of a-z, 0-9 and single hyphens, begins "
        "with a letter and ends with a letter or digit. Write another: --name shop"
    )


def fleet_size(app: App, wanted: int | None, *, is_by_depth: bool) -> tuple[int, str]:
    """How many workers, and what is to be said of it."""
    asked = wanted or (WORKERS_BY_DEPTH if is_by_depth else WORKERS)
    most = most_workers(app)
    if asked <= most:
        return asked, ""
    return most, (
        f"{count_of(most, 'worker')}, not {asked}: the source allows {count_of(most, 'request')} in flight, and a "
        "worker beyond them has nothing to send. Raise in_flight for more."
    )
