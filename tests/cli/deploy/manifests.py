"""What `haulier deploy` prints for one source, by the name of its golden file.

``python -m tests.cli.deploy.manifests`` writes the golden files anew.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import tempfile
from pathlib import Path

from haulier.cli.main import main

GOLDEN = Path(__file__).parent / "golden"

SHOP = """\
source = "shop"
queue  = "azure-queue://haulierdemo/shop"
lake   = "az://lake/bronze"

[api]
url       = "${SHOP_URL:-https://api.example.com}"
auth      = { bearer = "${SHOP_TOKEN}" }
in_flight = 40

[streams.items]
get     = "/items"
query   = { limit = 100 }
records = "items"
pages   = { cursor = "next", query = "cursor" }

[streams.items.full.ids]
query = { from_id = "{start}", to_id = "{end}" }
last  = { get = "/items/newest", at = "id" }
step  = 200
"""

_CLIENT = "--client-id 6f1d9c3e-6c0e-4d57-9b0a-0d6d1f0c9a11"
_GROUP = "/subscriptions/0f0e0d0c-0b0a-4909-8807-060504030201/resourceGroups/haulier/providers"
_ACA = (
    f"--image demo.azurecr.io/haulier:1 {_CLIENT} --vault haulier-vault "
    f"--identity {_GROUP}/Microsoft.ManagedIdentity/userAssignedIdentities/haulier-worker "
    f"--environment {_GROUP}/Microsoft.App/managedEnvironments/haulier"
)
COMMANDS = {
    "k8s-fixed": f"k8s shop.toml --image registry.example.com/haulier:1 {_CLIENT} "
    "--env OTEL_EXPORTER_OTLP_ENDPOINT=http://collector.monitoring:4318",
    "k8s-nightly": f"k8s shop.toml --image registry.example.com/haulier:1 {_CLIENT} --workers 4 --schedule '0 2 * * *' "
    "--namespace data",
    "k8s-by-depth": f"k8s shop.toml --image registry.example.com/haulier:1 {_CLIENT} --by-depth --stay "
    "--schedule '30 1 * * mon-fri' --name shop-nightly",
    "k8s-connected": "k8s shop.toml --image registry.example.com/haulier:1 --by-depth --connection-string "
    "--env SHOP_URL=https://eu.example.com",
    "k8s-unfilled": "k8s shop.toml --in-image /app/shop.toml --only work",
    "aca-fixed": f"aca shop.toml {_ACA}",
    "aca-by-depth": f"aca shop.toml {_ACA} --by-depth --schedule '0 2 * * *'",
    "aca-nightly": f"aca shop.toml {_ACA} --stay --workers 2 --schedule '0 2 * * *' --env SHOP_URL=https://eu.example.com",
    "aca-unfilled": "aca shop.toml --only enqueue --stay",
    "compose-sqlite": "compose shop.toml --image haulier:1 --queue sqlite --lake lake --workers 3",
    "compose-azure": "compose shop.toml --image haulier:1",
}


@functools.cache
def printed(name: str) -> str:
    """What the command prints on standard output, in a folder that has the source file alone."""
    import shlex

    here, out, err = os.getcwd(), io.StringIO(), io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            Path("shop.toml").write_text(SHOP)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main(["deploy", *shlex.split(COMMANDS[name])])
        finally:
            os.chdir(here)
    assert code == 0, err.getvalue()
    return out.getvalue()


if __name__ == "__main__":
    for _name in COMMANDS:
        (GOLDEN / f"{_name}.yaml").write_text(printed(_name))
