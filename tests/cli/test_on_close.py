"""`on_close` and `--on-close`: a command of the person's that gets each verdict."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from typing import Any

import pytest

from haulier.testing.sandbox import SandboxProcess
from tests.cli.conftest import Place

HOOK = """#!{python}
import json, os, pathlib, sys, time
folder = pathlib.Path.cwd()
heard = json.load(sys.stdin) | {{
    "words": sys.argv[1:], "env": [os.environ["HAULIER_RUN_ID"], os.environ["HAULIER_STATE"]],
}}
with (folder / "heard.ndjson").open("a") as file:
    file.write(json.dumps(heard) + "\\n")
print("a line before")
print("heard of", heard["state"], "with s3cret-token")
while (folder / "hang").exists():
    time.sleep(0.05)
sys.exit(3 if (folder / "fail").exists() else 0)
"""


@pytest.fixture
def hooked(place: Place, api: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A source whose `on_close` writes down what it hears, beside it, with a credential that its output repeats."""
    monkeypatch.setenv("HOOK_TOKEN", "s3cret-token")
    place.write(api.url)
    place.toml.write_text('on_close = ["hook.py", "${HOOK_TOKEN}"]\n' + place.toml.read_text())
    hook = place.folder / "hook.py"
    hook.write_text(HOOK.format(python=sys.executable))
    hook.chmod(0o755)
    return place


def heard(place: Place) -> list[Any]:
    file = place.folder / "heard.ndjson"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def told(place: Place) -> list[Any]:
    return [json.loads(path.read_text()) for path in sorted(place.lake.rglob("told"))]


def test_the_command_hears_what_json_prints_and_its_failure_changes_nothing(hooked: Place) -> None:
    """G7: the same document, once for each verdict; its exit code and last line are kept and said, without a secret."""
    (hooked.folder / "fail").touch()
    said = hooked.run("run", "--json", "--log-file", str(hooked.folder / "log"))
    assert said.code == 0, "the run is complete, whatever the command does"
    (document,) = heard(hooked)
    run_id = said.json["run_id"]
    assert (document.pop("words"), document.pop("env")) == (["s3cret-token"], [run_id, "complete"])
    assert document == said.json
    (line,) = [json.loads(line) for line in (hooked.folder / "log").read_text().splitlines() if "on_close" in line]
    assert (line["level"], line["exit_code"], line["command"]) == ("warning", 3, "hook.py")
    assert line["last_line"] == "heard of complete with ***"
    assert "s3cret-token" not in said.err + said.out + "".join(map(str, told(hooked)))
    assert told(hooked)[0]["exit_code"] == 3

    for command in ("wait", "verify", "status"):
        hooked.run(command)
    assert len(heard(hooked)) == 1, "who looks at a closed run tells nothing"

    assert hooked.run("enqueue").code == 0
    assert hooked.run("cancel").code == 0
    assert heard(hooked)[1]["state"] == "cancelled"


def test_a_machine_without_room_for_what_it_hears_changes_nothing(
    hooked: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hooked.run("enqueue").code == 0
    monkeypatch.setattr(tempfile, "tempdir", str(hooked.folder / "gone"))
    said = hooked.run("cancel")
    assert (said.code, "on_close failed; the run stays as it is" in said.err) == (0, True), said.err
    assert heard(hooked) == []
    assert "has no place on this machine" in told(hooked)[0]["problem"]


def test_a_typed_command_takes_its_place_also_in_a_fleet(hooked: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """From where it is typed, word by word and without a shell; children are told of it."""
    elsewhere = hooked.folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    said = hooked.run("run", "--workers", "2", "--on-close", f"{hooked.folder}/hook.py 'two words' $HOME")
    assert said.code == 0, said.err
    (document,) = [json.loads(line) for line in (elsewhere / "heard.ndjson").read_text().splitlines()]
    assert document["words"] == ["two words", "$HOME"]
    assert heard(hooked) == []
    missing = hooked.run("run", "--on-close", "no-such-command")
    assert missing.code == 0
    assert f"there is no no-such-command on the PATH or in {elsewhere}" in missing.err
    assert hooked.run("run", "--on-close", "'").code == 2


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda number: signal.Signals(number).name)
def test_a_process_that_ends_while_it_tells_is_followed_by_the_next(hooked: Place, number: signal.Signals) -> None:
    """At least once: the next process that looks at the run calls the command again."""
    (hooked.folder / "hang").touch()
    telling = hooked.start("run")
    deadline = time.monotonic() + 30
    while not heard(hooked) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(telling.pid, number)
    _, err = telling.communicate(timeout=30)
    (hooked.folder / "hang").unlink()
    assert told(hooked) == [], err
    said = hooked.run("verify", "--json")
    assert (said.code, said.json["state"]) == (0, "complete")
    assert [document["state"] for document in heard(hooked)] == ["complete", "complete"]
    assert [one["exit_code"] for one in told(hooked)] == [0]
    hooked.run("verify")
    assert len(heard(hooked)) == 2


def test_a_wrong_on_close_is_refused_with_what_to_write(hooked: Place) -> None:
    text = hooked.toml.read_text()
    for wrong in ('"./alert.sh"', "[]", '[""]', "[1]"):
        hooked.toml.write_text(text.replace('["hook.py", "${HOOK_TOKEN}"]', wrong))
        said = hooked.run("status")
        assert said.code == 2
        assert "on_close" in said.err
        assert 'Write, for example: on_close = ["./alert.sh"]' in said.err
    python = hooked.folder / "source.py"
    python.write_text('from haulier import Api, App\n\napp = App("shop", api=Api("http://x"), on_close="./alert.sh")\n')
    hooked.name = python.name
    assert 'on_close=["./alert.sh", "nightly"]' in hooked.run("status").err


def test_a_trial_is_told_to_a_command_that_was_typed_alone(hooked: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of the source may start the next job, for which a trial is no snapshot. Who tries it out types it."""
    assert hooked.run("run", "--max-items", "1").code == 0
    assert (heard(hooked), told(hooked)) == ([], [])
    hooked.run("status")
    typed = f"{hooked.folder / 'hook.py'} typed"
    monkeypatch.chdir(hooked.folder)
    assert hooked.run("run", "--max-items", "1", "--on-close", typed).code == 0
    (document,) = heard(hooked)
    assert (document["mode"], document["words"]) == ("trial", ["typed"])
