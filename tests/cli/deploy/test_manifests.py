"""What `haulier deploy` prints: compared with files that were read by a person, and checked by what platforms know."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import click
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from haulier.cli.main import COMMANDS as HAULIER_COMMANDS
from haulier.cli.main import haulier
from haulier.worker.loop import LEAVE_SECONDS
from haulier.worker.settings import WorkerSettings
from tests.cli.deploy.allowed_fields import COMPOSE, CONTAINER_APPS, KUBERNETES, unknown_fields
from tests.cli.deploy.manifests import COMMANDS, GOLDEN, SHOP, printed
from tests.harness import keda

KUBERNETES_VERSION = "1.37"
_PLATFORM_VARIABLES = {"AZURE_STORAGE_ACCOUNT", "AZURE_CLIENT_ID", "AZURE_STORAGE_CONNECTION_STRING"}
"""Variables of Azure that docs/azure.md names."""


def documents(name: str) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(printed(name)) if document is not None]


def of_platform(platform: str) -> list[str]:
    return [name for name in COMMANDS if name.startswith(platform)]


def found(value: object, key: str) -> Iterator[Any]:
    """Every value of ``key``, wherever it stands."""
    if isinstance(value, Mapping):
        for name, below in value.items():
            if name == key:
                yield below
            yield from found(below, key)
    elif isinstance(value, list):
        for below in value:
            yield from found(below, key)


def command_lines(name: str) -> list[list[str]]:
    return [words for document in documents(name) for key in ("args", "command") for words in found(document, key)]


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_printed_is_what_was_read(name: str) -> None:
    """`python -m tests.cli.deploy.manifests` writes the files anew."""
    assert printed(name) == (GOLDEN / f"{name}.yaml").read_text()


@pytest.mark.parametrize("name", of_platform("k8s"))
def test_objects_of_kubernetes_fit_its_schema(name: str) -> None:
    for document in documents(name):
        assert [*unknown_fields(document, KUBERNETES[document["kind"]])] == []
        if not document["apiVersion"].startswith("keda.sh/"):
            kubernetes_validate.validate(document, KUBERNETES_VERSION, strict=True)


@pytest.mark.skipif(bool(keda.why_not()), reason=keda.why_not())
def test_objects_of_keda_fit_its_schema() -> None:
    objects = [document for document in documents("k8s-by-depth") if document["apiVersion"].startswith("keda.sh/")]
    assert [document["kind"] for document in objects] == ["TriggerAuthentication", "ScaledJob"]
    assert [keda.problem_of(document) for document in objects] == ["", ""]
    assert [keda.problem_of(document) for document in documents("k8s-connected")[-1:]] == [""]
    objects[1]["spec"]["triggers"][0]["metadata"]["queueLength"] = 10
    assert "queueLength" in keda.problem_of(objects[1]), "a number where text has to be is refused"


def test_pods_of_a_scaled_job_fit_the_schema_of_a_job() -> None:
    """KEDA's own schema takes anything for a pod."""
    (scaled,) = [document for document in documents("k8s-by-depth") if document["kind"] == "ScaledJob"]
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, "spec": scaled["spec"]["jobTargetRef"]}
    kubernetes_validate.validate(job, KUBERNETES_VERSION, strict=True)


@pytest.mark.parametrize("name", of_platform("aca"))
def test_jobs_of_container_apps_have_documented_fields_alone(name: str) -> None:
    """A misspelt one is dropped without a word by `az containerapp job create --yaml`."""
    for document in documents(name):
        assert [*unknown_fields(document, CONTAINER_APPS)] == []
        assert len(document["name"]) <= 32
        resources = next(found(document, "resources"))
        assert (resources["cpu"], resources["memory"]) == (0.5, "1Gi"), "a pair that the consumption plan has"


@pytest.mark.parametrize("name", of_platform("compose"))
def test_services_of_compose_have_documented_fields_alone(name: str) -> None:
    (document,) = documents(name)
    assert [*unknown_fields(document, COMPOSE)] == []


