"""Rules and expected counts of a source in Python: what a source file does with them, an `App` does too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haulier import Action, Api, App, Lookup, Rule, UsageError
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import RECORDS, Place
from tests.cli.test_python_source import GOOD, refusal, write

API = Api("https://api.example.com")
END = "rules=[Rule(Action.END, status=500)]"
COUNT = 'expect={"items": Lookup("/count", at="count")}'


@pytest.fixture(scope="module")
def failing() -> Iterator[SandboxProcess]:
    """An API that answers the page of one record with 500: the third page of the first item, from record 201 on."""
    with SandboxProcess(SandboxSettings(records=RECORDS, failing_ids=(240,))) as process:
        yield process


def declare(place: Place, url: str, *arguments: str) -> None:
    """Write the source in Python, with more arguments for its `App`."""
    place.name = "shop_source.py"
    text = GOOD.format(url=url).replace("import Api, ", "import Action, Api, Lookup, Rule, ")
    write(place.folder, text.replace("in_flight=8)", ", ".join(("in_flight=8)", *arguments))))


def test_a_rule_decides_ahead_of_the_table(place: Place, failing: SandboxProcess) -> None:
    """A 500 is asked for again, and then fails its item; the rule says that the list ends there."""
    declare(place, failing.url, END)
    said = place.run("run")
    assert (said.code, place.lines()) == (0, RECORDS - 50), said.err


@pytest.mark.parametrize("form", ["TOML", "Python"])
@pytest.mark.parametrize("lookup", [("/count", "count", 0), ("/items", "items.3.id", 1)])
def test_the_promised_count_is_held_against_the_records(
    place: Place, api: SandboxProcess, form: str, lookup: tuple[str, str, int]
) -> None:
    """G3: a run is complete where the API's own count says so, and partial where it says another one."""
    path, at, code = lookup
    if form == "TOML":
        place.write(api.url, expect=f'expect = {{ get = "{path}", at = "{at}" }}')
    else:
        declare(place, api.url, f'expect={{"items": Lookup("{path}", at="{at}")}}')
    said = place.run("run")
    assert (said.code, "items: 1,000 records, but the API promised 4" in said.err) == (code, bool(code)), said.err


@pytest.mark.parametrize("form", ["TOML", "Python"])
def test_a_count_that_is_none_is_refused_before_the_first_item(place: Place, api: SandboxProcess, form: str) -> None:
    if form == "TOML":
        place.write(api.url, expect='expect = { get = "/count", at = "total" }')
        name = "streams.items.expect"
    else:
        declare(place, api.url, COUNT.replace('at="count"', 'at="total"'))
        name = 'expect["items"]'
    said = place.run("run")
    assert said.code == 2
    assert f"{name}: GET /count was answered, but there is nothing at 'total'" in said.err
    assert "Correct `at` or the query." in said.err
    assert place.lines() == 0


def test_rules_and_counts_may_change_while_a_run_is_open(place: Place, failing: SandboxProcess) -> None:
    """As in a source file they shape no records, so that a run goes on under other ones."""
    declare(place, failing.url)
    place.toml.write_text(place.toml.read_text().replace("in_flight=8", "in_flight=1, max_requests=9"))
    assert place.run("run").code == 2, "no more requests are allowed"
    declare(place, failing.url, END, COUNT)
    said = place.run("run")
    assert (said.code, place.lines()) == (0, RECORDS - 50), said.err


def test_a_count_of_a_stream_that_there_is_not_is_refused(tmp_path: Path) -> None:
    text = GOOD.format(url="http://127.0.0.1:9").replace("import Api, ", "import Api, Lookup, ")
    text = text.replace("in_flight=8)", f"in_flight=8), {COUNT.replace('items', 'itmes')}")
    assert "expects a count of stream 'itmes', and has no such stream. It has: items." in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"rules": [{"status": 403}]},
            "rules of source 'shop': expected a Rule, found {'status': 403}. Write, for example: rules=[",
        ),
        (
            {"expect": {"items": 7}},
            "of source 'shop': expected a Lookup, found 7. Write where the API tells the number: expect={",
        ),
        ({"rules": 403}, "rules of source 'shop': expected a list of Rule, found 403."),
        ({"expect": ["items"]}, "expect of source 'shop': expected a dict of Lookup by stream, found ['items']."),
    ],
)
def test_what_is_no_rule_or_lookup_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        App("shop", api=API, **arguments)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"action": "paus", "status": 403}, "There is no action 'paus'. Write one of: ok, retry, retry_later, outage"),
        ({"action": "pause"}, "A rule without a condition would apply to every answer"),
        ({"action": "pause", "status": "403"}, "The status of a rule is '403'; expected a whole number of at least"),
        ({"action": "pause", "at": "error..code"}, "error..code"),
        ({"action": "pause", "text": ""}, "is empty, so it would apply to every answer"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        Rule(**arguments)
    assert said in str(refused.value)


def test_an_action_may_be_written_as_the_word_that_it_is_in_a_source_file() -> None:
    """It becomes the action itself, which is told from others by identity."""
    assert Rule("pause", status=403).action is Action.PAUSE  # type: ignore[arg-type]


@pytest.mark.parametrize("arguments", [{}, {"at": "count", "header": "X-Total-Count"}])
def test_a_lookup_reads_from_one_place(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="reads one value of /count: name its path in the body"):
        Lookup("/count", **arguments)
