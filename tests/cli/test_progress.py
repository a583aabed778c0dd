"""The bar on a terminal: whoever works shows it, and it says what goes on between the workers and the API."""

import asyncio
import json
import os
import re
import signal
import subprocess

import pytest

from haulier.cli.progress_reader import OpenRunsReader
from haulier.clock import SystemClock
from haulier.lake.local.lake import LocalLake
from haulier.runs.ledger import Progress
from haulier.runs.run import list_runs
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import RECORDS, Place
from tests.cli.terminal import terminal

RAISING = """
from collections.abc import AsyncIterator
from dataclasses import dataclass

from haulier import Api, App, Context, WorkItem

app = App("mine", api=Api("http://127.0.0.1:9"))


@dataclass(frozen=True)
class Number(WorkItem, stream="numbers", kind="number"):
    n: int


@app.enumerate("full")
async def numbers(ctx: Context) -> AsyncIterator[WorkItem]:
    for n in range(6):
        yield Number(n)


class Refusal(Exception):
    def __str__(self) -> str:
        return "no \\x1b[31mcustomer"


@app.processor(Number)
async def number(item: Number, ctx: Context) -> AsyncIterator[list[dict[str, int]]]:
    if item.n == 0:
        yield [{"n": 1}]
    else:
        raise Refusal
"""

SLOW = SandboxSettings(records=RECORDS, latency_seconds=0.4)


@pytest.mark.parametrize("words", [("run",), ("run", "--workers", "2"), ("work",)])
def test_whoever_works_shows_a_bar(place: Place, words: tuple[str, ...]) -> None:
    """Items, records, requests in flight and retries: in this process, in children, or beside any other worker."""
    with SandboxProcess(SLOW) as api:
        place.write(api.url, in_flight="in_flight = 2")
        assert place.run("enqueue").code == 0
        api.change(error_rate_500=0.2)
        command, *flags = words
        with terminal(place.folder, command, str(place.toml), *flags) as seen:
            seen.until(r"/5 items")
            seen.until(r"records, [0-9,]+/s, [1-2] in flight, [0-9]+ retr(y|ies)")
            seen.until(r"in flight, [1-9][0-9]* retr(y|ies)")
            api.change(error_rate_500=0.0, latency_seconds=0.0)
            seen.until(r"5/5 items")
            assert seen.end() == 0, seen.drawn
    assert place.run("status", "--json").json["state"] == "complete"


def test_a_worker_logs_its_own_progress_where_no_bar_is_drawn(shop: Place) -> None:
    """What it did itself: fifty containers would each read what all of them wrote. Nothing where it did nothing."""
    shop.run("enqueue")
    said = shop.run("work")
    assert said.code == 0, said.err
    (line,) = [json.loads(line) for line in said.err.splitlines() if '"event":"progress' in line]
    assert (line["event"], line["done"], line["records"]) == ("progress of this worker", 5, RECORDS)
    assert (line["items_in_work"], line["requests_in_flight"], line["poisoned"]) == (0, 0, 0)
    assert line["records_per_second"] > 0
    assert "progress" not in shop.run("work", "--exit-idle").err


def test_bar_status_and_closing_words_count_failures_alike(place: Place) -> None:
    """Requests that were sent again and items that came again, of all workers, a killed one's too: the same words, the
    same number, and the same newest cause, wherever a person or a program looks."""
    with SandboxProcess(SandboxSettings(records=RECORDS, latency_seconds=0.1)) as api:
        place.write(api.url, in_flight="in_flight = 4")
        assert place.run("enqueue").code == 0
        api.change(error_rate_500=1.0)
        with terminal(place.folder, "run", str(place.toml), "--workers", "2", "--grace", "0.1") as seen:
            seen.until(r"in flight, [1-9][0-9]* retries")
            seen.until(r"newest failure: GET http://[0-9.:]+/items[^\n]*: status 500")
            before = place.run("status", "--json").json
            assert before["retries"] > 0
            assert "status 500" in before["newest_failure"]["cause"]
            seen.process.send_signal(signal.SIGINT)
            assert seen.end() == 4, seen.drawn
            (retries,) = re.findall(r"\n  retries  ([0-9]+): [0-9]+ status 500\r?\n", seen.drawn)
            (failure,) = re.findall(r"\n  failure  ([0-9T:Z-]+), the newest: (GET [^\r\n]+status 500)", seen.drawn)
            assert failure[1].startswith("GET http://")
            last_drawn = re.findall(r"in flight, ([0-9]+) retries", seen.drawn)[-1]
        after = place.run("status", "--json").json
        assert str(after["retries"]) == retries == last_drawn
        assert after["retries"] >= before["retries"]
        assert f"  retries  {retries}: {retries} status 500\n" in place.run("status").out
        assert after["retries_by_cause"] == {"status 500": int(retries)}
        api.change(error_rate_500=0.0, latency_seconds=0.0)
        said = place.run("run", "--json")
    assert said.code == 0, said.err
    assert said.json["retries"] == place.run("status", "--json").json["retries"] >= after["retries"]
    assert f"  retries  {said.json['retries']}: " in said.err


def test_a_worker_that_is_stopped_says_what_failed(place: Place) -> None:
    """Its parent would; one that was started by hand says it itself."""
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        place.write(api.url)
        assert place.run("enqueue").code == 0
        api.change(error_rate_500=1.0)
        process = place.start("work", "--grace", "0.1")
        while place.run("status", "--json").json["retries"] == 0:
            assert process.poll() is None
        process.terminate()
        _, err = process.communicate(timeout=90)
    assert process.returncode == 4
    assert re.search(r"haulier: stopped by SIGTERM\n  retries  [0-9]+: .*\n  failure  .*status 500\n$", err), err