def test_a_misspelt_field_is_found() -> None:
    """The list is not empty-handed: schemas accept `maxReplicaCuont`."""
    (scaled,) = [document for document in documents("k8s-by-depth") if document["kind"] == "ScaledJob"]
    scaled["spec"]["maxReplicaCuont"] = scaled["spec"].pop("maxReplicaCount")
    scaled["spec"]["triggers"][1]["metadata"]["queuLength"] = "10"
    assert [*unknown_fields(scaled, KUBERNETES["ScaledJob"])] == [
        ".spec.triggers.metadata.queuLength",
        ".spec.maxReplicaCuont",
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_line_is_one_of_ours(name: str) -> None:
    """It is parsed by the command itself, down to each option and value."""
    lines = command_lines(name)
    assert lines
    for words in lines:
        assert all(isinstance(word, str) for word in words)
        command_name, *rest = words
        assert command_name in HAULIER_COMMANDS
        with click.Context(haulier) as parent:
            command = haulier.get_command(parent, command_name)
            assert command is not None
            command.make_context(command_name, rest, parent=parent)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_variable_is_read_by_somebody(name: str) -> None:
    """Of ours by an option, of Azure's by the backends, and the rest by the source."""
    ours = {
        str(option.envvar)
        for command_name in ("enqueue", "work", "run")
        for option in haulier.get_command(click.Context(haulier), command_name).params  # type: ignore[union-attr]
        if option.envvar
    }
    names: set[str] = set()
    for document in documents(name):
        names |= {one["name"] for listed in found(document, "env") for one in listed}
        names |= {one for mapping in found(document, "environment") for one in mapping}
    assert names - {"SHOP_TOKEN", "SHOP_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"} - _PLATFORM_VARIABLES <= ours
    assert {"HAULIER_QUEUE", "HAULIER_LAKE", "SHOP_TOKEN"} <= names


def test_fleets_follow_both_queues_and_never_the_poison_queue() -> None:
    """Incremental runs and trials have a lane of their own; nobody works poison."""
    for name in ("k8s-by-depth", "aca-by-depth"):
        queues = [queue for document in documents(name) for queue in found(document, "queueName")]
        assert queues == ["shop", "shop-first"]
        assert {length for document in documents(name) for length in found(document, "queueLength")} == {"10"}
        strategies = {strategy for document in documents(name) for strategy in found(document, "queueLengthStrategy")}
        assert strategies == {"all"}


def test_no_more_workers_than_requests_in_flight() -> None:
    """50 at most by depth, and 40 requests in flight."""
    (most,) = [most for document in documents("k8s-by-depth") for most in found(document, "maxReplicaCount")]
    assert most == 40
    (most,) = [most for document in documents("aca-by-depth") for most in found(document, "maxExecutions")]
    assert most == 40


def test_a_pod_is_killed_later_than_a_worker_drains() -> None:
    needed_seconds = WorkerSettings().grace_seconds + LEAVE_SECONDS
    for name in of_platform("k8s"):
        for document in documents(name):
            assert all(seconds > needed_seconds for seconds in found(document, "terminationGracePeriodSeconds"))
    for name in of_platform("compose"):
        for seconds in found(documents(name)[0], "stop_grace_period"):
            assert float(seconds.removesuffix("s")) > needed_seconds
    assert all("--grace" not in words for name in COMMANDS for words in command_lines(name))


def test_a_variable_with_a_default_is_not_empty_in_a_container() -> None:
    """An empty text is no number: `int(os.environ.get("SHOP_STEP", "500"))` fails on it."""
    (project,) = documents("compose-azure")
    for service in project["services"].values():
        assert service["environment"]["SHOP_URL"] is None, "Compose then takes the shell's, or sets none"


def test_one_worker_that_is_shut_out_does_not_end_the_others() -> None:
    """Exit code 2 of what starts a run fails its Job; that of one worker fails its index alone."""
    for name, workers in (("k8s-fixed", 12), ("k8s-nightly", 4)):
        enqueue, work = (next(found(one, "podFailurePolicy"))["rules"][0] for one in documents(name)[-2:])
        assert (enqueue["action"], work["action"]) == ("FailJob", "FailIndex")
        assert (2 in enqueue["onExitCodes"]["values"], work["onExitCodes"]["values"]) == (True, [2])
        job = documents(name)[-1]
        assert [*found(job, "completionMode")] == ["Indexed"]
        assert [*found(job, "parallelism")] == [*found(job, "completions")] == [workers]
    limits = [*found(documents("aca-fixed"), "replicaRetryLimit")]
    assert limits == [3, 36], "of all replicas of an execution together"


def test_only_what_is_not_tried_again_starts_another_run() -> None:
    """A retry with --then-new would finish the night's run and pull everything once more."""
    starts = {name: command_lines(name)[0] for name in ("aca-nightly", "aca-unfilled", "k8s-by-depth", "aca-by-depth")}
    assert starts["aca-nightly"] == ["run", "/sources/shop.toml", "full", "--then-new"]
    assert [*found(documents("aca-nightly")[0], "replicaRetryLimit")] == [0]
    assert starts["aca-unfilled"] == ["run", "/sources/shop.toml", "full"], "a pipeline may start it again"
    assert starts["k8s-by-depth"] == ["run", "/sources/shop.toml", "full"], "Kubernetes tries exit code 4 again"
    assert starts["aca-by-depth"] == ["enqueue", "/sources/shop.toml", "full"]


def test_a_cluster_without_identities_shows_a_connection_string() -> None:
    assert [document["kind"] for document in documents("k8s-connected")][-1] == "ScaledJob"
    text = printed("k8s-connected")
    assert "workload" not in text
    assert "client-id" not in text
    for document in documents("k8s-connected"):
        for listed in found(document, "env"):
            references = [one["valueFrom"] for one in listed if one["name"] == "AZURE_STORAGE_CONNECTION_STRING"]
            assert references == [{"secretKeyRef": {"name": "shop", "key": "AZURE_STORAGE_CONNECTION_STRING"}}]
    (scaled,) = [document for document in documents("k8s-connected") if document["kind"] == "ScaledJob"]
    assert [*found(scaled, "connectionFromEnv")] == ["AZURE_STORAGE_CONNECTION_STRING"] * 2


def test_g7_no_value_of_a_variable_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the shell has, a manifest names the variable alone."""
    monkeypatch.setenv("SHOP_TOKEN", "tok-7f3a9c1e5b")
    monkeypatch.setenv("SHOP_URL", "https://user-5c1e.example.com")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountName=x;AccountKey=c2VjcmV0LWtleQ==")
    for name in COMMANDS:
        assert not re.search("7f3a9c1e5b|5c1e|c2VjcmV0", printed.__wrapped__(name)), name


def test_the_source_goes_as_it_is() -> None:
    """Its text, to the last character, is what the container reads."""
    (mounted,) = [data["shop.toml"] for document in documents("k8s-fixed") for data in found(document, "data")]
    assert mounted == SHOP
    for document in documents("aca-fixed"):
        (text,) = [one["value"] for listed in found(document, "secrets") for one in listed if "value" in one]
        assert text == SHOP
