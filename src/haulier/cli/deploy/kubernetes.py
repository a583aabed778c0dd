"""The objects of a fleet on Kubernetes: Jobs and CronJobs, or a ScaledJob of KEDA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from haulier.cli.deploy.azure_places import AzurePlaces
from haulier.cli.deploy.deployed_source import FOLDER, Variable
from haulier.cli.deploy.deployment import CONNECTION_VARIABLE, TERMINATION_SECONDS, WORK_NOTE, Deployment
from haulier.cli.deploy.sizing import CPU, GIBIBYTES, MESSAGES_A_WORKER
from haulier.cli.deploy.yaml_text import documents_text, note

CLIENT_ID = "<CLIENT-ID>"
TEMPORARY_FOLDER = "/tmp"  # noqa: S108 - of a container, with a disk of its own
LONGEST_NAME = 44
"""A CronJob has 52 characters, and `-enqueue` is added."""

_RETRIES = 6
_HISTORY = 3
_LATE_SECONDS = 3600
_SPOOL_GIBIBYTES = 4
_POLL_SECONDS = 30

Object = Mapping[str, object]


@dataclass(frozen=True)
class KubernetesPlatform:
    deployment: Deployment
    places: AzurePlaces
    client_id: str
    """Of the identity that pods show to Azure."""
    namespace: str | None
    is_by_connection: bool
    """Whether pods show a connection string out of the Secret, and no identity."""

    def text(self, parts: tuple[str, ...]) -> str:
        """``parts`` are of ``enqueue`` and ``work``: with both it is all that a fleet needs."""
        documents = [self._account()]
        if self.deployment.source.text:
            documents.append(self._source_text())
        if "enqueue" in parts:
            documents.append(self._enqueue())
        if "work" in parts:
            documents += self._scaled_work() if self.deployment.is_by_depth else [self._work()]
        return documents_text(self._heading(), documents)

    # -- what jobs need ------------------------------------------------------------------------------------------------

    def _heading(self) -> str:
        name, variables = self.deployment.name, self.deployment.variables
        lines = [f"Source {self.deployment.source.app.name!r} of haulier on Kubernetes: haulier deploy k8s --help"]
        needed = [variable.name for variable in variables if not variable.has_default]
        optional = [variable.name for variable in variables if variable.has_default]
        if needed := [*([CONNECTION_VARIABLE] if self.is_by_connection else []), *needed]:
            into = "" if self.namespace is None else f" --namespace {self.namespace}"
            values = " ".join(f'--from-literal={name}="${name}"' for name in needed)
            lines.append("Make the secrets first, from variables of your shell:")
            lines.append(f"  kubectl create secret generic {name}{into} {values}")
        if optional:
            lines.append(
                f"Optional keys of the Secret {name}, which have a default in the source: {', '.join(optional)}"
            )
        return "\n".join(lines)

    def _metadata(self, suffix: str = "", annotations: Object | None = None) -> Object:
        metadata: dict[str, object] = {"name": f"{self.deployment.name}{suffix}"}
        if self.namespace is not None:
            metadata["namespace"] = self.namespace
        return metadata | {"labels": self._labels} | ({"annotations": annotations} if annotations else {})

    @property
    def _labels(self) -> Object:
        return {"app.kubernetes.io/name": "haulier", "app.kubernetes.io/instance": self.deployment.name}

    def _account(self) -> Object:
        if self.is_by_connection:
            return {
                **note("The pods' account. It needs no rights: what they show to Azure is in the Secret."),
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": self._metadata(),
            }
        return {
            **note(
                "The pods' identity in Azure. It needs the roles of docs/azure.md, and a federated credential for this "
                "account of the cluster (az identity federated-credential create)."
            ),
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": self._metadata(annotations={"azure.workload.identity/client-id": self.client_id}),
        }

    def _source_text(self) -> Object:
        source = self.deployment.source
        return {
            **note("The source file, as it was when this was printed. Print and apply again after a change."),
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": self._metadata("-source"),
            "data": {source.file_name: source.text},
        }

    # -- jobs ----------------------------------------------------------------------------------------------------------

    def _enqueue(self) -> Object:
        job: Object = {
            **note("Only exit code 4 is worth another try: the API, the lake or the queue could not be used."),
            "backoffLimit": _RETRIES,
            "podFailurePolicy": self._failures("FailJob", 1, 2, 3),
            **self._kept(),
            "template": self._pod(self.deployment.enqueue_words(is_tried_again=True)),
        }
        return self._job_or_cron("-enqueue", self.deployment.enqueue_note(is_tried_again=True), job)

    def _work(self) -> Object:
        workers = self.deployment.workers
        job: Object = {
            "parallelism": workers,
            "completions": workers,
            **note("Each worker by itself: one that fails is started again, so many times, and the others go on."),
            "completionMode": "Indexed",
            "backoffLimitPerIndex": _RETRIES,
            **note(
                "One that ends with exit code 2 is not: a person must change something, perhaps of its node alone. The "
                "others finish the run, and then the Job has failed."
            ),
            "podFailurePolicy": self._failures("FailIndex", 2),
            **self._kept(),
            "template": self._pod(self.deployment.work_words()),
        }
        return self._job_or_cron("-work", WORK_NOTE, job)

    def _job_or_cron(self, suffix: str, about: str, job: Object) -> Object:
        deployment = self.deployment
        if deployment.schedule is None:
            again = "Runs when it is applied. Once more: print it again, into kubectl replace --force -f -"
            kind: Object = {"apiVersion": "batch/v1", "kind": "Job", "metadata": self._metadata(suffix), "spec": job}
            return {**note(f"{about}\n{again}"), **kind}
        return {
            **note(f"{about}\nBetween times: kubectl create job --from=cronjob/{deployment.name}{suffix} NAME"),
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": self._metadata(suffix),
            "spec": {
                "schedule": deployment.schedule,
                "timeZone": "Etc/UTC",
                **note("While last night's is still there tonight's is left out: two would do the same work."),
                "concurrencyPolicy": "Forbid",
                "startingDeadlineSeconds": _LATE_SECONDS,
                "successfulJobsHistoryLimit": _HISTORY,
                "failedJobsHistoryLimit": _HISTORY,
                "jobTemplate": {"spec": job},
            },
        }

    def _kept(self) -> Object:
        return {} if self.deployment.schedule else {"ttlSecondsAfterFinished": 7 * 86_400}

    def _failures(self, action: str, *final_codes: int) -> Object:
        codes = {"containerName": "haulier", "operator": "In", "values": list(final_codes)}
        return {
            "rules": [
                {"action": action, "onExitCodes": codes},
                {
                    **note("A node that was drained is no failure."),
                    "action": "Ignore",
                    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                },
            ]
        }

    # -- by depth ------------------------------------------------------------------------------------------------------

    def _scaled_work(self) -> list[Object]:
        deployment, places = self.deployment, self.places
        account: Object = {"accountName": places.account}
        reference: Object = {"authenticationRef": {"name": deployment.name}}
        if self.is_by_connection:
            account, reference = {"connectionFromEnv": CONNECTION_VARIABLE}, {}
        triggers = [
            {
                "type": "azure-queue",
                "metadata": {
                    **account,
                    "queueName": queue,
                    "queueLength": str(MESSAGES_A_WORKER),
                    "queueLengthStrategy": "all",
                },
                **reference,
            }
            for queue in places.queues
        ]
        authentication: Object = {
            **note(
                "KEDA reads the depth as the same identity, which needs a federated credential for KEDA's operator too."
            ),
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "TriggerAuthentication",
            "metadata": self._metadata(),
            "spec": {"podIdentity": {"provider": "azure-workload", "identityId": self.client_id}},
        }
        scaled: Object = {
            **note(
                f"Workers by the depth of the queue: one for each {MESSAGES_A_WORKER} messages, none where there "
                "are none. Each leaves when nothing is ready; whichever notices that all is done closes the run."
            ),
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledJob",
            "metadata": self._metadata("-work"),
            "spec": {
                "pollingInterval": _POLL_SECONDS,
                "minReplicaCount": 0,
                "maxReplicaCount": deployment.workers,
                "successfulJobsHistoryLimit": _HISTORY,
                "failedJobsHistoryLimit": _HISTORY,
                **note("Workers that are at it stay when this is applied again."),
                "rollout": {"strategy": "gradual"},
                "scalingStrategy": {
                    **note(
                        "Counts with those that run, as the messages that they hold are counted (all). The strategy "
                        "accurate would start a Job for each of these again."
                    ),
                    "strategy": "default",
                    "multipleScalersCalculation": "sum",
                },
                **note("Never the poison queue: nobody works it. The other one is that of incremental runs."),
                "triggers": triggers,
                "jobTargetRef": {
                    "parallelism": 1,
                    "completions": 1,
                    **note(
                        "No rule for exit code 2 here: KEDA would start another within seconds, where a retry waits "
                        "ever longer."
                    ),
                    "backoffLimit": _RETRIES,
                    "template": self._pod(deployment.work_words()),
                },
            },
        }
        return [scaled] if self.is_by_connection else [authentication, scaled]

    # -- pods ----------------------------------------------------------------------------------------------------------

    def _pod(self, words: list[str]) -> Object:
        source = self.deployment.source
        mounts: list[Object] = [{"name": "spool", "mountPath": TEMPORARY_FOLDER}]
        volumes: list[Object] = [
            {
                **note("Records of the items under way: requests in flight of a worker x compressed bytes of an item."),
                "name": "spool",
                "emptyDir": {"sizeLimit": f"{_SPOOL_GIBIBYTES}Gi"},
            }
        ]
        if source.text:
            mounts.append({"name": "source", "mountPath": FOLDER, "readOnly": True})
            volumes.append({"name": "source", "configMap": {"name": f"{self.deployment.name}-source"}})
        container: Object = {
            "name": "haulier",
            "image": self.deployment.image,
            "args": words,
            "env": self._environment(),
            "resources": {
                "requests": {"cpu": f"{CPU * 1000:.0f}m", "memory": f"{GIBIBYTES:g}Gi"},
                "limits": {"memory": f"{GIBIBYTES:g}Gi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": mounts,
        }
        identity: Object = {} if self.is_by_connection else {"azure.workload.identity/use": "true"}
        return {
            "metadata": {"labels": {**self._labels, **identity}},
            "spec": {
                "serviceAccountName": self.deployment.name,
                **({"automountServiceAccountToken": False} if self.is_by_connection else {}),
                "restartPolicy": "Never",
                **note("A worker is gone before: what is under way may end, the rest goes back."),
                "terminationGracePeriodSeconds": TERMINATION_SECONDS,
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [container],
                "volumes": volumes,
            },
        }

    def _environment(self) -> list[Object]:
        places = self.places
        plain = {
            "HAULIER_QUEUE": f"azure-queue://{places.account}/{places.queue}",
            "HAULIER_LAKE": places.lake,
            "AZURE_STORAGE_ACCOUNT": places.account,
            **self.deployment.settings,
        }
        environment: list[Object] = [{"name": name, "value": value} for name, value in plain.items()]
        connection = [Variable(CONNECTION_VARIABLE, has_default=False)] if self.is_by_connection else []
        for variable in [*connection, *self.deployment.variables]:
            reference: dict[str, object] = {"name": self.deployment.name, "key": variable.name}
            if variable.has_default:
                reference["optional"] = True
            environment.append({"name": variable.name, "valueFrom": {"secretKeyRef": reference}})
        return environment
