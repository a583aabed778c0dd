"""docs/apis: every source file on these pages is run as it stands, against a server that behaves as its API does.

Only the addresses are others. A recipe holds if the run is complete and the lake has each record once (G1, G3, G6).
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from haulier.cli.main import main
from tests.api.identity.certificates import Certificates, make_certificates
from tests.docs.fake_asking import ASKING
from tests.docs.fake_feeds import FEEDS
from tests.docs.fake_identity import IDENTITIES
from tests.docs.fake_jobs import JOBS
from tests.docs.fake_links import LINKS
from tests.docs.fake_others import OTHERS, SECRET
from tests.docs.fake_paging import PAGING
from tests.docs.fake_parents import PARENTS
from tests.docs.fake_search import SEARCHES
from tests.docs.fake_server import serving
from tests.docs.fake_shapes import SHAPES
from tests.docs.fake_signed import SIGNED
from tests.docs.pages import ROOT, Block, blocks_of, links_of
from tests.docs.test_blocks import PART, variables_of
from tests.harness.aws import KEY_ID, only_these_credentials

FOLDER = ROOT / "docs/apis"
APIS: dict[str, Any] = {
    **PAGING,
    **OTHERS,
    **LINKS,
    **SIGNED,
    **SHAPES,
    **PARENTS,
    **ASKING,
    **IDENTITIES,
    **FEEDS,
    **JOBS,
}
DIVIDED = {"search", "blog", "library", "orders", *PARENTS}
"""Above the cap of their API; by the parent's records."""
FAILING = {"erp"}
"""Their API answers with an error that is charged."""


def recipes() -> dict[str, Block]:
    """The whole source files of these pages, by the names of their sources."""
    found: dict[str, Block] = {}
    for page in sorted(FOLDER.glob("*.md")):
        for block in blocks_of(page):
            if block.language in ("toml", "python") and PART not in block.marks:
                name = source_of(block)
                assert name not in found, f"{block}: there are two recipes of the name {name}"
                found[name] = block
    return found


def source_of(block: Block) -> str:
    if block.language == "toml":
        return str(tomllib.loads(block.text)["source"])
    return "".join(re.findall(r'App\("([a-z]+)"', block.text))


RECIPES = recipes()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def test_every_recipe_has_its_api() -> None:
    """None of them is only parsed."""
    assert set(RECIPES) == set(APIS) | set(SEARCHES)


@pytest.mark.parametrize("name", [name for name in APIS if name != "bank"])
def test_the_recipe_pulls_every_record(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """G1, G3: the run is complete, and holds what the API holds, each record once. Nothing failed on the way, nor was
    divided, but where the page says so: else a total, or a division, could make good what the recipe does wrong."""
    api = APIS[name]()
    for beside, text in api.files.items():
        (tmp_path / beside).write_text(text)
    with serving(api.answer) as url:
        file = saved(RECIPES[name], url, tmp_path, monkeypatch)
        assert main(["run", str(file)]) == 0
    assert pulled(tmp_path, name) == api.lines
    divided = [*tmp_path.glob("lake/_haulier/*/runs/*/children/*")]
    assert bool(divided) is (name in DIVIDED)
    assert ("an item failed and is retried" in capsys.readouterr().err) is (name in FAILING)


def test_the_recipe_with_a_certificate_pulls_every_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    """The same, from a server that has a certificate of a private authority and demands ours."""
    api = APIS["bank"]()
    for name in ("ca.pem", "client.pem", "client.key"):
        shutil.copy(certificates.folder / name, tmp_path)
    with serving(api.answer, certificates.server_context(wants_client=True)) as url:
        file = saved(RECIPES["bank"], url, tmp_path, monkeypatch)
        assert main(["run", str(file)]) == 0
    assert pulled(tmp_path, "bank") == api.lines


@pytest.mark.parametrize("name", ["github", "notion", "drive", "search"])
def test_try_shows_a_page_of_the_recipe(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the first page says: `haulier try` shows the requests and the first records, and writes nothing. Where
    the item is too large for the API, those of its first part."""
    with serving(APIS[name]().answer) as url:
        file = saved(RECIPES[name], url, tmp_path, monkeypatch)
        assert main(["try", str(file), "--json"]) == 0
    tried = json.loads(capsys.readouterr().out)
    assert tried["records"] > 0
    assert tried["requests"][0]["status"] == 200
    assert SECRET not in json.dumps(tried)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_the_first_page_lists_every_section() -> None:
    """Who looks for their API's words finds every section of the other pages there."""
    first = FOLDER / "README.md"
    listed = set(links_of(first))
    for page in sorted(FOLDER.glob("*.md")):
        if page == first:
            continue
        for heading in re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            if heading != "Other answers":
                assert f"{page.name}#{re.sub(r'[^a-z0-9 ]', '', heading.lower()).replace(' ', '-')}" in listed, heading


def saved(block: Block, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The recipe in a file, with the server in place of its API, its issuer of tokens and its proxy."""
    for name, value in variables_of(block.text).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WEATHER_PROXY", url)
    only_these_credentials(folder, monkeypatch, AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET)
    # The proxy's API has a name of its own, which nobody but the proxy looks up.
    home = "http://api.example.com" if "proxy " in block.text else url
    text = re.sub(r'"https://[^"/]+', f'"{home}', block.text)
    assert home in text
    file = folder / ("source.toml" if block.language == "toml" else "recipe_source.py")
    file.write_text(text)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, file.stem, ModuleType(file.stem))
    return file


def pulled(folder: Path, source: str) -> list[str]:
    """The lake's records, in the order of their values; the same text as the API sent them."""
    lines = [*lines_of(folder / "lake" / source)]
    return sorted(lines, key=lambda line: str(json.loads(line)))


def lines_of(folder: Path) -> Iterator[str]:
    for path in folder.glob("*/mode=full/*/*.ndjson.gz"):
        yield from gzip.decompress(path.read_bytes()).decode().splitlines()
