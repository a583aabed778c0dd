#!/usr/bin/env bash
# `az containerapp job create --yaml` renames identities that have an underscore in their ID, and drops misspelt fields.
#
# Version:   azure-cli 2.91.0 (its module containerapp), msrest 0.7.1.
# Input:     the YAML of a job with a user-assigned identity whose resource group is `my_group`, as Azure allows and many
#            have; and with a field that is misspelt (`replicaRetryLimits`).
# Behaviour: the file goes through a model of the SDK and then through a function that turns every key of every mapping
#            from snake_case into camelCase. Resource IDs are keys of `userAssignedIdentities`: each part behind an
#            underscore is put into title case, with the rest of the ID. What the model does not know is left out.
#            Neither is said. What Azure makes of it was not seen: its IDs are told apart without case, but `myGroup` is
#            not `my_group`.
# Output:    .../resourceGroups/my_group/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker
#            .../resourceGroups/myGroup/Providers/Microsoft.Managedidentity/Userassignedidentities/Worker
#            replicaRetryLimits  dropped
# Matters:   what is asked for is not what stands in a file that was read and checked: another identity, other limits.
# Instead:   names without underscores; or put the job by `az rest`, which sends the body as it is. Read what was made:
#            `az containerapp job show`.
# Exit code: 0 it is still so, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
{
  python3 -m venv venv && venv/bin/pip install --quiet msrest==0.7.1 pyyaml &&
    venv/bin/pip download --quiet --no-deps --dest . azure-cli==2.91.0
} || exit 2
# Of 14 MB of commands two files are needed; what they import besides is Azure's whole SDK.
venv/bin/python - <<'PYTHON'
import ast
import glob
import importlib
import inspect
import json
import sys
import types
import zipfile
from datetime import datetime

import msrest
import yaml

FOLDER = "azure/cli/command_modules/containerapp/"
JOB = """
name: shop-work
type: Microsoft.App/jobs
identity:
  type: UserAssigned
  userAssignedIdentities:
    "/subscriptions/0/resourceGroups/my_group/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker": {}
properties:
  environmentId: "/subscriptions/0/resourceGroups/my_group/providers/Microsoft.App/managedEnvironments/main"
  configuration: {triggerType: Manual, replicaTimeout: 60, replicaRetryLimits: 3}
"""

with zipfile.ZipFile(glob.glob("azure_cli-*.whl")[0]) as wheel:
    wheel.extractall("cli", [name for name in wheel.namelist() if name.startswith(FOLDER) and name.endswith(".py")])
package = types.ModuleType("containerapp")
package.__path__ = [f"cli/{FOLDER}"]
sys.modules["containerapp"] = package
models = importlib.import_module("containerapp._sdk_models")

# Its own functions, as they stand in the file.
wanted = {"_object_to_dict", "_to_camel_case", "_convert_object_from_snake_to_camel_case", "_remove_additional_attributes"}
source = ast.parse(open(f"cli/{FOLDER}_utils.py").read())
source.body = [node for node in source.body if isinstance(node, ast.FunctionDef) and node.name in wanted]
az = {"json": json, "datetime": datetime}
exec(compile(source, "_utils.py", "exec"), az)

read = yaml.safe_load(JOB)
(before,) = read["identity"]["userAssignedIdentities"]
job = msrest.Deserializer(dict(inspect.getmembers(models)))("ContainerAppsJob", read)
sent = az["_convert_object_from_snake_to_camel_case"](az["_object_to_dict"](job))
az["_remove_additional_attributes"](sent)
(after,) = sent["identity"]["userAssignedIdentities"]
is_dropped = "replicaRetryLimits" not in json.dumps(sent)
print(before, after, f"replicaRetryLimits  {'dropped' if is_dropped else 'kept'}", sep="\n")
expected = (
    "/subscriptions/0/resourceGroups/myGroup/Providers/Microsoft.Managedidentity/Userassignedidentities/Worker"
)
sys.exit(not (after == expected and is_dropped))
PYTHON
