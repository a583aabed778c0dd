"""haulier beside other tools: the same pulls from the same API, one after the other, and every record counted.

    python benchmarks/peers.py                         # jobs A, B and E, once: some ten minutes
    python benchmarks/peers.py --jobs D                # 20 GB, haulier and the bare loop alone: some six minutes
    python benchmarks/peers.py --jobs F,G,H            # other kinds of a flaky API: some twelve minutes
    python benchmarks/peers.py --jobs C --rounds 3     # medians of three
    python benchmarks/peers.py --part 0.05             # a twentieth of the pages, to see that it works; nothing is kept
    python benchmarks/peers.py --report                # the table and the plot again, from the results

The figures of a job are kept in benchmarks/results/peers-JOB.json, all from one call; the table and the plot are made
from these files. Each tool has an environment of its own, pinned in benchmarks/peers/ and made on first use in a folder
of the user's cache. Each pull has a sandbox of its own, so that all meet the same faults. How a tool is set stands at
the top of its file. Azurite, which one of them needs, comes from npm.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import peer_report
from peer_jobs import JOBS, LATENCY_SECONDS, TOOLS, Job, Tool, command, environ
from peer_run import count_records, run
from peer_setup import azurite, default_cache, python_of, version_of

from haulier.testing.sandbox import SandboxProcess, SandboxSettings

# Imports are compiled once, as on a user's machine.
ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
LIMIT_IDEALS, LEAST_LIMIT_SECONDS = 10, 60
DISK_FACTOR = 1.5


@dataclass(frozen=True)
class Bench:
    """What stays the same from pull to pull."""

    cache: Path
    folder: Path | None

    def python(self, tool: Tool) -> str:
        return python_of(tool.environment, self.cache) if tool.environment else sys.executable

    def version(self, tool: Tool) -> str:
        return version_of(tool.package, self.python(tool)) if tool.package else ""


def pull(bench: Bench, job: Job, tool: Tool, home: Path) -> dict[str, Any]:
    """One tool, one pull: what it took, and whether every record is there."""
    folder = home / "work"
    folder.mkdir(exist_ok=True)
    before = count_records(folder, tool.written)
    with contextlib.ExitStack() as stack:
        settings = SandboxSettings(latency_seconds=LATENCY_SECONDS, **job.faults)
        api = stack.enter_context(SandboxProcess(settings))
        around = ENVIRON | environ(job, api.url)
        if tool.name == "first":
            around["PEER_QUEUE"] = stack.enter_context(azurite(bench.cache))
        limit = max(LEAST_LIMIT_SECONDS, LIMIT_IDEALS * job.ideal_seconds)
        ended = run(command(tool, job, api.url, bench.python(tool)), folder, around, limit)
        seen = api.counters()
    if ended.how.startswith("with code"):
        print((home / "err.log").read_text(errors="replace")[-2_000:], file=sys.stderr)
    found, wanted = count_records(folder, tool.written), job.wanted()
    found.subtract(before)
    return {
        "tool": tool.name,
        "ended": ended.how,
        "wall_seconds": round(ended.wall_seconds, 2),
        "cpu_seconds": round(ended.cpu_seconds, 2),
        "peak_mb": round(ended.peak_mb),
        "records": found.total(),
        "missing": (wanted - found).total(),
        "surplus": (found - wanted).total(),
        "requests": seen.requests,
        "most_in_flight": seen.peak_in_flight,
        "before_a_pause_had_ended": seen.early,
    }


def contest(bench: Bench, job: Job, tools: list[Tool], rounds: int) -> list[dict[str, Any]]:
    """All tools once, then all of them again."""
    done = []
    for round_number in range(1, rounds + 1):
        with contextlib.ExitStack() as stack:
            homes: dict[str, Path] = {}
            for tool in tools:
                home = homes.get(tool.follows)
                if home is None:
                    stack.close()  # Nobody comes after the last one in its folder, and disks are small.
                    home = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=bench.folder, prefix="peers-")))
                homes = {tool.name: home}
                measured = {"round": round_number, **pull(bench, job, tool, home)}
                done.append(measured)
                say(job, tool, measured)
    return done


def say(job: Job, tool: Tool, measured: dict[str, Any]) -> None:
    wall = measured["wall_seconds"]
    print(
        f"{job.name} {measured['round']} {tool.title}: {wall:.1f} s ({wall / job.ideal_seconds:.2f} x ideal), "
        f"CPU {measured['cpu_seconds']:.1f} s, peak {measured['peak_mb']} MB, {measured['records']:,} records "
        f"({measured['missing']} missing, {measured['surplus']} too many), {measured['requests']} requests, at most "
        f"{measured['most_in_flight']} in flight, ended {measured['ended']}",
        flush=True,
    )


def machine() -> dict[str, Any]:
    system = os.uname()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory),
        "processor": _processor() or system.machine,
        "system": f"{system.sysname} {system.release}",
        "python": sys.version.split()[0],
        "load_before": round(os.getloadavg()[0], 1),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def commit() -> str:
    words = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    return done.stdout.strip()


def result(bench: Bench, job: Job, tools: list[Tool], rounds: int) -> dict[str, Any]:
    about = {
        "job": dataclasses.asdict(job) | {"latency_seconds": LATENCY_SECONDS, "ideal_seconds": job.ideal_seconds},
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": {tool.name: found for tool in tools if (found := bench.version(tool))} | {"haulier": commit()},
    }
    return about | {"runs": contest(bench, job, tools, rounds)}


def chosen(text: str, known: Collection[str]) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(known):
        raise SystemExit(f"No such name: {', '.join(sorted(unknown))}. There are: {', '.join(known)}.")
    return names


def require_disk(bench: Bench, jobs: list[Job]) -> None:
    need = max(job.pages * job.size for job in jobs) * DISK_FACTOR
    free = shutil.disk_usage(bench.folder or tempfile.gettempdir()).free
    if free < need:
        raise SystemExit(f"The largest job needs {need / 1e9:.0f} GB of disk; {free / 1e9:.0f} are free. See --folder.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", default="A,B,E", help=f"of {', '.join(JOBS)} (default: %(default)s)")
    parser.add_argument("--tools", default=",".join(TOOLS), help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="how often each (default: %(default)s)")
    parser.add_argument("--part", type=float, default=1.0, help="of each job's pages; results are not kept")
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), help="of the environments (default: %(default)s)"
    )
    parser.add_argument("--folder", type=Path, help="where the tools write: the disk to measure")
    parser.add_argument("--report", action="store_true", help="measure nothing: make table and plot from the results")
    flags = parser.parse_args()
    if flags.report:
        peer_report.write()
        return
    bench = Bench(flags.cache, flags.folder)
    names = chosen(flags.tools, TOOLS)
    names += [TOOLS[name].follows for name in names]
    jobs = [JOBS[name] for name in chosen(flags.jobs, JOBS)]
    if flags.part != 1.0:
        jobs = [dataclasses.replace(job, pages=max(1, round(job.pages * flags.part))) for job in jobs]
    require_disk(bench, jobs)
    for job in jobs:
        tools = [tool for tool in TOOLS.values() if tool.name in names and job.name in tool.jobs]
        for tool in tools:
            bench.python(tool)
        found = result(bench, job, tools, flags.rounds)
        if flags.part == 1.0:
            peer_report.keep(job.name, found)
    if flags.part == 1.0:
        peer_report.write()


if __name__ == "__main__":
    main()
