"""docs/apis/feeds.md: its source files, night after night. The files' full runs are in `test_apis_pages`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from haulier.cli.main import main
from tests.docs.fake_feeds import Calendar, ChangeLog, Couch, Directory, Rates
from tests.docs.fake_server import serving
from tests.docs.test_apis_pages import RECIPES, saved


class Nights:
    """Incremental runs of one recipe, one after the other."""

    def __init__(self, file: Path, stream: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.file = str(file)
        self.stream = stream
        self._capsys = capsys
        self._known: set[Path] = set()

    def run(self, *, code: int = 0) -> list[dict[str, Any]]:
        """Work one, and return the records that it added to the lake."""
        assert main(["run", self.file, "incremental"]) == code
        folder = Path(self.file).parent / "lake"
        found = {*folder.glob(f"*/{self.stream}/mode=incremental/*/*.gz")} - self._known
        self._known |= found
        return [json.loads(line) for path in sorted(found) for line in gzip.decompress(path.read_bytes()).splitlines()]

    def place(self) -> dict[str, Any]:
        """Where the feed goes on, as `haulier state show` says."""
        self._capsys.readouterr()
        assert main(["state", "show", self.file, "--json"]) == 0
        (place,) = json.loads(self._capsys.readouterr().out)["streams"][self.stream]["feeds"]
        return dict(place)


@pytest.fixture
def nights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, str, str], Nights]:
    return lambda name, stream, url: Nights(saved(RECIPES[name], url, tmp_path, monkeypatch), stream, capsys)


@pytest.mark.parametrize(("name", "stream", "cls"), [("calendar", "events", Calendar), ("couch", "changes", Couch)])
def test_each_night_reads_what_the_one_before_had_not(
    name: str, stream: str, cls: type[ChangeLog], nights: Callable[[str, str, str], Nights]
) -> None:
    """W7: the first run reads all, the next ones what was changed and deleted since, each change once."""
    api = cls()
    with serving(api.answer) as url:
        each = nights(name, stream, url)
        assert each.run() == api.changes
        api.put(2, "another name")
        api.remove(3)
        assert each.run() == api.changes[-2:]
        assert each.run() == []


def test_a_delta_link_that_expired_lets_the_feed_begin_anew(
    nights: Callable[[str, str, str], Nights], capsys: pytest.CaptureFixture[str]
) -> None:
    """W7: nothing is skipped in silence. All of it is read, and that is said; the run after it goes on from there."""
    api = Directory()
    with serving(api.answer) as url:
        each = nights("directory", "users", url)
        assert each.run() == api.changes
        first = each.place()
        api.put(8, "new")
        assert each.run() == api.changes[-1:]
        assert each.place()["run_id"] != first["run_id"] == each.place()["began"]
        api.oldest = 100
        api.remove(8)
        assert each.run() == api.changes
        assert "1 feed of users began anew, since the API did not go on" in capsys.readouterr().err
        assert main(["status", each.file, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["feeds_anew"] == {"users": 1}
        assert each.place()["has_expired"]
        api.oldest = 0
        for number in range(9, 19):
            api.put(number, "newer")
        assert each.run() == api.changes[-10:]
        for number in range(9, 19):
            api.remove(number)
        assert each.run() == api.changes[-10:]
        # Of deletions alone, that they have no names is no news.
        assert "another shape" not in capsys.readouterr().err


def test_a_person_says_where_a_feed_goes_on(
    nights: Callable[[str, str, str], Nights], capsys: pytest.CaptureFixture[str]
) -> None:
    """W7: an edit holds for the next run; what it says is nowhere shown in full."""
    api = Directory()
    with serving(api.answer) as url:
        each = nights("directory", "users", url)
        link = f"{url}/v1.0/users/delta?$deltatoken=t5"
        assert main(["state", "set", each.file, "users", "--until", "2026-01-01T00:00:00Z", "--why", "x"]) == 2
        assert "read a feed. Write where it goes on: --token TEXT, and no --until." in capsys.readouterr().err
        assert main(["state", "set", each.file, "users", "--token", link, "--why", "the API was moved", "--json"]) == 0
        assert main(["state", "show", each.file]) == 0
        shown = "".join(capsys.readouterr())
        assert f"where an edit says: a token of {len(link)} characters" in shown
        assert "deltatoken" not in shown
        assert each.run() == api.changes[5:]


def test_an_answer_that_did_not_change_adds_nothing(nights: Callable[[str, str, str], Nights]) -> None:
    """An incremental run asks with the validator of the one before; 304 is an item without records."""
    api = Rates()
    with serving(api.answer) as url:
        each = nights("exchange", "rates", url)
        assert each.run() == api.records
        assert each.run() == []
        assert each.run() == []
        api.version = 2
        assert each.run() == api.records
        assert {*api.statuses} == {200, 304}
