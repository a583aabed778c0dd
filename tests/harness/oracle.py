"""An independent judge of a closed run: it knows the files in a lake, what the API served, and nothing of our code.

It reads everything anew with the standard library alone, so that a mistake in haulier cannot hide in it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Params = dict[str, Any]
RecordsOf = Callable[[Params], Sequence[bytes]]
"""The records that an item with these parameters must hold, in their order, a line each without its end."""
MayFail = Callable[[Params], bool]
"""Whether an item with these parameters fails by itself, so that poison is just."""

SHOWN = 20
TEMPORARY = ".tmp-"
"""A kill leaves such a name anywhere. It means nothing, readers skip it, and it is removed when it is a day old."""


@dataclass
class Judgement:
    """What the oracle saw. A run is right if ``problems`` is empty."""

    verdict: str = ""
    items: int = 0
    done: int = 0
    empty: int = 0
    split: int = 0
    poisoned: int = 0
    discarded: int = 0
    records: int = 0
    streams: Counter[str] = field(default_factory=Counter)
    """Records of each stream."""
    problems: list[str] = field(default_factory=list)

    def wrong(self, problem: str) -> None:
        if len(self.problems) < SHOWN:
            self.problems.append(problem)


@dataclass(frozen=True)
class _Item:
    key: str
    stream: str
    params: Params


def judge_run(lake: Path, source: str, run_id: str, records_of: RecordsOf, may_fail: MayFail) -> Judgement:
    """Judge a closed run once its last process has ended and `verify` ran."""
    root = lake / "_haulier" / source / "runs" / run_id
    seen = Judgement()
    items = {item.key: item for item in _planned(root, seen)}
    bronze = _bronze(lake, source, run_id, items, seen)
    manifest = _manifest(root, seen)
    for item in items.values():
        seen.items += 1
        _judge_item(root, item, bronze.get((item.stream, item.key)), manifest.get(item.key), records_of, may_fail, seen)
    if set(manifest) != set(items):
        seen.wrong(f"the manifest lists {len(manifest)} keys, plan and child lists {len(items)}")
    _judge_verdict(root, seen)
    _judge_signs(root, {item.stream: _bronze_of(lake, source, run_id, item.stream) for item in items.values()}, seen)
    _judge_leavings(root, seen)
    return seen


def _planned(root: Path, seen: Judgement) -> Iterator[_Item]:
    """The sealed plan, and the children that were made since. A key twice is a problem of its own."""
    seal = json.loads((root / "plan/_SEALED.json").read_bytes())
    lines: list[bytes] = []
    for shard in seal["shards"]:
        body = (root / "plan" / seal["attempt"] / f"{shard['name']}.ndjson").read_bytes()
        if hashlib.sha256(body).hexdigest() != shard["sha256"]:
            seen.wrong(f"shard {shard['name']} is not as it was sealed")
        lines += body.splitlines()
    found = [json.loads(line) for line in lines]
    if len(found) != seal["items"]:
        seen.wrong(f"the seal says {seal['items']} items, its shards hold {len(found)}")
    for path in sorted((root / "children").glob("*.json")):
        found += json.loads(path.read_bytes())["children"]
    for key, count in Counter(item["key"] for item in found).items():
        if count > 1:
            seen.wrong(f"{key} is planned {count} times")
    for item in found:
        yield _Item(item["key"], item["stream"], item["payload"])


def _bronze(
    lake: Path, source: str, run_id: str, items: dict[str, _Item], seen: Judgement
) -> dict[tuple[str, str], Path]:
    """Objects by stream and key. Whatever else stands in the run's bronze folders is a stray."""
    objects: dict[tuple[str, str], Path] = {}
    for stream in {item.stream for item in items.values()}:
        for path in _bronze_of(lake, source, run_id, stream).rglob("*"):
            key = path.name.removesuffix(".ndjson.gz")
            if path.name == "_SUCCESS.json" or path.name.startswith(TEMPORARY) or path.is_dir():
                continue
            if path.name == key or key not in items or items[key].stream != stream:
                seen.wrong(f"a stray: {path.relative_to(lake)}")
            objects[stream, key] = path
    return objects


