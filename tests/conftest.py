"""What every test gets."""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.harness.azurite import Azurite
    from tests.harness.search_servers import SearchStore

# The contract suites are shipped code: pytest shows the values of their assertions only where it is told to, and before
# anything of the package is imported.
pytest.register_assert_rewrite("haulier.testing", "tests.harness")

# Two workers share two cores: a deadline would measure the neighbour. In CI the examples are the same each time, so
# that a change is judged by what it changed; on a developer's machine they are new ones.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

MEMORY = "/dev/shm"
"""Where Linux has a disk in memory."""
ROOM_BYTES = 4 * 1024**3

# `tmp_path` lies there where it has room. Whole runs of small items wait for fsync most of the time, and no test cuts
# the power: those that are about its loss look at the calls themselves.
with contextlib.suppress(OSError):
    _found = os.statvfs(MEMORY)
    if os.access(MEMORY, os.W_OK) and _found.f_bavail * _found.f_frsize >= ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests reaches them."""
    for name in [*os.environ]:
        if name.startswith(("HAULIER_", "OTEL_", "AZURE_")) or name in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def azurite() -> Iterator["Azurite"]:
    """One for each process of tests. Names in it are `fresh_name`'s."""
    from tests.harness.azurite import start_azurite, why_not

    if problem := why_not():
        pytest.skip(problem)
    with start_azurite() as server:
        yield server


@pytest.fixture(scope="session")
def opensearch() -> Iterator["SearchStore"]:
    """One for each process of tests. Each index in it has a name of its own."""
    from tests.harness.search_servers import start_opensearch

    with start_opensearch() as store:
        yield store


@pytest.fixture(scope="session")
def elasticsearch() -> Iterator["SearchStore"]:
    """As `opensearch`."""
    from tests.harness.search_servers import start_elasticsearch

    with start_elasticsearch() as store:
        yield store


@pytest.fixture(params=["opensearch", "elasticsearch"])
def search_store(request: pytest.FixtureRequest) -> "SearchStore":
    """A test with it is run on both."""
    store: SearchStore = request.getfixturevalue(request.param)
    return store
