"""The table and the plot of `peers.py`, made of its results and of nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any
from xml.sax.saxutils import escape

from peer_jobs import JOBS, MISSING, TOOLS, Tool

RESULTS = Path(__file__).resolve().parent / "results"
TABLE, PLOT = RESULTS / "README.md", RESULTS / "peers.svg"
Result = dict[str, Any]
Run = dict[str, Any]


def keep(job: str, found: Result) -> None:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"peers-{job}.json").write_text(json.dumps(found, indent=1) + "\n")


def read(folder: Path = RESULTS) -> list[Result]:
    files = [folder / f"peers-{job}.json" for job in JOBS]
    return [json.loads(file.read_text()) for file in files if file.is_file()]


def write() -> None:
    results = read()
    TABLE.write_text(table(results))
    PLOT.write_text(plot(results))


ABOUT = """
# haulier beside other tools

Made by `benchmarks/peers.py` from the files beside this page; do not edit it. All tools pull the same pages from a
sandbox on the same machine, which answers after 0.5 s. *Ideal* is pages x 0.5 s / in flight. Wall, CPU and memory are
those of the whole process and its children, start-up included; with several rounds, medians. Every record that a tool
wrote is counted.

![Wall time in multiples of the ideal](peers.svg)
"""
SETTINGS = """
Where a tool offers a time-out it is 10 s, and where it tries again, 10 times. haulier has its defaults, but for the
flags that are shown. Azurite's own CPU is not counted.
"""


def table(results: list[Result]) -> str:
    """A page of Markdown: a table for each job, then how each tool was set."""
    lines = [ABOUT.strip()]
    for result in results:
        lines += ["", *_job_table(result)]
    used = [tool for tool in TOOLS.values() if any(_runs(result, tool) for result in results)]
    lines += ["", "## How the tools were set", "", "| tool | version | settings |", "|---|---|---|"]
    lines += [f"| {tool.title} | {_version(results, tool)} | {tool.settings} |" for tool in used]
    lines += ["", SETTINGS.strip(), "", MISSING]
    return "\n".join(lines) + "\n"


def _job_table(result: Result) -> list[str]:
    job, machine = result["job"], result["machine"]
    rounds = max(run["round"] for run in result["runs"])
    faults = ", ".join(f"{name} {value:g}" for name, value in job["faults"].items())
    head = [
        f"## {job['name']}: {job['title']}",
        "",
        f"Ideal {job['ideal_seconds']:.1f} s. {result['date']}, {machine['cores']} cores ({machine['processor']}), "
        f"{machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}, "
        f"load {machine['load_before']} before; "
        f"{rounds} {'round' if rounds == 1 else 'rounds'}.{f' Faults of the sandbox: {faults}.' if faults else ''}",
        "",
        "| tool | wall s | x ideal | CPU s | peak MB | requests | most in flight | records |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return head + [_row(result, tool, runs) for tool in TOOLS.values() if (runs := _runs(result, tool))]


def _row(result: Result, tool: Tool, runs: list[Run]) -> str:
    wall = median(run["wall_seconds"] for run in runs)
    middle = {
        name: median(run[name] for run in runs) for name in ("cpu_seconds", "peak_mb", "requests", "most_in_flight")
    }
    mark = "**" if tool.is_ours else ""
    return (
        f"| {mark}{tool.title}{mark} | {wall:.1f} | {mark}{wall / result['job']['ideal_seconds']:.2f}{mark} | "
        f"{middle['cpu_seconds']:.1f} | {middle['peak_mb']:.0f} | {middle['requests']:,.0f} | "
        f"{middle['most_in_flight']:.0f} | {_completeness(runs)} |"
    )


def _completeness(runs: list[Run]) -> str:
    worst = max(runs, key=lambda run: (run["missing"] + run["surplus"], run["ended"] != "well"))
    said = [] if worst["ended"] == "well" else [f"ended {worst['ended']}"]
    said += [
        f"{worst[name]:,} {word}" for name, word in (("missing", "missing"), ("surplus", "too many")) if worst[name]
    ]
    return f"{worst['records']:,}: " + ", ".join(said) if said else f"all {worst['records']:,}"


def _is_complete(runs: list[Run]) -> bool:
    return all(run["ended"] == "well" and not run["missing"] and not run["surplus"] for run in runs)


def _runs(result: Result, tool: Tool) -> list[Run]:
    return [run for run in result["runs"] if run["tool"] == tool.name]


def _version(results: list[Result], tool: Tool) -> str:
    name = "haulier" if tool.is_ours else tool.name
    found = {result["versions"][name] for result in results if _runs(result, tool) and name in result["versions"]}
    return ", ".join(sorted(found))


# The plot: a panel for each job, a bar for each tool. No library draws it, so that nothing more is installed for it.

WIDTH, EDGE, LABEL, NOTE, BAR, GAP, HEAD, TAIL = 800, 12, 262, 220, 16, 6, 44, 14
MOST_IDEALS = 6.0
STYLE = """
.page { fill: #ffffff; }
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.head { font-weight: 600; }
.small { font-size: 12px; fill: #59636e; }
.peer { fill: #9aa4af; }
.loop { fill: #c8cfd6; }
.ours { fill: #0969da; }
.ideal { stroke: #59636e; stroke-dasharray: 3 3; }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117; }
  text { fill: #f0f6fc; }
  .small { fill: #9198a1; }
  .peer { fill: #656c76; }
  .loop { fill: #3d444d; }
  .ours { fill: #4493f8; }
  .ideal { stroke: #9198a1; }
}
""".strip()


def plot(results: list[Result]) -> str:
    """Bars of wall time in multiples of the ideal. The background is its own, since a page can be dark where the system
    that the style asks is light."""
    parts: list[str] = []
    top = EDGE
    for result in results:
        panel = _panel(result, top)
        parts += panel
        top += HEAD + TAIL + (BAR + GAP) * sum(bool(_runs(result, tool)) for tool in TOOLS.values())
    height = top + EDGE - TAIL
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img">\n'
        "<title>Wall time of whole pulls, in multiples of the ideal: shorter is better</title>\n"
        f"<style>\n{STYLE}\n</style>\n"
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="6"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _panel(result: Result, top: int) -> list[str]:
    job = result["job"]
    tools = [tool for tool in TOOLS.values() if _runs(result, tool)]
    scale = (WIDTH - LABEL - NOTE) / MOST_IDEALS
    ideal_x, bars_top = LABEL + scale, top + HEAD
    parts = [
        f'<text class="head" x="{EDGE}" y="{top + 18}">{escape(job["name"])}: {escape(job["title"])}</text>',
        f'<text class="small" x="{EDGE}" y="{top + 35}">ideal {job["ideal_seconds"]:.1f} s (dashed)</text>',
    ]
    for index, tool in enumerate(tools):
        runs, y = _runs(result, tool), bars_top + index * (BAR + GAP)
        wall = median(run["wall_seconds"] for run in runs)
        ideals = wall / job["ideal_seconds"]
        width = min(ideals, MOST_IDEALS) * scale
        kind = "ours" if tool.is_ours else "peer" if tool.environment else "loop"
        arrow = " →" if ideals > MOST_IDEALS else ""
        lack = "" if _is_complete(runs) else ", not all records"
        note = f"{wall:.1f} s, {ideals:.2f} x{arrow}{lack}"
        parts += [
            f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end">{escape(tool.title)}</text>',
            f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>',
            f'<text class="small" x="{LABEL + width + 6:.1f}" y="{y + 13}">{escape(note)}</text>',
        ]
    bottom = bars_top + len(tools) * (BAR + GAP)
    parts.append(f'<line class="ideal" x1="{ideal_x:.1f}" y1="{bars_top - 4}" x2="{ideal_x:.1f}" y2="{bottom}"/>')
    return parts