def test_a_run_without_failures_says_nothing_of_them(shop: Place) -> None:
    said = shop.run("run", "--json")
    assert (said.json["retries"], said.json["newest_failure"]) == (0, None)
    assert "  failure  " not in said.err
    assert "retries" not in shop.run("status").out


@pytest.mark.parametrize("columns", [80, 120])
def test_the_newest_cause_is_one_line_of_the_terminals_width(place: Place, columns: int) -> None:
    """What happened comes first where the address takes the line; nothing wraps, no markup is obeyed."""
    with SandboxProcess(SandboxSettings(records=RECORDS, latency_seconds=0.05)) as api:
        place.write(
            api.url, query='query = { limit = 100, filter = "[red]a[/red] and so on and so on for a long time" }'
        )
        assert place.run("enqueue").code == 0
        api.change(error_rate_500=1.0)
        with terminal(place.folder, "work", str(place.toml), columns=columns) as seen:
            line = seen.until(r"newest failure: [^\r\n]+")[0]
    assert len(line) <= columns
    assert line.startswith("newest failure: status 500 (GET /items?"), line


def test_what_a_processor_raises_is_a_cause_too(place: Place) -> None:
    """Under the class of its error; control characters reach no terminal."""
    place.name = "mine.py"
    (place.folder / "mine.py").write_text(RAISING)
    said = place.run("run", "--json")
    assert said.json["newest_failure"]["cause"] == "Refusal: no \ufffd[31mcustomer"


def finish(process: subprocess.Popen[str]) -> None:
    _, err = process.communicate(timeout=90)
    assert process.returncode == 0, err


def test_the_account_of_a_worker_is_of_all_runs_that_were_open(shop: Place) -> None:
    """Runs that were closed before are not counted, and one that closes meanwhile still is; one alone if asked."""
    assert shop.run("run").code == 0

    async def progress() -> list[Progress | None]:
        lake = LocalLake(shop.lake, SystemClock())
        reader = OpenRunsReader(lake, "shop", None)
        seen = [await reader.read()]
        await asyncio.to_thread(finish, shop.start("enqueue"))
        seen.append(await reader.read())
        newest = (await list_runs(lake, "shop"))[-1].run_id
        only, other = OpenRunsReader(lake, "shop", newest), OpenRunsReader(lake, "shop", "full-19990101T000000Z")
        seen += [await only.read(), await other.read()]
        await asyncio.to_thread(finish, shop.start("work"))
        seen.append(await reader.read())
        for each in (reader, only, other):
            each.close()
        await lake.close()
        return seen

    none, opened, alone, other, closed = asyncio.run(progress())
    assert (none, other) == (None, None)
    assert opened is not None
    assert closed is not None
    assert opened == alone
    assert (opened.planned, opened.missing, opened.records) == (5, 5, 0)
    assert (closed.planned, closed.missing, closed.records) == (5, 0, RECORDS)


def test_a_resumed_run_says_so_and_counts_what_is_left(place: Place) -> None:
    """Its cost is that of the items that have not ended, and none once all have."""
    with SandboxProcess(SandboxSettings(records=RECORDS)) as api:
        place.write(api.url)
        fresh = place.run("enqueue")
        assert "5 items in 1 shard" in fresh.err
        assert "at least 5 requests" in fresh.err
        api.change(latency_seconds=0.5)
        working = place.start("work", "--grace", "0.1")
        objects = place.lake / "shop"
        while sum(name.endswith(".gz") for _, _, names in os.walk(objects) for name in names) == 0:
            assert working.poll() is None
        working.terminate()
        working.communicate(timeout=90)
        status = place.run("status", "--json").json
        left = status["missing"]
        api.change(latency_seconds=0.0)
        again = place.run("enqueue")
        are_left = f"  {left} of 5 items {'is' if left == 1 else 'are'} left"
        assert are_left in again.err, again.err
        said = place.run("run")
    assert said.code == 0, said.err
    assert f"Resuming run {status['run_id']} of shop ..." in said.err
    assert "Planning" not in said.err
    assert are_left in said.err
    assert (f"at least {left} request" in said.err) is (left > 0)
    assert f"items: the API promises {RECORDS:,} records" in said.err


def test_a_complete_run_leaves_no_cause_to_look_for(place: Place) -> None:
    """How often something was tried again is told; what went wrong on the way is past."""
    with SandboxProcess(SandboxSettings(records=RECORDS, error_rate_500=0.3)) as api:
        place.write(api.url)
        said = place.run("run")
    assert said.code == 0, said.err
    assert "\n  retries  " in said.err
    assert "  failure  " not in said.err + place.run("status").out
    assert place.run("status", "--json").json["newest_failure"]["cause"].endswith("status 500")


def test_a_lake_without_its_queue_is_verified_all_the_same(shop: Place) -> None:
    """What failed on the way stands beside the queue; what counts does not."""
    assert shop.run("run").code == 0
    (shop.folder / "file").touch()
    said = shop.run("verify", "--queue", f"sqlite:///{shop.folder}/file/queue.sqlite3", "--json")
    assert (said.code, said.json["newest_failure"]) == (0, None), said.err