def _bronze_of(lake: Path, source: str, run_id: str, stream: str) -> Path:
    mode, _, moment = run_id.partition("-")
    return lake / source / stream / f"mode={mode}" / f"snapshot_time={moment}"


def _judge_item(
    root: Path,
    item: _Item,
    path: Path | None,
    entry: Params | None,
    records_of: RecordsOf,
    may_fail: MayFail,
    seen: Judgement,
) -> None:
    """How one item ended, by the files alone."""
    key = item.key
    poison, redrive, discard = (_newest(root / folder / key) for folder in ("poison", "redrives", "discards"))
    is_split = (root / "children" / f"{key}.json").exists()
    is_empty = (root / "outcomes" / f"{key}.json").exists()
    expected = [] if is_split else list(records_of(item.params))
    if is_split:
        seen.split += 1
        if path is not None:
            seen.wrong(f"{key} is divided, and its object stands")
        state = "split"
    elif path is not None:
        state = "done"
        seen.done += 1
        _judge_object(item, path, entry, expected, seen)
    elif is_empty:
        state = "empty"
        seen.empty += 1
        if expected:
            seen.wrong(f"{key} ended empty, and {len(expected)} records of it were served")
    elif poison and discard == poison:
        state = "discarded"
        seen.discarded += 1
    elif poison > redrive:
        state = "poisoned"
        seen.poisoned += 1
        if not may_fail(item.params):
            record = json.loads((root / "poison" / key / f"{poison}.json").read_bytes())
            seen.wrong(f"{key} is poisoned and did not fail by itself: {record['reason']}: {record['error'][:200]}")
    else:
        state = "missing"
        seen.wrong(f"{key} has not ended")
    if entry is None or entry["state"] != state:
        seen.wrong(f"{key} ended {state}; the manifest says {entry and entry['state']}")
    crashes = _newest(root / "crashes" / key)
    if crashes and not may_fail(item.params):
        seen.wrong(f"{key} is said to have crashed {crashes} times, and does no such thing")


def _judge_object(item: _Item, path: Path, entry: Params | None, expected: list[bytes], seen: Judgement) -> None:
    key, stored = item.key, path.read_bytes()
    try:
        lines = gzip.decompress(stored).split(b"\n")
    except (OSError, EOFError, zlib.error) as error:
        seen.wrong(f"the object of {key} is damaged: {error}")
        return
    if lines.pop() != b"":
        seen.wrong(f"the last line of {key} has no end")
    if Counter(lines) == Counter(expected):
        if lines != expected:
            seen.wrong(f"{key} holds its records in another order than they were served in")
    else:
        missing = len(set(expected) - set(lines))
        seen.wrong(
            f"{key} holds {len(lines)} records of {len(expected)}: {missing} are missing, "
            f"{len(lines) - len(set(lines))} stand twice, {len(set(lines) - set(expected))} were never served"
        )
    seen.records += len(lines)
    seen.streams[item.stream] += len(lines)
    if entry is not None and entry["state"] == "done":
        said = (entry.get("records", 0), entry.get("bytes", 0), entry.get("sha256", ""))
        if said != (len(lines), len(stored), hashlib.sha256(stored).hexdigest()):
            seen.wrong(f"the manifest says of {key} what is not so: {said}")


