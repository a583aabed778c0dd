"""``haulier deploy``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from haulier.app.app import App
from haulier.app.source_loader import load_app
from haulier.cli.deploy.aca import ENVIRONMENT, IDENTITY, VAULT, ContainerAppsPlatform
from haulier.cli.deploy.aca import LONGEST_NAME as LONGEST_ACA_NAME
from haulier.cli.deploy.azure_places import azure_places
from haulier.cli.deploy.compose import LONGEST_NAME as LONGEST_COMPOSE_NAME
from haulier.cli.deploy.compose import ComposePlatform, require_volume
from haulier.cli.deploy.cron import checked_cron
from haulier.cli.deploy.deployed_source import deployed_source
from haulier.cli.deploy.deployment import (
    CONNECTION_VARIABLE,
    IMAGE,
    Deployment,
    deployed_name,
    fleet_size,
    read_settings,
)
from haulier.cli.deploy.kubernetes import CLIENT_ID, KubernetesPlatform
from haulier.cli.deploy.kubernetes import LONGEST_NAME as LONGEST_KUBERNETES_NAME
from haulier.cli.deploy.sizing import WORKERS, WORKERS_BY_DEPTH
from haulier.cli.options import options_of, place_options, source_argument
from haulier.cli.output import say, set_up_output
from haulier.clock import SystemClock
from haulier.errors import UsageError
from haulier.lake.opening import open_lake
from haulier.queues.opening import queue_backend
from haulier.worker.settings import WorkerSettings

F = TypeVar("F", bound=Callable[..., Any])
PARTS = ("enqueue", "work")

_RESOURCE_ID = re.compile(
    r"/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/(?P<kind>[^/\s]+/[^/\s]+)/[^/\s]+", re.I
)
_CLIENT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
_CLIENT_ID_FORM = "the client ID of an identity: 8-4-4-4-12 of 0-9 and a-f"
_VAULT_NAME = re.compile(r"[A-Za-z](-?[A-Za-z0-9]){2,23}")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?(@sha256:[0-9a-f]{64})?")


_IDENTITY_KIND = "Microsoft.ManagedIdentity/userAssignedIdentities"
_ENVIRONMENT_KIND = "Microsoft.App/managedEnvironments"


_client_id_option = click.option(
    "--client-id",
    metavar="ID",
    help="The client ID of the identity that workers show to Azure.",
)
_schedule_option = click.option(
    "--schedule",
    metavar="CRON",
    help="Start runs by this schedule, five fields in UTC; without it a person starts them.",
)
_by_depth_option = click.option(
    "--by-depth", "is_by_depth", is_flag=True, help="As many workers as the queue is deep; none where it is empty."
)
_only_option = click.option("--only", type=click.Choice(PARTS), help="Print what starts runs, or the workers, alone.")


def _common_options(command: F) -> F:
    for option in (
        click.option(
            "--in-image", metavar="PATH", help="The source is in the image, at PATH; else its text is deployed with it."
        ),
        click.option(
            *("--env", "pairs"),
            multiple=True,
            metavar="NAME=VALUE",
            help="A variable of every container, such as those of OpenTelemetry; may be repeated. It is printed.",
        ),
        click.option(
            "--stay",
            "is_staying",
            is_flag=True,
            help="What starts a run works along, stays until it is closed, and ends with its verdict.",
        ),
        click.option(
            "--workers",
            type=click.IntRange(1, 1000),
            metavar="N",
            help=f"How many; {WORKERS} by default, or {WORKERS_BY_DEPTH} at most by depth. Never more than in_flight.",
        ),
        click.option(
            "--mode", type=click.Choice(["full", "incremental"]), default="full", show_default=True, help="Of the runs."
        ),
        click.option("--name", metavar="NAME", help="What begins all names; by default the source's."),
        click.option(
            "--image",
            metavar="IMAGE",
            default=IMAGE,
            help="The image, with its registry and tag.",
        ),
        source_argument,
    ):
        command = option(command)
    return command


@click.group("deploy")
def command() -> None:
    """Print the YAML of a fleet that pulls SOURCE: what starts runs, and the workers.

    Nothing is created, and neither API nor Azure is asked. Standard output has the YAML alone; what is left to do is
    said on standard error.
    """


@command.command("k8s", short_help="For Kubernetes: kubectl apply -f -")
@_common_options
@_schedule_option
@_by_depth_option
@_only_option
@_client_id_option
@click.option(
    "--namespace",
    metavar="NAME",
    help="Of all objects; by default that of kubectl.",
)
@click.option(
    "--connection-string",
    "is_by_connection",
    is_flag=True,
    help=f"Pods show the {CONNECTION_VARIABLE} of the Secret to Azure, and no identity: for clusters without one.",
)
@place_options
def _k8s(
    schedule: str | None,
    is_by_depth: bool,
    only: str | None,
    client_id: str | None,
    namespace: str | None,
    is_by_connection: bool,
    **common: Any,
) -> int:
    """Jobs of Kubernetes for SOURCE, CronJobs by --schedule, a ScaledJob of KEDA by --by-depth. The queue is on Azure.

    haulier deploy k8s shop.toml --image registry.example.com/haulier:1 | kubectl apply -f -
    """
    _require("--client-id", client_id, _CLIENT_ID, _CLIENT_ID_FORM)
    if is_by_connection and client_id is not None:
        raise UsageError("--client-id is of an identity, and --connection-string does without one: use one of them.")
    _require("--namespace", namespace, _NAMESPACE, "the name of a namespace: at most 63 of a-z, 0-9 and hyphens")
    app, deployment, queue, lake = _deployment(LONGEST_KUBERNETES_NAME, schedule, is_by_depth, **common)
    places = azure_places("Kubernetes", queue, lake)
    deployment.source.require_key()
    platform = KubernetesPlatform(deployment, places, client_id or CLIENT_ID, namespace, is_by_connection)
    _print(platform.text(_parts(only)), deployment, {CLIENT_ID: (client_id, "--client-id")}, app)
    return 0


@command.command("aca", short_help="For Azure Container Apps: az containerapp job create --yaml")
@_common_options
@_schedule_option
@_by_depth_option
@_only_option
@_client_id_option
@click.option(
    "--identity",
    metavar="ID",
    help="The resource ID of that identity.",
)
@click.option(
    "--environment",
    metavar="ID",
    help="The resource ID of the Container Apps environment.",
)
@click.option(
    "--vault",
    metavar="NAME",
    help="The Key Vault with the secrets of the source.",
)
@place_options
def _aca(
    schedule: str | None,
    is_by_depth: bool,
    only: str | None,
    client_id: str | None,
    identity: str | None,
    environment: str | None,
    vault: str | None,
    **common: Any,
) -> int:
    """Container Apps jobs for SOURCE: started by hand or by --schedule, and workers by --workers or --by-depth.

    haulier deploy aca shop.toml --only work > work.yaml
    """
    _require("--client-id", client_id, _CLIENT_ID, _CLIENT_ID_FORM)
    _require("--vault", vault, _VAULT_NAME, "the name of a Key Vault: 3 to 24 letters, digits and single hyphens")
    _require_resource("--identity", identity, _IDENTITY_KIND)
    _require_resource("--environment", environment, _ENVIRONMENT_KIND)
    app, deployment, queue, lake = _deployment(LONGEST_ACA_NAME, schedule, is_by_depth, **common)
    places = azure_places("Container Apps", queue, lake)
    deployment.source.require_key()
    platform = ContainerAppsPlatform(
        deployment, places, environment or ENVIRONMENT, identity or IDENTITY, client_id or CLIENT_ID, vault or VAULT
    )
    left = {
        ENVIRONMENT: (environment, "--environment"),
        IDENTITY: (identity, "--identity"),
        CLIENT_ID: (client_id, "--client-id"),
        VAULT: (vault, "--vault"),
    }
    _print(platform.text(_parts(only)), deployment, left, app)
    if optional := [variable.name for variable in deployment.variables if variable.has_default]:
        say(
            f"Left to the defaults in the source: {', '.join(optional)}. For another value: --env {optional[0]}=VALUE. "
            "One that is a secret: take its default out of the source, and it comes from the vault."
        )
    if "_" in (identity or ""):
        say(
            "Note: az containerapp job create --yaml (azure-cli 2.91.0) takes underscores out of an identity's ID, and "
            "then does not find it. Give identity and resource group names without any."
        )
    return 0


@command.command("compose", short_help="For one machine: docker compose -f - up")
@_common_options
@place_options
def _compose(**common: Any) -> int:
    """Services of Docker Compose for SOURCE, on one machine. Queue and lake are in a volume, unless they are on Azure.

    haulier deploy compose shop.toml --image haulier:1 > compose.yaml && docker compose up
    """
    app, deployment, queue, lake = _deployment(LONGEST_COMPOSE_NAME, None, False, **common)
    if queue == "memory":
        raise UsageError(
            "A queue in memory ends with its process, and here are several. Leave `queue` out of the source, or write "
            '`queue = "sqlite"`.'
        )
    if queue.startswith("azure-queue:"):
        azure_places("Docker Compose", queue, lake)
    require_volume(common["queue"] or app.queue, common["lake"] or app.lake)
    on_azure = lake.lower().startswith(("az:", "abfss:"))
    platform = ComposePlatform(deployment, queue if queue.startswith("azure-queue:") else "", lake if on_azure else "")
    _print(platform.text(), deployment, {}, app)
    return 0


def _deployment(
    longest_name: int,
    schedule: str | None,
    is_by_depth: bool,
    *,
    source: str,
    image: str,
    name: str | None,
    mode: str,
    workers: int | None,
    is_staying: bool,
    in_image: str | None,
    pairs: tuple[str, ...],
    lake: str | None,
    queue: str | None,
) -> tuple[App, Deployment, str, str]:
    """Also returns queue and lake."""
    set_up_output()
    if image != IMAGE:
        _require("--image", image, _IMAGE, "the name of an image. Write registry.example.com/haulier:1")
    app = load_app(source)
    app.require_mode(mode)
    options = options_of(lake, queue)
    size, note = fleet_size(app, workers, is_by_depth=is_by_depth)
    deployed = deployed_source(app, source, in_image)
    deployment = Deployment(
        source=deployed,
        name=deployed_name(app, name, longest_name),
        image=image,
        mode=mode,
        schedule=None if schedule is None else checked_cron(schedule),
        workers=size,
        is_by_depth=is_by_depth,
        is_staying=is_staying,
        settings=read_settings(pairs, deployed),
    )
    if note:
        say(note)
    queue, lake = options.queue or app.queue, options.lake or app.lake
    _require_places(app, queue, lake)
    return app, deployment, queue, lake


def _require_places(app: App, queue: str, lake: str) -> None:
    """Raises `UsageError` for places that are none. Those on Azure are looked at by themselves, without its SDK."""
    if not queue.startswith("azure-queue:"):
        queue_backend(
            queue, base=app.base, source=app.name, clock=SystemClock(), lease_seconds=WorkerSettings.lease_seconds
        )
    if not lake.lower().startswith(("az:", "abfss:")):
        open_lake(lake, base=app.base, clock=SystemClock())


def _require(option: str, text: str | None, pattern: re.Pattern[str], form: str) -> None:
    if text is not None and not pattern.fullmatch(text):
        raise UsageError(f"{option}: {text!r} is not {form}.")


def _require_resource(option: str, text: str | None, kind: str) -> None:
    found = None if text is None else _RESOURCE_ID.fullmatch(text)
    if text is not None and (found is None or found["kind"].lower() != kind.lower()):
        raise UsageError(
            f"{option}: {text!r} is not the ID of a resource of the kind {kind}. Write what `az ... show --query id` "
            f"prints: /subscriptions/ID/resourceGroups/GROUP/providers/{kind}/NAME"
        )


def _parts(only: str | None) -> tuple[str, ...]:
    return PARTS if only is None else (only,)


def _print(text: str, deployment: Deployment, left: dict[str, tuple[str | None, str]], app: App) -> None:
    """Print the YAML, and say what is left to fill in."""
    click.echo(text, nl=False)
    left = {IMAGE: (None if deployment.image == IMAGE else deployment.image, "--image"), **left}
    for placeholder, (given, option) in left.items():
        if given is None and placeholder in text:
            say(f"Left to fill in: {placeholder}, or give {option}. Until then nothing of it works.")
    if not app.is_of_file:
        say("Variables that the code reads in other ways than env(...) and os.environ are not known here: add them.")
