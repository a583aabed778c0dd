"""Sources for the dashboard."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.commands.test_poison import SOURCE
from tests.cli.conftest import Place
from tests.cli.dashboard.rig import Dashboard, dashboard


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A source of six items with a partial run: two fail as long as no file `mended` stands beside it, one is empty.
    Poison takes seconds to be sure of, so it is made once."""
    folder = tmp_path_factory.mktemp("made")
    with SandboxProcess(SandboxSettings(records=1)) as api:
        (folder / "numbers.py").write_text(SOURCE.format(url=api.url))
        command = [sys.executable, "-m", "haulier", "run", str(folder / "numbers.py")]
        assert subprocess.run(command, capture_output=True).returncode == 3
        yield folder


@pytest.fixture
def numbers(made: Path, place: Place) -> Place:
    """The source alone."""
    shutil.copy(made / "numbers.py", place.folder)
    place.name = "numbers.py"
    return place


def put_run(made: Path, numbers: Place) -> str:
    """Lay the run beside the source; its name."""
    for folder in ("lake", ".haulier"):
        shutil.copytree(made / folder, numbers.folder / folder)
    (run,) = (numbers.lake / "_haulier/numbers/runs").iterdir()
    return run.name


@pytest.fixture
def poisoned(made: Path, numbers: Place) -> Iterator[tuple[Place, Dashboard, str]]:
    """The source with its run, and its dashboard."""
    run_id = put_run(made, numbers)
    with dashboard(numbers.toml) as served:
        yield numbers, served, run_id
