"""What is printed for people: commands to go on with, one of a thing and many, one stop at the end of a sentence."""

from __future__ import annotations

import shlex
import signal

import pytest

from haulier.api.errors import Action, ApiError
from haulier.app.open_source import Options
from haulier.cli.command_lines import typed_command
from haulier.errors import sentence
from haulier.plurals import are, count_of, have, were
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from haulier.worker.first_items import explain_broken_source, explain_refusal
from haulier.worker.settings import WorkerSettings
from tests.cli.conftest import RECORDS, Place


def test_a_command_to_go_on_with_works_in_the_same_way() -> None:
    """What was said goes along; what is so anyway does not."""
    worker = WorkerSettings(lease_seconds=30.0, grace_seconds=5.5)
    said = typed_command("run", "shop.toml", Options("lake", "sqlite", worker, is_fixed=True), "full")
    places = ["--lake", "lake", "--queue", "sqlite"]
    manner = ["--lease", "30", "--grace", "5.5", "--fixed"]
    assert shlex.split(said) == ["haulier", "run", "shop.toml", "full", *places, *manner]
    assert typed_command("run", "shop.toml", Options()) == "haulier run shop.toml"


def test_an_interrupted_run_says_how_to_go_on_as_it_was_begun(place: Place) -> None:
    """Whoever types what it says has the same lease, grace and flights; and the sentence before it has one stop."""
    with SandboxProcess(SandboxSettings(records=20_000, latency_seconds=0.05)) as api:
        place.write(api.url)
        process = place.start("run", "--fixed", "--lease", "20", "--grace", "0.1")
        assert process.stderr is not None
        while "shard" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=90)
        (line,) = [line for line in err.splitlines() if line.startswith("Go on with: ")]
        assert line.endswith(f"{place.toml} full --lease 20 --grace 0.1 --fixed"), err
        (why,) = [line for line in err.splitlines() if "is not finished" in line]
        assert why.endswith(".")
        assert not why.endswith("..")


def test_a_run_that_stops_says_why_with_one_stop(place: Place) -> None:
    """The reason is a sentence itself."""
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        place.write(api.url, in_flight="in_flight = 8\nmax_requests = 9")
        said = place.run("run")
    assert "what is done is kept.\n" in said.err


def test_one_is_not_many() -> None:
    assert [count_of(count, "item") for count in (0, 1, 2, 1_000)] == ["0 items", "1 item", "2 items", "1,000 items"]
    assert [are(count) for count in (0, 1, 2)] == ["are", "is", "are"]
    assert [have(count) for count in (0, 1, 2)] == ["have", "has", "have"]
    assert [were(count) for count in (0, 1, 2)] == ["were", "was", "were"]


def test_one_item_with_one_record_is_said_so(place: Place) -> None:
    """Plan, cost, verdict and status of the smallest run there is."""
    with SandboxProcess(SandboxSettings(records=1)) as api:
        place.write(api.url)
        planned = place.run("enqueue")
        rest = place.run("run")
        status, verify = place.run("status"), place.run("verify")
    assert rest.code == 0, rest.err
    assert "  1 item in 1 shard\n" in planned.err
    assert "  at least 1 request: " in planned.err
    assert "  items: the API promises 1 record\n" in planned.err
    assert "is enqueued: 1 item. " in planned.err
    assert "  1 of 1 item is left\n" in rest.err
    assert "is complete: 1 record in 1 object.\n" in rest.err
    assert "  items: 1 record, as the API promised (1)\n" in rest.err
    assert ", by 1 request\n" in status.out + status.err
    assert "  reread   1 object, 1 record, " in verify.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It asks too much", "It asks too much."),
        ("Check path, query and rights.", "Check path, query and rights."),
        ("GET /x: status 403. The answer begins: no\n", "GET /x: status 403. The answer begins: no."),
        ("Who else cleans there?", "Who else cleans there?"),
        ("a b ...", "a b ..."),
        (ValueError("no"), "no."),
    ],
)
def test_a_sentence_has_one_stop(text: object, said: str) -> None:
    assert sentence(text) == said


@pytest.mark.parametrize("text", ["status 404. Check the path.", "status 404. The answer begins: no"])
def test_what_a_worker_ends_with_is_made_of_sentences(text: str) -> None:
    """The API's own words may end in anything, and stand behind what is to be done."""
    error = ApiError(text, action=Action.POISON, status=404)
    said = str(explain_broken_source("items", error))
    assert said.endswith(f"Correct the source, then run it again. What failed: {text.rstrip('.')}.")
    assert "is of kind 'items'. Nothing was counted against the items. " in said
    assert str(explain_refusal("items", error)).endswith(f"What was refused, of kind 'items': {text.rstrip('.')}.")


def test_who_wrote_a_processor_is_asked_about_it() -> None:
    """A source file has none."""
    assert "does its processor find what it needs here?" in str(explain_broken_source("items", KeyError("price")))


def test_what_an_import_raises_may_end_in_a_stop(place: Place) -> None:
    path = place.folder / "mine.py"
    path.write_text('raise RuntimeError("the licence has run out.")\n')
    place.name = "mine.py"
    said = place.run("run")
    assert said.code == 2
    assert "RuntimeError: the licence has run out.\n" in said.err
