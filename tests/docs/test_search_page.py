"""docs/apis/search.md: its source files are run as they stand, against servers that somebody else wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from haulier.cli.main import main
from tests.api.identity.certificates import make_certificates
from tests.docs.fake_search import SEARCHES
from tests.docs.fake_server import serving
from tests.docs.test_apis_pages import RECIPES, pulled, saved
from tests.harness.search_servers import SearchStore


@pytest.mark.parametrize("name", [*SEARCHES])
def test_the_recipe_pulls_every_document(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """G1, G3: with an API key or a password, over TLS of the cluster's own authority. An incremental run follows a full
    one, and finds what is there once more."""
    cluster = SEARCHES[name]
    store: SearchStore = request.getfixturevalue(cluster.fixture)
    wanted = cluster.fill(store)
    certificates = make_certificates(tmp_path)
    tls = certificates.server_context() if "ca_file" in RECIPES[name].text else None
    with serving(lambda asked: cluster.answer(store, asked), tls) as url:
        file = saved(RECIPES[name], url, tmp_path, monkeypatch)
        assert main(["run", str(file)]) == 0
        if name == "clicks":
            assert main(["run", str(file), "incremental"]) == 0
            assert main(["doctor", str(file)]) == 0
    records = [json.loads(line) for line in pulled(tmp_path, name)]
    assert sorted(record["event_id"] for record in records) == wanted
    if name == "clicks":
        assert {(record["_index"], record["_id"].replace("k", "e") == record["event_id"]) for record in records} == {
            (cluster.index, True)
        }
    shutil.rmtree(tmp_path / "lake")
