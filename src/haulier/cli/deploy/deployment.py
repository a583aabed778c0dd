"""What is to be deployed, whatever the platform."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from haulier.app.app import App
from haulier.cli.close_hook import HOOK_VARIABLE
from haulier.cli.deploy.credential import has_credential, is_telling_command, is_telling_variable
from haulier.cli.deploy.deployed_source import DeployedSource, Variable
from haulier.cli.deploy.sizing import WORKERS, WORKERS_BY_DEPTH, most_workers
from haulier.errors import UsageError
from haulier.plurals import count_of

WAIT_SECONDS = 1800
"""So long a worker of a fixed fleet stays at least, if it meets no full run of tonight: what starts the run may be
tried again a few times meanwhile."""
WORK_NOTE = "The workers. They leave when tonight's full run is closed, or after half an hour without any run."
TERMINATION_SECONDS = 30
"""So long after it asked a container to stop a platform kills it: more than `--grace`, and the end of a worker."""
IMAGE = "<IMAGE>"
CONNECTION_VARIABLE = "AZURE_STORAGE_CONNECTION_STRING"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RULED = {
    "HAULIER_SOURCE": "SOURCE stands in the command line of each container",
    "HAULIER_QUEUE": "Use --queue",
    "HAULIER_LAKE": "Use --lake",
    "HAULIER_EXIT_IDLE": "Use --by-depth, whose workers leave so; others have to stay until the run is closed",
    "HAULIER_GRACE": f"A container is killed {TERMINATION_SECONDS} seconds after it is asked to stop, which is as long "
    "as a worker needs",
    "AZURE_STORAGE_ACCOUNT": "It is that of --queue",
    "AZURE_CLIENT_ID": "Use --client-id",
}
"""Variables that the YAML decides, and what to use instead."""
_OWN = frozenset({"HAULIER_LEASE", "HAULIER_FIXED", "HAULIER_LOG", HOOK_VARIABLE})
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

    def enqueue_words(self, *, is_tried_again: bool) -> list[str]:
        """The arguments of `haulier` that start a run. One that the platform tries again must not start another."""
        words = ["run" if self.is_staying else "enqueue", self.source.argument, self.mode]
        return [*words, "--then-new"] if self._has_then_new(is_tried_again) else words

    def enqueue_note(self, *, is_tried_again: bool) -> str:
        if self.is_staying:
            about = "Works along, stays until the run is closed, and ends as it did: 0 complete, 3 partial, 1 failed."
            if self._has_then_new(is_tried_again):
                return f"{about} What an earlier one left open is finished first, and then tonight's run is started."
            return f"{about} While an older run of this mode is open it finishes that one, and starts no other."
        return "Plans a run and puts its items on the queue. While a run of this mode is open it starts no other."

    def _has_then_new(self, is_tried_again: bool) -> bool:
        return self.is_staying and self.schedule is not None and not is_tried_again

    @property
    def variables(self) -> list[Variable]:
        """Those of the source that no `--env` sets."""
        return [variable for variable in self.source.variables if variable.name not in self.settings]

    def work_words(self, wait_seconds: int = WAIT_SECONDS) -> list[str]:
        how = ["--exit-idle"] if self.is_by_depth else ["--wait", str(wait_seconds)]
        return ["work", self.source.argument, *how]


def read_settings(pairs: Iterable[str], source: DeployedSource) -> dict[str, str]:
    """``NAME=VALUE`` of ``--env``. Raises `UsageError` for what may be a secret, and does not repeat it."""
    needed = {variable.name for variable in source.variables if not variable.has_default}
    settings: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not _VARIABLE.fullmatch(name):
            raise UsageError(
                "--env: write NAME=VALUE, for example --env OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318"
            )
        if name in _RULED:
            raise UsageError(f"--env: {name} is ruled by the YAML itself. {_RULED[name]}.")
        if name.startswith("HAULIER_") and name not in {*_OWN, *(variable.name for variable in source.variables)}:
            raise UsageError(
                f"--env: haulier reads no variable {name} here. Those that it does: {', '.join(sorted(_OWN))}."
            )
        is_secret = is_telling_command(value) if name == HOOK_VARIABLE else has_credential(value)
        if is_secret or is_telling_variable(name):
            raise UsageError(
                f"--env: {name} may hold a secret, and is printed. Leave it out, and take it from a secret of the "
                "platform: the YAML shows how for the variables of the source."
            )
        if name in needed or name in settings:
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
