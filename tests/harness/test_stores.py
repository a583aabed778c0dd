"""What the chaos harness sees of a lake on Azure is what stands there, and its oracle can fail there too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from haulier.clock import SystemClock
from tests.harness.azurite import Azurite, fresh_name
from tests.harness.chaos.stores import AzureStore
from tests.harness.cuts.process import Scene, Stage
from tests.harness.cuts.steps import Step
from tests.harness.oracle import Judgement, judge_run
from tests.harness.things import SOURCE

pytestmark = [pytest.mark.crash]

SCENE = Scene(items=((1, 5), (10, 11)), empty=frozenset({10}))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one closed run."""
    folder = tmp_path_factory.mktemp("finished")
    assert Stage(SCENE, folder).cut_off(Step("never")).problems == ()
    (lake,) = folder.glob("*/lake")
    return lake


class Copy:
    """The same run in a container."""

    def __init__(self, azurite: Azurite, lake: Path, folder: Path) -> None:
        from azure.storage.blob import BlobServiceClient

        self._service = BlobServiceClient.from_connection_string(azurite.connection_string)
        self.container = self._service.create_container(fresh_name("chaos"))
        for path in lake.rglob("*"):
            if path.is_file():
                self.container.upload_blob(f"lake/{path.relative_to(lake)}", path.read_bytes())
        (run,) = (lake / "_haulier" / SOURCE / "runs").iterdir()
        self.run_id = run.name
        self.store = AzureStore(azurite, folder, self.container, SystemClock())

    def judge(self) -> Judgement:
        folder = self.store.fetch(SOURCE, self.run_id)
        return judge_run(folder, SOURCE, self.run_id, SCENE.api.served, SCENE.api.refuses)

    def close(self) -> None:
        self._service.close()


@pytest.fixture
def copy(azurite: Azurite, lake: Path, tmp_path: Path) -> Iterator[Copy]:
    copy = Copy(azurite, lake, tmp_path / "copy")
    yield copy
    copy.close()


def test_a_run_is_judged_as_it_stands_there(copy: Copy) -> None:
    assert (copy.judge().problems, copy.store.is_closed(SOURCE, copy.run_id)) == ([], True)


def test_an_object_that_is_gone_is_missed(copy: Copy) -> None:
    """Also if a copy of it was looked at before."""
    assert copy.judge().problems == []
    (gone,) = (name for name in copy.container.list_blob_names() if name.endswith(".gz") and "_haulier" not in name)
    copy.container.delete_blob(gone)
    assert any("has not ended" in problem for problem in copy.judge().problems)


def test_a_closing_without_a_verdict_names_its_closer(copy: Copy) -> None:
    (verdict,) = (name for name in copy.container.list_blob_names() if name.endswith("/verdict"))
    copy.container.delete_blob(verdict)
    assert copy.store.closer_at_work(SOURCE, copy.run_id)
    assert not copy.store.is_closed(SOURCE, copy.run_id)
