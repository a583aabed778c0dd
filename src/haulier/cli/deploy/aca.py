"""The jobs of a fleet on Azure Container Apps, as `az containerapp job create --yaml` takes them: one a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from haulier.cli.deploy.azure_places import AzurePlaces
from haulier.cli.deploy.deployed_source import FOLDER, Variable
from haulier.cli.deploy.deployment import WORK_NOTE, Deployment
from haulier.cli.deploy.sizing import CPU, GIBIBYTES, MESSAGES_A_WORKER
from haulier.cli.deploy.yaml_text import documents_text, note
from haulier.errors import UsageError

LONGEST_NAME = 24
"""A job has 32 characters, and `-enqueue` is added."""
ENVIRONMENT = (
    "/subscriptions/<SUBSCRIPTION>/resourceGroups/<RESOURCE-GROUP>/providers/Microsoft.App/managedEnvironments/"
    "<ENVIRONMENT>"
)
IDENTITY = (
    "/subscriptions/<SUBSCRIPTION>/resourceGroups/<RESOURCE-GROUP>/providers/Microsoft.ManagedIdentity/"
    "userAssignedIdentities/<IDENTITY>"
)
VAULT = "<VAULT>"
SOURCE_SECRET = "haulier-source"  # noqa: S105 - a name

_REPLICA_TIMEOUT_SECONDS = 86_400
_RETRIES = 3
_POLL_SECONDS = 30

Part = Mapping[str, object]


@dataclass(frozen=True)
class ContainerAppsPlatform:
    deployment: Deployment
    places: AzurePlaces
    environment: str
    """The resource ID of the environment."""
    identity: str
    """The resource ID of the identity that is shown to storage, vault and registry."""
    client_id: str
    """Of that identity."""
    vault: str
    """The name of the Key Vault."""

    def text(self, parts: tuple[str, ...]) -> str:
        """``parts`` are of ``enqueue`` and ``work``."""
        jobs = [self._enqueue()] if "enqueue" in parts else []
        jobs += [self._work()] if "work" in parts else []
        return documents_text(self._heading(parts), jobs)

    def _heading(self, parts: tuple[str, ...]) -> str:
        lines = [f"Source {self.deployment.source.app.name!r} of haulier on Azure Container Apps, API 2025-07-01"]
        if needed := self._needed:
            lines.append(
                "Put the secrets into the vault first; the identity needs the role Key Vault Secrets User there:"
            )
            lines += [
                f"  az keyvault secret set --vault-name {self.vault} --name {_secret_name(variable)} "
                f'--value "${variable.name}"'
                for variable in needed
            ]
        if len(parts) > 1:
            lines.append("az takes one job a file: add --only enqueue, and then --only work.")
        for part in parts:
            name = f"{self.deployment.name}-{part}"
            lines.append(f"  az containerapp job create --resource-group GROUP --name {name} --yaml {part}.yaml")
        return "\n".join(lines)

    # -- the two jobs --------------------------------------------------------------------------------------------------

    def _enqueue(self) -> Part:
        deployment = self.deployment
        is_tried_again = not deployment.is_staying
        about = deployment.enqueue_note(is_tried_again=is_tried_again)
        words = deployment.enqueue_words(is_tried_again=is_tried_again)
        return self._job("enqueue", about, self._trigger(1, 1), words, retries=_RETRIES if is_tried_again else 0)

    def _work(self) -> Part:
        deployment = self.deployment
        if not deployment.is_by_depth:
            return self._job(
                "work",
                WORK_NOTE,
                self._trigger(deployment.workers, deployment.workers),
                deployment.work_words(),
                retries=_RETRIES * deployment.workers,
            )
        about = (
            f"Workers by the depth of the queue: one for each {MESSAGES_A_WORKER} messages, none where there are none. "
            "Each leaves when nothing is ready; whichever notices that all is done closes the run."
        )
        return self._job("work", about, self._event(), deployment.work_words(), retries=_RETRIES)

    def _job(self, part: str, about: str, trigger: Part, words: list[str], *, retries: int) -> Part:
        return {
            **note(about),
            "name": f"{self.deployment.name}-{part}",
            "type": "Microsoft.App/jobs",
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {self.identity: {}}},
            "properties": {
                "environmentId": self.environment,
                "configuration": {
                    **trigger,
                    **note(
                        "A replica that takes longer is killed. Nothing is lost; raise it for runs of more than a day."
                    ),
                    "replicaTimeout": _REPLICA_TIMEOUT_SECONDS,
                    **note(
                        "Of all replicas together, before the execution has failed and those that run are stopped. "
                        "Container Apps tells no exit codes apart: one that needs a person is tried in vain, too."
                    ),
                    "replicaRetryLimit": retries,
                    **self._registries(),
                    **self._secrets(),
                },
                "template": self._template(words),
            },
        }

    def _trigger(self, replicas: int, completions: int) -> Part:
        counts = {"parallelism": replicas, "replicaCompletionCount": completions}
        if self.deployment.schedule is None:
            return {
                **note("Start it: az containerapp job start --resource-group GROUP --name NAME"),
                "triggerType": "Manual",
                "manualTriggerConfig": counts,
            }
        return {
            "triggerType": "Schedule",
            "scheduleTriggerConfig": {
                **note(
                    "In UTC. It starts though last night's is still there: both work the run that is open, share its "
                    "in_flight, and pull nothing twice."
                ),
                "cronExpression": self.deployment.schedule,
                **counts,
            },
        }

    def _event(self) -> Part:
        rules = [
            {
                "name": queue,
                "type": "azure-queue",
                "metadata": {
                    "accountName": self.places.account,
                    "queueName": queue,
                    "queueLength": str(MESSAGES_A_WORKER),
                    "queueLengthStrategy": "all",
                },
                "identity": self.identity,
            }
            for queue in self.places.queues
        ]
        return {
            "triggerType": "Event",
            "eventTriggerConfig": {
                "parallelism": 1,
                "replicaCompletionCount": 1,
                "scale": {
                    "minExecutions": 0,
                    "maxExecutions": self.deployment.workers,
                    "pollingInterval": _POLL_SECONDS,
                    **note("Never the poison queue: nobody works it. The other one is that of incremental runs."),
                    "rules": rules,
                },
            },
        }

    # -- what both have ------------------------------------------------------------------------------------------------

    def _registries(self) -> Part:
        server = self.deployment.image.partition("/")[0]
        if not server.endswith(".azurecr.io"):
            return {}
        return {
            **note("The identity needs the role AcrPull there."),
            "registries": [{"server": server, "identity": self.identity}],
        }

    @property
    def _needed(self) -> list[Variable]:
        return [variable for variable in self.deployment.variables if not variable.has_default]

    def _secrets(self) -> Part:
        secrets: list[Part] = [
            {
                "name": _secret_name(variable),
                "keyVaultUrl": f"https://{self.vault}.vault.azure.net/secrets/{_secret_name(variable)}",
                "identity": self.identity,
            }
            for variable in self._needed
        ]
        if self.deployment.source.text:
            secrets.append(
                {
                    **note(
                        "The source file, as it was when this was printed. It holds no secret, but a secret can be "
                        "mounted as a file."
                    ),
                    "name": SOURCE_SECRET,
                    "value": self.deployment.source.text,
                }
            )
        names = [secret["name"] for secret in secrets]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(
                f"Two variables of the source would be the secret {twice[0]!r} on Container Apps. Rename one of them."
            )
        return {"secrets": secrets} if secrets else {}

    def _template(self, words: list[str]) -> Part:
        source = self.deployment.source
        container: dict[str, object] = {
            "name": "haulier",
            "image": self.deployment.image,
            "args": words,
            "env": self._environment(),
            "resources": {"cpu": CPU, "memory": f"{GIBIBYTES:g}Gi"},
        }
        if not source.text:
            return {"containers": [container]}
        container["volumeMounts"] = [{"volumeName": "source", "mountPath": FOLDER}]
        file = {"secretRef": SOURCE_SECRET, "path": source.file_name}
        return {
            "containers": [container],
            "volumes": [{"name": "source", "storageType": "Secret", "secrets": [file]}],
        }

    def _environment(self) -> list[Part]:
        places = self.places
        plain = {
            "HAULIER_QUEUE": f"azure-queue://{places.account}/{places.queue}",
            "HAULIER_LAKE": places.lake,
            "AZURE_STORAGE_ACCOUNT": places.account,
            "AZURE_CLIENT_ID": self.client_id,
            **self.deployment.settings,
        }
        environment: list[Part] = [{"name": name, "value": value} for name, value in plain.items()]
        environment += [{"name": one.name, "secretRef": _secret_name(one)} for one in self._needed]
        if optional := [one.name for one in self.deployment.variables if one.has_default]:
            noted = {**note(f"Left to the defaults in the source: {', '.join(optional)}."), **environment[-1]}
            environment[-1] = noted
        return environment


def _secret_name(variable: Variable) -> str:
    return variable.name.lower().replace("_", "-").strip("-")
