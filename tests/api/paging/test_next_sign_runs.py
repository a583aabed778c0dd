"""What a run says of a sign that nobody ever saw, and what one worker knows of what another saw."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from haulier.cli.main import main
from tests.docs.fake_server import Asked, Reply, serving

SOURCE = """
source = "shop"
lake   = "lake"

[api]
url       = "{url}"
in_flight = 1

[streams.items]
get     = "/items/{{value}}"
records = "rows"
query   = {query}
pages   = {pages}

[streams.items.full.values]
list = {values}
"""


def saved(
    folder: Path,
    url: str,
    *,
    pages: str = '{ cursor = "nextt", query = "c" }',
    query: str = "{}",
    values: str = '["a"]',
) -> str:
    file = folder / "shop.toml"
    file.write_text(SOURCE.format(url=url, pages=pages, query=query, values=values))
    return str(file)


def rows(start: int, stop: int) -> list[dict[str, int]]:
    return [{"id": number} for number in range(start, stop)]


def two_pages(asked: Asked) -> Reply:
    """`token` leads on: by any name but its own 100 of 150 records would be all. On the last page it is left out."""
    start = asked.number("c")
    after = {"mark": "100"} if not start else {}
    return Reply({"rows": rows(start, 100 if not start else 150), **after})


def documents(folder: Path, pattern: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in folder.glob(f"lake/_haulier/shop/runs/*/{pattern}")]


def manifest(folder: Path) -> list[dict[str, Any]]:
    (path,) = folder.glob("lake/_haulier/shop/runs/*/closings/*/manifest.ndjson.gz")
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def test_a_run_in_which_no_page_had_the_sign_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """G3: nothing tells a misspelt cursor from a list of one page. The run is complete, and its closing words, `status`
    and the manifest say which sign nobody saw."""
    with serving(two_pages) as url:
        file = saved(tmp_path, url)
        assert main(["run", file]) == 0
        said = "No page of items ever had 'nextt', which says whether there is a next one"
        assert said in capsys.readouterr().err
        assert main(["status", file]) == 0
        assert said in capsys.readouterr().out
        assert main(["status", file, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["unseen"] == {"items": "'nextt'"}
    assert [entry["unseen"] for entry in manifest(tmp_path)] == ["'nextt'"]
    assert [document["unseen"] for document in documents(tmp_path, "closings/*/verdict")] == [{"items": "'nextt'"}]


@pytest.mark.parametrize(
    "pages", ['{ cursor = "mark", query = "c" }', '{ cursor = "m", query = "c", missing = "end" }']
)
def test_a_run_that_saw_the_sign_says_nothing(pages: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One item that showed the sign is enough, and so is the word of the source."""

    def answer(asked: Asked) -> Reply:
        return two_pages(asked) if asked.path.endswith("a") else Reply({"rows": rows(0, 7)})

    with serving(answer) as url:
        file = saved(tmp_path, url, pages=pages, values='["a", "b", "c"]')
        assert main(["run", file]) == 0
        assert "No page of" not in capsys.readouterr().err
        assert main(["status", file, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["unseen"] == {}


def test_try_says_what_is_wrong_with_a_full_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A page as full as it was asked for, and no sign: an error that names what to write."""
    with serving(two_pages) as url:
        file = saved(tmp_path, url, query="{ limit = 100 }", pages='{ cursor = "nextt", query = "c" }')
        assert main(["try", file]) != 0
    said = capsys.readouterr().err
    assert "the page is full, with the 100 records that were asked for" in said
    assert 'missing = "end"' in said


def test_a_later_process_knows_what_an_earlier_one_saw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last item of a run, taken by a fresh process, is one full page whose API leaves the sign out of last pages:
    what other items showed stands in their receipts."""
    is_open = [False]

    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("a"):
            return two_pages(asked)
        return Reply({"rows": rows(0, 100)}) if is_open[0] else Reply({"error": "not yet"}, 422)

    with serving(answer) as url:
        pages = '{ cursor = "mark", query = "c" }'
        file = saved(tmp_path, url, pages=pages, query="{ limit = 100 }", values='["a", "b"]')
        assert main(["run", file]) == 3
        is_open[0] = True
        assert main(["poison", "redrive", file, "--all"]) == 0
        assert main(["run", file]) == 0, capsys.readouterr().err
    assert sorted(entry["records"] for entry in documents_of_receipts(tmp_path)) == [100, 150]


def documents_of_receipts(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in folder.glob("lake/_haulier/shop/runs/*/receipts/*")
        for line in path.read_bytes().splitlines()
    ]
