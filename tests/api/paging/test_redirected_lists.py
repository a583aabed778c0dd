"""A redirect that loses what was asked for: `haulier run` never takes its records for those that were meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from haulier.cli.main import main
from tests.api.paging.test_count_door import ids_in
from tests.docs.fake_server import Asked, Reply, serving

TOML = """
source = "tickets"

[api]
url = "{url}"

[streams.incidents]
get     = "{path}"
query   = {{ from_id = 1, to_id = 9, limit = 1000 }}
records = "result"
pages   = "single"

[streams.incidents.full.once]
"""


def list_of(asked: Asked) -> Reply:
    """40 rows, of which the query keeps some."""
    least, most = asked.number("from_id"), asked.number("to_id", 39)
    return Reply({"result": [{"id": number} for number in range(40) if least <= number <= most]})


def run(folder: Path, location: str, status: int = 302, path: str = "/items") -> int:
    def answer(asked: Asked) -> Reply:
        return list_of(asked) if asked.path != "/items" else Reply({}, status, {"Location": location})

    with serving(answer) as url:
        (folder / "tickets.toml").write_text(TOML.format(url=url, path=path))
        return main(["run", str(folder / "tickets.toml")])


@pytest.mark.parametrize(
    ("location", "lost", "status"),
    [
        ("/items/", "`from_id`, `to_id` and `limit`", 301),
        ("/v2/items", "`from_id`, `to_id` and `limit`", 308),
        ("/items/?from_id=1&limit=1000", "`to_id`", 303),
    ],
)
def test_a_redirect_that_drops_the_query_is_no_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], location: str, lost: str, status: int
) -> None:
    """Its list is another one: the run stops, names what was lost and what to write, and keeps no record."""
    assert run(tmp_path, location, status) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f" drops {lost} of the request" in said
    assert "Write the path that it leads to" in said
    assert ids_in(tmp_path) == []


@pytest.mark.parametrize(
    "location", ["/items/?from_id=1&to_id=9&limit=1000", "/v2/ITEMS?LIMIT=1000&TO_ID=9&v=2&from_id=1&to_id=9"]
)
def test_a_redirect_that_keeps_the_query_is_followed(tmp_path: Path, location: str) -> None:
    """What else stands in it, in which order and in which case, is the server's own affair."""
    assert run(tmp_path, location) == 0
    assert ids_in(tmp_path) == list(range(1, 10))


def test_the_remedy_helps(tmp_path: Path) -> None:
    """The path of the target, written in the source, is asked with the whole query."""
    assert run(tmp_path, "/items/", path="/items/") == 0
    assert ids_in(tmp_path) == list(range(1, 10))
