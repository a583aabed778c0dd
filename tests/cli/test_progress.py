"""The bar on a terminal: whoever works shows it, and it says what goes on between the workers and the API."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from haulier.app.loading import load_app
from haulier.app.site import Options, open_site
from haulier.cli.account import OpenAccount
from haulier.cli.fleet import RETRIES, Fleet
from haulier.clock import SystemClock
from haulier.lake.local import LocalLake
from haulier.runs.ledger import Progress
from haulier.runs.run import list_runs
from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from haulier.worker.watch import Watch
from tests.cli.conftest import RECORDS, Place
from tests.cli.terminal import terminal

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
            seen.until(r"records, [0-9,]+/s, [1-2] in flight, [0-9]+ retries")
            seen.until(r"in flight, [1-9][0-9]* retries")
            api.change(error_rate_500=0.0, latency_seconds=0.0)
            seen.until(r"5/5 items")
            assert seen.end() == 0, seen.drawn
        assert RETRIES not in seen.drawn
    assert place.run("status", "--json").json["state"] == "complete"


def test_no_bar_is_drawn_where_nobody_looks(shop: Place) -> None:
    """Fifty containers would each read what all of them wrote, for a log that nobody asked for."""
    shop.run("enqueue")
    said = shop.run("work")
    assert (said.code, "items" in said.err) == (0, False)


def test_a_fleet_counts_the_retries_of_its_children(shop: Place, tmp_path: Path) -> None:
    """Those of a child that died too; the lines in which they are told are shown to nobody."""
    script = (
        f"echo '{RETRIES}3' >&2; echo '{RETRIES}5' >&2; echo '{RETRIES}none' >&2; "
        f"mkdir '{tmp_path}/first' 2>/dev/null && kill -9 $$; exit 4"
    )
    said: list[str] = []

    async def count() -> int:
        async with open_site(load_app(str(shop.toml)), Options()) as site:
            watch = Watch(site.lake, site.queue, site.closer, "shop")
            fleet = Fleet(["sh", "-c", script], 1, watch, said.append)
            await fleet.run()
            return fleet.retries

    assert asyncio.run(count()) == 10
    assert [line for line in said if not line.startswith("A worker ended")] == [f"{RETRIES}none"] * 2


def finish(process: subprocess.Popen[str]) -> None:
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err


def test_the_account_of_a_worker_is_of_all_runs_that_were_open(shop: Place) -> None:
    """Runs that were closed before are not counted, and one that closes meanwhile still is; one alone if asked."""
    assert shop.run("run").code == 0

    async def progress() -> list[Progress | None]:
        lake = LocalLake(shop.lake, SystemClock())
        account = OpenAccount(lake, "shop", None)
        seen = [await account.progress()]
        await asyncio.to_thread(finish, shop.start("enqueue"))
        seen.append(await account.progress())
        newest = (await list_runs(lake, "shop"))[-1].run_id
        only, other = OpenAccount(lake, "shop", newest), OpenAccount(lake, "shop", "full-19990101T000000Z")
        seen += [await only.progress(), await other.progress()]
        await asyncio.to_thread(finish, shop.start("work"))
        seen.append(await account.progress())
        for each in (account, only, other):
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
        working.communicate(timeout=40)
        status = place.run("status", "--json").json
        left = status["missing"]
        api.change(latency_seconds=0.0)
        again = place.run("enqueue")
        assert f"  {left} of 5 items are left" in again.err, again.err
        said = place.run("run", "--resume-only")
    assert said.code == 0, said.err
    assert f"Resuming run {status['run_id']} of shop ..." in said.err
    assert "Planning" not in said.err
    assert f"  {left} of 5 items are left" in said.err
    assert (f"at least {left} requests" in said.err) is (left > 0)
    assert f"items: the API promises {RECORDS:,} records" in said.err
