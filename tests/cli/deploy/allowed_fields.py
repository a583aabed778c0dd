"""The fields that a manifest may have: schemas accept misspelt ones, and so do the platforms.

Written from the API reference of Kubernetes 1.37 and KEDA 2.21, of Microsoft.App/jobs 2025-07-01, and from the Compose
specification. A list counts as what its elements are. ``ANY`` is a value, ``NAMED`` a mapping with names of one's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

ANY = "any"
NAMED = "named"

_METADATA = {"name": ANY, "namespace": ANY, "labels": NAMED, "annotations": NAMED}
_POD = {
    "metadata": {"labels": NAMED},
    "spec": {
        "serviceAccountName": ANY,
        "automountServiceAccountToken": ANY,
        "restartPolicy": ANY,
        "terminationGracePeriodSeconds": ANY,
        "securityContext": {"runAsNonRoot": ANY, "seccompProfile": {"type": ANY}},
        "containers": {
            "name": ANY,
            "image": ANY,
            "args": ANY,
            "env": {
                "name": ANY,
                "value": ANY,
                "valueFrom": {"secretKeyRef": {"name": ANY, "key": ANY, "optional": ANY}},
            },
            "resources": {"requests": {"cpu": ANY, "memory": ANY}, "limits": {"memory": ANY}},
            "securityContext": {
                "allowPrivilegeEscalation": ANY,
                "readOnlyRootFilesystem": ANY,
                "capabilities": {"drop": ANY},
            },
            "volumeMounts": {"name": ANY, "mountPath": ANY, "readOnly": ANY},
        },
        "volumes": {"name": ANY, "emptyDir": {"sizeLimit": ANY}, "configMap": {"name": ANY}},
    },
}
_JOB = {
    "parallelism": ANY,
    "completions": ANY,
    "backoffLimit": ANY,
    "completionMode": ANY,
    "backoffLimitPerIndex": ANY,
    "ttlSecondsAfterFinished": ANY,
    "podFailurePolicy": {
        "rules": {
            "action": ANY,
            "onExitCodes": {"containerName": ANY, "operator": ANY, "values": ANY},
            "onPodConditions": {"type": ANY, "status": ANY},
        }
    },
    "template": _POD,
}
_QUEUE_TRIGGER = {"accountName": ANY, "queueName": ANY, "queueLength": ANY, "queueLengthStrategy": ANY}
_CONNECTED_TRIGGER = {**_QUEUE_TRIGGER, "connectionFromEnv": ANY}
_HEAD = {"apiVersion": ANY, "kind": ANY, "metadata": _METADATA}

KUBERNETES: dict[str, Mapping[str, Any]] = {
    "ServiceAccount": _HEAD,
    "ConfigMap": {**_HEAD, "data": NAMED},
    "Job": {**_HEAD, "spec": _JOB},
    "CronJob": {
        **_HEAD,
        "spec": {
            "schedule": ANY,
            "timeZone": ANY,
            "concurrencyPolicy": ANY,
            "startingDeadlineSeconds": ANY,
            "successfulJobsHistoryLimit": ANY,
            "failedJobsHistoryLimit": ANY,
            "jobTemplate": {"spec": _JOB},
        },
    },
    "TriggerAuthentication": {**_HEAD, "spec": {"podIdentity": {"provider": ANY, "identityId": ANY}}},
    "ScaledJob": {
        **_HEAD,
        "spec": {
            "pollingInterval": ANY,
            "minReplicaCount": ANY,
            "maxReplicaCount": ANY,
            "successfulJobsHistoryLimit": ANY,
            "failedJobsHistoryLimit": ANY,
            "rollout": {"strategy": ANY},
            "scalingStrategy": {"strategy": ANY, "multipleScalersCalculation": ANY},
            "triggers": {"type": ANY, "metadata": _CONNECTED_TRIGGER, "authenticationRef": {"name": ANY}},
            "jobTargetRef": _JOB,
        },
    },
}

_COUNTS = {"parallelism": ANY, "replicaCompletionCount": ANY}
CONTAINER_APPS: Mapping[str, Any] = {
    "name": ANY,
    "type": ANY,
    "identity": {"type": ANY, "userAssignedIdentities": NAMED},
    "properties": {
        "environmentId": ANY,
        "configuration": {
            "triggerType": ANY,
            "manualTriggerConfig": _COUNTS,
            "scheduleTriggerConfig": {"cronExpression": ANY, **_COUNTS},
            "eventTriggerConfig": {
                **_COUNTS,
                "scale": {
                    "minExecutions": ANY,
                    "maxExecutions": ANY,
                    "pollingInterval": ANY,
                    "rules": {"name": ANY, "type": ANY, "metadata": _QUEUE_TRIGGER, "identity": ANY},
                },
            },
            "replicaTimeout": ANY,
            "replicaRetryLimit": ANY,
            "registries": {"server": ANY, "identity": ANY},
            "secrets": {"name": ANY, "value": ANY, "keyVaultUrl": ANY, "identity": ANY},
        },
        "template": {
            "containers": {
                "name": ANY,
                "image": ANY,
                "args": ANY,
                "env": {"name": ANY, "value": ANY, "secretRef": ANY},
                "resources": {"cpu": ANY, "memory": ANY},
                "volumeMounts": {"volumeName": ANY, "mountPath": ANY},
            },
            "volumes": {"name": ANY, "storageType": ANY, "secrets": {"secretRef": ANY, "path": ANY}},
        },
    },
}

_SERVICE = {
    "image": ANY,
    "command": ANY,
    "environment": NAMED,
    "stop_grace_period": ANY,
    "cap_drop": ANY,
    "security_opt": ANY,
    "volumes": {"type": ANY, "source": ANY, "target": ANY, "read_only": ANY},
    "restart": ANY,
    "depends_on": {"enqueue": {"condition": ANY}},
    "deploy": {"replicas": ANY, "resources": {"limits": {"cpus": ANY, "memory": ANY}}},
}
COMPOSE: Mapping[str, Any] = {
    "name": ANY,
    "services": {"enqueue": _SERVICE, "work": _SERVICE},
    "volumes": {"data": {}},
}


def unknown_fields(value: object, allowed: object, path: str = "") -> Iterator[str]:
    """The paths of fields that are not allowed."""
    if isinstance(value, list):
        for one in value:
            yield from unknown_fields(one, allowed, path)
    elif isinstance(value, Mapping):
        if allowed == NAMED:
            return
        for key, below in value.items():
            here = f"{path}.{key}"
            if not isinstance(allowed, Mapping) or key not in allowed:
                yield here
            else:
                yield from unknown_fields(below, allowed[key], here)
    elif isinstance(allowed, Mapping) or allowed == NAMED:
        yield f"{path}={value!r}"
