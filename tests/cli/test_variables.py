"""Variables take the place of options (docs/running.md#variables), so that one image serves every place."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from haulier.cli.main import main
from haulier.cli.variables import SOURCE_VARIABLE, VariableOption
from tests.cli.conftest import RECORDS, Place, Said
from tests.docs.pages import ROOT
from tests.docs.test_commands import all_commands, command_at

PAGE = (ROOT / "docs/running.md").read_text(encoding="utf-8")


def typed(place: Place, line: str) -> Said:
    """A command line as it stands, in this process."""
    place.capsys.readouterr()
    code = main(shlex.split(line))
    captured = place.capsys.readouterr()
    return Said(code, captured.out, captured.err)


@pytest.fixture
def named(shop: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The environment says which source is meant."""
    monkeypatch.chdir(shop.folder)
    monkeypatch.setenv(SOURCE_VARIABLE, "shop.toml")
    return shop


def options_with_variables() -> Iterator[tuple[str, str]]:
    """Variable and option, of every command."""
    for names in all_commands():
        for parameter in command_at(*names).params:
            if parameter.envvar is not None:
                is_option = isinstance(parameter, click.Option)
                yield str(parameter.envvar), max(parameter.opts, key=len) if is_option else "SOURCE"


def test_the_page_lists_every_variable_with_its_option() -> None:
    """docs/running.md says what may be set, and no more than there is."""
    section = PAGE.partition("\n## Variables\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `(HAULIER_[A-Z_]+)` \| `?(--[a-z-]+|SOURCE)", section, re.MULTILINE)
    assert set(listed) == set(options_with_variables())
    assert len(listed) == len(set(listed))


def test_every_such_option_shows_its_variable() -> None:
    """In its help, on every command that has it."""
    for names in all_commands():
        for parameter in command_at(*names).params:
            if isinstance(parameter, VariableOption):
                extra = parameter.get_help_extra(click.Context(command_at(*names)))
                assert extra["envvars"] == (parameter.envvar,)


def test_one_image_needs_no_arguments(named: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same words enqueue, work, show and read, whatever differs between places."""
    for name, value in {"LAKE": "bronze", "EXIT_IDLE": "1", "LEASE": "5", "GRACE": "2.5", "FIXED": "yes"}.items():
        monkeypatch.setenv(f"HAULIER_{name}", value)
    assert typed(named, "enqueue").code == 0
    assert typed(named, "work").code == 0
    assert typed(named, "status --json").json["records"] == RECORDS
    assert (named.folder / "bronze").is_dir()
    assert not named.lake.exists()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("run incremental", "No stream of source 'shop' takes part in an incremental run"),
        ("latest nothing", "no stream 'nothing'"),
        ("poison show some-key", "has no run in this lake yet"),
        ("run other.toml", "other.toml"),
        ("status shop", "'shop' is none of these"),
        ("poison discard some-key other-key --reason failed --why x", "in several ways"),
    ],
)
def test_what_is_typed_follows_the_source(named: Place, line: str, says: str) -> None:
    """Modes, streams and keys keep their places; a source that is typed goes before the variable."""
    said = typed(named, line)
    assert said.code == 2
    assert says in said.err


def test_a_missing_source_is_told_of_the_variable(shop: Place) -> None:
    said = typed(shop, "status")
    assert said.code == 2
    assert SOURCE_VARIABLE in said.err


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HAULIER_LEASE", "abc", "expected a number of seconds from 1 to 604,800, found 'abc'"),
        ("HAULIER_LEASE", "0.5", "expected a number of seconds from 1 to 604,800, found '0.5'"),
        ("HAULIER_LEASE", "nan", "expected a number of seconds"),
        ("HAULIER_GRACE", "inf", "expected a number of seconds from 0 to 86,400, found 'inf'"),
        ("HAULIER_FIXED", "maybe", "expected 1 (yes) or 0 (no), found 'maybe'"),
        ("HAULIER_EXIT_IDLE", "2", "expected 1 (yes) or 0 (no), found '2'"),
        ("HAULIER_ON_CLOSE", "a 'b", "is no command line"),
        ("HAULIER_QUEUE", "rabbit://host", "A queue of kind 'rabbit' is not supported"),
        ("HAULIER_QUEUE", "sqlite:///tmp/q.sqlite3", "for the absolute path"),
        ("HAULIER_LAKE", "s3://bucket", "is not supported"),
    ],
)
def test_a_bad_value_is_said_by_the_name_of_its_variable(
    named: Place, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    """Nobody typed an option: one message names what is to be changed, and nothing was begun."""
    monkeypatch.setenv(name, value)
    said = typed(named, "work --exit-idle" if name != "HAULIER_EXIT_IDLE" else "work")
    assert said.code == 2
    assert f"{name}: " in said.err
    assert says in said.err
    assert not named.lake.exists()


@pytest.mark.parametrize("flag", ["--lease nan", "--grace inf", "--grace 1e9", "--lease 1e9", "--wait 1e12"])
def test_time_that_never_ends_is_refused(named: Place, flag: str) -> None:
    """A lease of nan seconds would be lost at once, and a grace without end cannot be stopped."""
    assert typed(named, f"work {flag}").code == 2


def test_empty_variables_count_as_unset(named: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Templates of platforms leave them empty rather than out."""
    for name in ("LAKE", "QUEUE", "LEASE", "GRACE", "FIXED", "EXIT_IDLE", "ON_CLOSE"):
        monkeypatch.setenv(f"HAULIER_{name}", "")
    assert typed(named, "run").code == 0
    assert named.lines() == RECORDS
    monkeypatch.setenv(SOURCE_VARIABLE, "")
    assert "Missing argument 'SOURCE'" in typed(named, "status").err


def test_children_of_a_fleet_do_not_leave_when_idle(named: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """`HAULIER_EXIT_IDLE` is about workers that are started by themselves: these wait for the plan of their parent."""
    monkeypatch.setenv("HAULIER_EXIT_IDLE", "1")
    monkeypatch.setenv("HAULIER_ON_CLOSE", "touch closed")
    said = typed(named, "run --workers 2")
    assert said.code == 0, said.err
    assert named.lines() == RECORDS
    assert (named.folder / "closed").exists()


def test_whoever_closes_calls_the_command_of_the_variable(named: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """`cancel` has no such option, and calls it too; a trial is not told of, as by the source's own `on_close`."""
    monkeypatch.setenv("HAULIER_ON_CLOSE", "touch closed")
    assert typed(named, "run --max-items 1").code == 0
    assert not (named.folder / "closed").exists()
    assert typed(named, "enqueue").code == 0
    assert typed(named, "cancel").code == 0
    assert (named.folder / "closed").exists()
