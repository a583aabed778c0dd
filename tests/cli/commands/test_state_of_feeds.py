"""`haulier state` of a feed for each value: what a person says of one is said of no other."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haulier.cli.main import main
from tests.docs.fake_server import Asked, Reply, serving

TOML = """
source = "mail"

[api]
url = "{url}"
in_flight = 2

[streams.messages]
get = "/messages"
query = {{ box = "{{value}}" }}
records = "items"
pages = "single"
add = {{ box = "{{value}}" }}

[streams.messages.incremental.feed]
token = "sync"
query = "since"
values = {{ list = ["in", "out"] }}
"""


class Boxes:
    """Each box has a log of its own; a token is a number of changes, and one below ``oldest`` is gone."""

    def __init__(self) -> None:
        self.logs = {"in": ["a", "b"], "out": ["x"]}
        self.oldest = 0

    def answer(self, asked: Asked) -> Reply:
        log, since = self.logs[asked.query["box"]], asked.query.get("since")
        if since is not None and int(since) < self.oldest:
            return Reply({"error": "gone"}, 410)
        return Reply({"items": [{"id": each} for each in log[int(since or 0) :]], "sync": str(len(log))})


@pytest.fixture
def boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Boxes]:
    monkeypatch.chdir(tmp_path)
    api = Boxes()
    with serving(api.answer) as url:
        Path("mail.toml").write_text(TOML.format(url=url))
        yield api


def night() -> list[tuple[str, str]]:
    """Work an incremental run; which records it brought."""
    before = {*Path().glob("lake/mail/messages/*/*/*.gz")}
    assert main(["run", "mail.toml", "incremental"]) == 0
    fresh = {*Path().glob("lake/mail/messages/*/*/*.gz")} - before
    lines = [json.loads(line) for path in fresh for line in gzip.decompress(path.read_bytes()).splitlines()]
    return sorted((line["box"], line["id"]) for line in lines)


def edit(*arguments: str) -> int:
    return main(["state", *arguments, "--why", "a test"])


def test_g1_an_edit_of_one_feed_leaves_the_others(boxes: Boxes, capsys: Any) -> None:
    """W4: what came to the others meanwhile is read from their own places, also when an older run is folded later."""
    assert night() == [("in", "a"), ("in", "b"), ("out", "x")]
    boxes.logs["out"].append("y")
    assert edit("set", "mail.toml", "messages", "--token", "1") == 2
    said = capsys.readouterr().err
    assert "several feeds" in said
    assert '--value TEXT. The feeds that are known: {"value":"in"}, {"value":"out"}.' in said
    assert edit("set", "mail.toml", "messages", "--token", "1", "--value", "inn") == 2
    assert "no feed of the value 'inn'" in capsys.readouterr().err
    assert edit("set", "mail.toml", "messages", "--token", "1", "--value", "in") == 0
    assert 'the feed of the items with {"value":"in"} goes on at a token of 1 character' in capsys.readouterr().err
    assert night() == [("in", "b"), ("out", "y")]
    assert edit("reset", "mail.toml", "messages", "--value", '{"value": "out"}') == 0
    assert 'begins anew of the items with {"value":"out"}: an edit says so' in capsys.readouterr().err
    boxes.logs["in"].append("c")
    assert night() == [("in", "c"), ("out", "x"), ("out", "y")]
    assert night() == []
    lookup = '{ from = { get = "/boxes", records = "rows", at = "box", pages = "single" } }'
    Path("mail.toml").write_text(Path("mail.toml").read_text().replace('{ list = ["in", "out"] }', lookup))
    assert edit("set", "mail.toml", "messages", "--token", "1", "--value", "inn") == 2, "no run has read it"
    assert "no feed of the value 'inn'" in capsys.readouterr().err
