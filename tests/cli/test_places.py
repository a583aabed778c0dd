"""Where lake and queue are: a flag starts where it was typed, a key of the file at the file."""

import shlex
from pathlib import Path

import pytest

from haulier.cli.options import options_of
from tests.cli.conftest import RECORDS, Place


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which is not the source's; its name has to be quoted in a URL."""
    folder = tmp_path / "else where 100%25"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_keys_of_the_file_start_at_the_file(shop: Place, elsewhere: Path) -> None:
    """From wherever it is started, by cron for one, the source has one lake and one queue."""
    assert shop.run("run").code == 0
    assert names(shop.folder) == {"shop.toml", "lake", ".haulier", elsewhere.name}
    assert names(elsewhere) == set()


def test_flags_start_at_the_current_folder(shop: Place, elsewhere: Path) -> None:
    """As for every other tool, and in its child processes too."""
    flags = ("--lake", "bronze", "--queue", "sqlite:///q/queue.sqlite3")
    (elsewhere / "q").mkdir()
    said = shop.run("run", *flags, "--workers", "1")
    assert said.code == 0, said.err
    assert names(elsewhere) == {"bronze", "q"}
    assert (elsewhere / "q" / "queue.sqlite3").exists()
    assert names(shop.folder) == {"shop.toml", elsewhere.name}
    assert shop.run("status", "--json", *flags).json["records"] == RECORDS


def test_variables_start_at_the_current_folder(shop: Place, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are flags that need not be typed."""
    monkeypatch.setenv("HAULIER_LAKE", "../bronze")
    monkeypatch.setenv("HAULIER_QUEUE", "sqlite:///queue.sqlite3")
    assert shop.run("run").code == 0
    assert names(shop.folder) == {"shop.toml", "bronze", elsewhere.name}
    assert "queue.sqlite3" in names(elsewhere)


def test_the_word_sqlite_is_the_sources_own_queue(shop: Place, elsewhere: Path) -> None:
    """It names no file: the same queue, wherever it is typed."""
    assert shop.run("enqueue").code == 0
    assert shop.run("work", "--queue", "sqlite").code == 0
    assert names(elsewhere) == set()


def test_what_is_to_be_typed_next_may_be_typed_anywhere(
    shop: Place, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A suggested command names the lake that it is about, not one beside whoever types it."""
    said = shop.run("enqueue", "--lake", "bronze", "--queue", "sqlite:///queue.sqlite3")
    _, command, source, *flags = shlex.split(said.err.rpartition("Work them with: ")[2])
    assert (command, source) == ("work", str(shop.toml))
    monkeypatch.chdir("/")
    assert shop.run("work", *flags).code == 0
    assert shop.run("status", *flags).code == 0


@pytest.mark.parametrize(
    "lake",
    [
        *("/data/lake", "~/lake", "file:///data/lake", "s3://bucket/lake", "az://container/lake", ""),
        "abfss://container@account.dfs.core.windows.net/lake",
    ],
)
def test_what_is_not_relative_is_left_as_it_is(elsewhere: Path, lake: str) -> None:
    assert options_of(lake, None).lake == lake


@pytest.mark.parametrize(
    "queue", ["sqlite", "memory", "sqlite:////data/q.sqlite3", "sqlite:///%2Fdata/q.sqlite3", "azure-queue://a/q", ""]
)
def test_what_names_no_relative_file_is_left_as_it_is(elsewhere: Path, queue: str) -> None:
    assert options_of(None, queue).queue == queue


def test_a_queue_that_lacks_its_fourth_slash_is_refused(shop: Place, elsewhere: Path) -> None:
    """`sqlite:///usr/queue.sqlite3` would become a folder here, lost with its container."""
    said = shop.run("status", "--queue", "sqlite:///usr/queue.sqlite3")
    assert said.code == 2
    assert f"is relative to {elsewhere}, where there is no 'usr', but /usr exists" in said.err
    assert "sqlite:////usr/queue.sqlite3" in said.err
