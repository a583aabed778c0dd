"""What an API asks to wait, however it is written; a wait beyond a day; and `haulier resume`, which lifts it (G5)."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.conftest import Place
from tests.cli.test_politeness import api_state, stop, until
from tests.docs.fake_server import Asked, Reply, serving

RECORDS = 60
SOURCE = """
source = "shop"
lake = "lake"

[api]
url = "{url}"
in_flight = 4
{lines}

[streams.items]
get = "/items"
records = "items"
pages = {{ offset = "offset", limit = 10 }}
total = {{ at = "total", is = "exact" }}

[streams.items.full.ids]
query = {{ from = "{{start}}", to = "{{end}}" }}
last = {{ get = "/newest", at = "id" }}
step = 20
"""


@dataclass
class Api:
    """Answers its fourth request with a refusal, and then until it is told that it is well."""

    refusal: Callable[[], Reply]
    is_well: bool = False
    refusals: int = 1
    """How many in a row; below 0 until `is_well`."""
    asked: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(time.time())
        if asked.path == "/newest":
            return Reply({"id": RECORDS})
        if len(self.asked) >= 4 and not self.is_well and (self.refusals < 0 or len(self.refused) < self.refusals):
            self.refused.append(time.time())
            return self.refusal()
        low, high = asked.number("from"), asked.number("to")
        rows = [{"id": one} for one in range(low, min(high, RECORDS + 1))]
        start, limit = asked.number("offset"), asked.number("limit")
        return Reply({"items": rows[start : start + limit], "total": len(rows)})


@pytest.fixture
def serve(place: Place) -> Iterator[Callable[..., None]]:
    """Write the source file for an API that is served until the test ends."""
    with contextlib.ExitStack() as servers:

        def begin(api: Api, lines: str = "") -> None:
            url = servers.enter_context(serving(api.answer))
            place.toml.write_text(SOURCE.format(url=url, lines=lines))

        yield begin


def refused(status: int = 429, body: object = None, **headers: str) -> Reply:
    return Reply(body or {}, status, {name.replace("_", "-"): text for name, text in headers.items()})


def soon(seconds: float = 2.0) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


FORMS: dict[str, tuple[Callable[[], Reply], str]] = {
    "an epoch second": (lambda: refused(Retry_After=f"{soon().timestamp():.0f}"), ""),
    "an epoch millisecond": (lambda: refused(Retry_After=f"{soon().timestamp() * 1000:.0f}"), ""),
    "a time of RFC 3339": (lambda: refused(Retry_After=soon().isoformat()), ""),
    "milliseconds in their own header": (lambda: refused(retry_after_ms="2000", Retry_After="90000"), ""),
    "milliseconds, declared": (
        lambda: refused(Retry_After="2000"),
        'retry_after = { header = "Retry-After", unit = "ms" }',
    ),
    "another header": (lambda: refused(X_Wait="2"), 'retry_after = { header = "X-Wait" }'),
    "the body": (lambda: refused(body={"error": {"retry_in": 2}}), 'retry_after = { at = "error.retry_in" }'),
    "the body, in milliseconds": (
        lambda: refused(503, {"wait": "2000"}),
        'retry_after = { at = "wait", unit = "ms" }',
    ),
    "the body, as a moment": (
        lambda: refused(403, {"until": soon().timestamp()}),
        'retry_after = { at = "until" }',
    ),
    "an error under 200, by a rule": (
        lambda: refused(200, {"error": "slow down", "wait": 2}),
        'retry_after = { at = "wait" }\nrules = [{ status = 200, at = "error", action = "pause" }]',
    ),
    "a reset in milliseconds": (lambda: refused(403, X_RateLimit_Remaining="0", X_RateLimit_Reset_Ms="2000"), ""),
    "a reset as an epoch second in the draft's field": (
        lambda: refused(429, RateLimit=f'"default";r=0;t={soon().timestamp():.0f}'),
        "",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_wait_is_kept_however_it_is_written(place: Place, serve: Callable[..., None], form: str) -> None:
    """Two seconds are asked for: nobody comes sooner, nobody waits for years, and the run is complete."""
    reply, lines = FORMS[form]
    api = Api(reply)
    serve(api, lines)
    said = place.run("run")
    assert (said.code, place.lines()) == (0, RECORDS), said.err
    assert "an item failed" not in said.err
    (at,) = api.refused
    later = [moment - at for moment in api.asked if moment > at]
    # A whole second that was cut off when it was written may be missing. Requests already under way do not count, nor
    # one more for each, whose answer a busy machine may read before the refusal.
    assert 0.9 <= min(one for one in later if one > 0.3) < 8.0
    assert len([one for one in later if one <= 0.3]) <= 6


YEARS = f"{(datetime.now(UTC) + timedelta(days=4)).timestamp():.0f}"
LONG: dict[str, Callable[[], Reply]] = {
    "seconds": lambda: refused(Retry_After="345600"),
    "an epoch second": lambda: refused(Retry_After=YEARS),
    "what no calendar holds": lambda: refused(Retry_After="9" * 30),
    "a 500": lambda: refused(500, Retry_After="345600"),
    "a 403": lambda: refused(403, Retry_After="345600"),
    "a 409": lambda: refused(409, Retry_After="345600"),
}


@pytest.mark.parametrize("form", LONG)
def test_a_wait_of_more_than_a_day_is_for_a_person(place: Place, serve: Callable[..., None], form: str) -> None:
    """The worker stops with exit code 2 and says until when, why, and how to go on; nothing is charged. It asks no more
    when it is started again. `resume` lifts it, and the run goes on where it was."""
    api = Api(LONG[form], refusals=-1)
    serve(api)
    said = place.run("run")
    assert said.code == 2, said.err
    assert "The API asks everybody to wait until 20" in said.err
    assert "which is more than a day away" in said.err
    assert f"`haulier resume {place.toml}` lifts the pause before it" in said.err
    assert not list(place.lake.rglob("poison/*/*.json"))
    asked = len(api.asked)
    for again in ("run", "work"):
        said = place.run(again)
        assert said.code == 2
        assert "more than a day away" in said.err
    assert len(api.asked) == asked, "nobody asks meanwhile"
    found = place.run("status", "--json").json["api"]
    assert (found["state"], found["is_for_a_person"]) == ("paused", True)
    said = place.run("status")
    assert "all requests are paused until 20" in said.out
    assert "no worker waits that long" in said.out
    assert f"haulier resume {place.toml}" in said.out
    said = place.run("resume", "--json")
    assert said.code == 0
    assert said.json["state"] == "resumed"
    assert said.json["pause"]["reason"].startswith("status ")
    assert place.run("status", "--json").json.get("api", {}).get("state") != "paused"
    api.is_well = True
    began_at = time.monotonic()
    said = place.run("work")
    assert said.code == 0, said.err
    assert place.lines() == RECORDS
    assert time.monotonic() - began_at < 30.0, "no item waits on its own"


@pytest.mark.parametrize("words", [("run", "--new"), ("clear",)])
def test_neither_a_new_run_nor_an_empty_queue_lifts_it(
    place: Place, serve: Callable[..., None], words: tuple[str, ...]
) -> None:
    """What an API asked for outlives both; `status` says it, whatever became of the runs."""
    serve(Api(LONG["seconds"], refusals=-1))
    place.run("run")
    place.run(*words)
    said = place.run("status")
    assert "all requests are paused until 20" in said.out
    assert place.run("cancel").code == 0
    assert f"haulier resume {place.toml}" in place.run("status").out


def test_resume_says_where_nothing_is_paused(place: Place, serve: Callable[..., None]) -> None:
    api = Api(refused, is_well=True)
    serve(api)
    for _ in range(2):
        said = place.run("resume")
        assert (said.code, said.err) == (0, "Nothing was paused.\n")
        assert place.run("resume", "--json").json == {
            "state": "not_paused",
            "held": None,
            "pause": None,
            "outage": None,
        }
        assert place.run("run").code == 0


def test_a_running_worker_hears_of_it_within_a_beat(place: Place, serve: Callable[..., None]) -> None:
    """It waits for an hour that the API asked for; a person lifts it, and it goes on at once. Its own memory of the
    pause does not bring it back."""
    api = Api(lambda: refused(Retry_After="3600"), refusals=-1)
    serve(api)
    processes = [place.start("run"), place.start("work")]
    try:
        until(lambda: api_state(place).get("state") == "paused", 60.0)
        time.sleep(2.5)
        asked = len(api.asked)
        assert [process.poll() for process in processes] == [None, None]
        api.is_well = True
        said = place.run("resume")
        assert said.code == 0
        assert "The pause until 20" in said.err
        assert "(status 429) is lifted" in said.err
        until(lambda: len(api.asked) > asked, 20.0)
        assert all(process.wait(60) == 0 for process in processes)
        assert place.lines() == RECORDS
    finally:
        for process in processes:
            if process.poll() is None:
                stop(process)
            process.communicate()


def test_a_pause_that_is_asked_for_again_is_kept_again(place: Place, serve: Callable[..., None]) -> None:
    """`resume` is no licence: the API refuses once more, and everybody waits once more."""
    api = Api(lambda: refused(Retry_After="3600"), refusals=-1)
    serve(api)
    process = place.start("run")
    try:
        until(lambda: api_state(place).get("state") == "paused", 60.0)
        refusals = len(api.refused)
        assert place.run("resume").code == 0
        until(lambda: len(api.refused) > refusals, 60.0)
        until(lambda: api_state(place).get("state") == "paused", 60.0)
        time.sleep(2.5)
        assert api_state(place).get("state") == "paused"
        assert len(api.refused) <= refusals + 2
    finally:
        stop(process)


def test_resume_asks_an_api_that_was_down(place: Place, serve: Callable[..., None]) -> None:
    """The breaker is open, and its next question may be minutes away: by hand it is asked now."""
    api = Api(lambda: refused(503), refusals=-1)
    serve(api)
    process = place.start("run")
    try:
        until(lambda: api_state(place).get("state") == "down", 90.0)
        api.is_well = True
        said = place.run("resume")
        assert said.code == 0
        assert "The API had been down since 20" in said.err
        began_at = time.monotonic()
        assert process.wait(60) == 0
        assert time.monotonic() - began_at < 40.0
        assert place.lines() == RECORDS
    finally:
        if process.poll() is None:
            stop(process)
        process.communicate()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('retry_after = { unit = "ms" }', "`header` or `at` is missing."),
        ('retry_after = { at = "a", header = "b" }', "`header` and `at` cannot be used together."),
        ('retry_after = { at = "a", unit = "h" }', 'expected "s" or "ms", found "h".'),
        ('retry_after = { header = "X Wait" }', "'X Wait' is not a valid header name."),
        ('retry_after = "X-Wait"', "expected a table, found text."),
        ('retry_after = { heder = "X-Wait" }', "unknown key. Did you mean 'header'?"),
    ],
)
def test_a_wrong_declaration_is_said_with_its_key(
    place: Place, serve: Callable[..., None], line: str, words: str
) -> None:
    serve(Api(refused), line)
    said = place.run("run")
    assert said.code == 2
    assert "api.retry_after" in said.err
    assert words in said.err


def test_resume_needs_no_secret_and_no_api(place: Place, serve: Callable[..., None]) -> None:
    """A person at 3 a.m. may have neither."""
    serve(Api(refused), 'auth = { bearer = "${NO_SUCH_VARIABLE}" }')
    assert place.run("resume").code == 0
    assert place.run("resume", "--queue", "memory").code == 2
    assert json.loads(place.run("resume", "--json").out)["state"] == "not_paused"
