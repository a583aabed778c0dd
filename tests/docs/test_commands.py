"""The command line, and what the README and the help say of it, are the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from haulier.cli.main import COMMANDS, EPILOG, haulier, main
from tests.docs.pages import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
RUNNING = (ROOT / "docs/running.md").read_text(encoding="utf-8")
CODES = range(5)
READERS = [
    *((name,) for name in ("status", "wait", "verify", "latest", "runs", "plan", "try", "doctor")),
    *(("poison", "list"), ("poison", "show"), ("state", "show")),
]


def command_at(*names: str) -> click.Command:
    """The command of that name, or of that name in a group."""
    found: click.Command = haulier
    for name in names:
        assert isinstance(found, click.Group)
        inner = found.get_command(click.Context(found), name)
        assert inner is not None, name
        found = inner
    return found


def all_commands() -> Iterator[tuple[str, ...]]:
    """Every command line up to its arguments: `run`, `poison list`."""
    for name in COMMANDS:
        yield (name,)
        command = command_at(name)
        if isinstance(command, click.Group):
            yield from ((name, inner) for inner in command.list_commands(click.Context(command)))


def rows() -> dict[str, tuple[str, str]]:
    """The README's table of commands: name to the line as it is typed, and what it does."""
    table = re.findall(r"^\| `haulier ([a-z]+)([^`]*)` \| (.+) \|$", README, re.MULTILINE)
    return {name: (rest.replace("\\|", "|"), does) for name, rest, does in table}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_said_in_the_same_words_everywhere(name: str) -> None:
    """The README, the list of commands and the command's own help have one sentence for it."""
    assert command_at(name).short_help == COMMANDS[name]
    assert name in rows(), f"the README's table of commands has no row for {name}"
    assert rows()[name][1] == COMMANDS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_types_a_command_as_it_is(name: str) -> None:
    """Arguments and commands within the command, as its usage has them."""
    command, typed = command_at(name), rows()[name][0].split()
    if isinstance(command, click.Group):
        inner = sorted(command.list_commands(click.Context(command)))
        assert sorted(typed[0].split("|")) == inner
        typed = typed[1:]
        command = command_at(name, inner[0])
    wanted = [each for each in command.params if isinstance(each, click.Argument) and each.nargs == 1]
    assert typed == [each.make_metavar(click.Context(command)) for each in wanted][: len(typed)]
    assert len(typed) == len(wanted) or isinstance(command_at(name), click.Group)


def test_the_readme_has_no_command_that_there_is_not() -> None:
    """A command is listed only once it works."""
    assert [*rows()] == [*COMMANDS]


@pytest.mark.parametrize("names", [(), *all_commands(), ("isolate",)], ids=" ".join)
def test_help_is_answered(names: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Every help is printed, ends with exit code 0, and says what the command does."""
    assert main([*names, "--help"]) == 0
    text = capsys.readouterr().out
    assert "usage: " in text.lower()
    assert len(text.splitlines()) > 3


@pytest.mark.parametrize("names", [*all_commands()], ids=" ".join)
def test_every_option_is_explained(names: tuple[str, ...]) -> None:
    """In the command's own help, or in docs/running.md."""
    for option in command_at(*names).params:
        if isinstance(option, click.Option) and not option.hidden:
            name = max(option.opts, key=len)
            assert option.help or f"`{name}" in RUNNING, f"nothing explains {' '.join(names)} {name}"


def test_options_that_running_names_exist() -> None:
    """docs/running.md and the README name no option that no command takes."""
    known = {name for names in all_commands() for option in command_at(*names).params for name in option.opts}
    known |= {"--help", "--version"}
    for text in (README, RUNNING):
        named = set(re.findall(r"`(?:haulier [^`]*)?(--[a-z-]+)", text))
        assert named <= known, named - known


@pytest.mark.parametrize("names", READERS, ids=" ".join)
def test_every_command_that_reads_takes_json(names: tuple[str, ...]) -> None:
    """As the README and docs/running.md promise."""
    assert "--json" in {name for option in command_at(*names).params for name in option.opts}


@pytest.mark.parametrize("text", [README, RUNNING, EPILOG], ids=["README", "running", "help"])
def test_every_exit_code_is_explained(text: str) -> None:
    """0 to 4 stand in the README, in docs/running.md, and at the end of `haulier --help`."""
    assert "exit codes" in text.lower()
    for code in CODES:
        assert re.search(rf"\b{code}\b", text.lower().partition("exit codes")[2])