def _judge_verdict(root: Path, seen: Judgement) -> None:
    """The closing in force, its totals and the signs."""
    verdict = _verdict(root)
    if verdict is None:
        seen.wrong("the run has no verdict in force")
        return
    seen.verdict = verdict["verdict"]
    totals = verdict["totals"]
    for name in ("done", "empty", "split", "poisoned", "discarded", "records"):
        if totals[name] != getattr(seen, name):
            seen.wrong(f"the verdict counts {totals[name]} {name}, there are {getattr(seen, name)}")
    if totals["planned"] != seen.items:
        seen.wrong(f"the verdict counts {totals['planned']} planned, there are {seen.items}")
    said = verdict.get("streams", {})
    for stream in said.keys() | seen.streams.keys():
        if said.get(stream, 0) != seen.streams[stream]:
            seen.wrong(
                f"the verdict counts {said.get(stream, 0)} records of {stream}, there are {seen.streams[stream]}"
            )
    wanted = "partial" if seen.poisoned else "complete"
    if seen.verdict != wanted:
        seen.wrong(f"the verdict is {seen.verdict} ({verdict.get('reasons')}), and should be {wanted}")


def _judge_signs(root: Path, bronze: dict[str, Path], seen: Judgement) -> None:
    """Copies of the verdict: where it is complete, in the run's folder and in each stream's; where not, in neither."""
    newest = _closings(root)[:1]
    verdict = newest[0] / "verdict" if newest else root / "none"
    is_complete = seen.verdict == "complete"
    if not _is_sign(root / "_SUCCESS.json", verdict, is_complete):
        seen.wrong(f"the verdict is {seen.verdict or 'missing'}, and _SUCCESS.json does not agree")
    for stream, folder in bronze.items():
        if not _is_sign(folder / "_SUCCESS.json", verdict, is_complete):
            seen.wrong(f"the verdict is {seen.verdict or 'missing'}, and the sign of stream {stream} does not agree")
    # Where the run is complete it means nothing, and may be brought back by a slow closer.
    if seen.verdict == "partial" and not _is_sign(root / "_PARTIAL.json", verdict, True):
        seen.wrong("the verdict is partial, and _PARTIAL.json does not agree")


def _is_sign(sign: Path, verdict: Path, is_wanted: bool) -> bool:
    if not (is_wanted and sign.exists()):
        return sign.exists() == is_wanted
    return sign.read_bytes() == verdict.read_bytes()


def _judge_leavings(root: Path, seen: Judgement) -> None:
    for path in (root / "staging").rglob("*"):
        if not path.is_dir():
            seen.wrong(f"left in staging: {path.name}")


def _closings(root: Path) -> list[Path]:
    return sorted((path for path in (root / "closings").glob("*") if (path / "opened").exists()), reverse=True)


def _verdict(root: Path) -> Params | None:
    """Of the newest closing, unless that is lifted."""
    for closing in _closings(root)[:1]:
        if (closing / "verdict").exists() and not (closing / "reopened").exists():
            verdict: Params = json.loads((closing / "verdict").read_bytes())
            return None if verdict["verdict"] == "abandoned" else verdict
    return None


def is_closed(lake: Path, source: str, run_id: str) -> bool:
    """Whether a run has a verdict in force."""
    return _verdict(lake / "_haulier" / source / "runs" / run_id) is not None


def closer_at_work(lake: Path, source: str, run_id: str) -> str | None:
    """The name of the process that opened a closing which has no verdict yet; None without one."""
    for closing in _closings(lake / "_haulier" / source / "runs" / run_id)[:1]:
        if not (closing / "verdict").exists():
            by: str = json.loads((closing / "opened").read_bytes())["by"]
            return by
    return None


def _manifest(root: Path, seen: Judgement) -> dict[str, Params]:
    for closing in _closings(root)[:1]:
        path = closing / "manifest.ndjson.gz"
        if path.exists():
            return {entry["key"]: entry for entry in map(json.loads, gzip.decompress(path.read_bytes()).splitlines())}
    seen.wrong("the run has no manifest")
    return {}


def _newest(folder: Path) -> int:
    return max((int(path.stem) for path in folder.glob("*.json") if path.stem.isdecimal()), default=0)
