"""The shape of records: sampled by a closing, compared with the run before, and never more than a warning."""

from __future__ import annotations

import dataclasses
import gzip
import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haulier.cli.main import main
from haulier.errors import LakeUnavailableError
from haulier.runs.records import ManifestEntry
from haulier.runs.shape import MAX_DEPTH, MAX_KEYS, MAX_PATHS, ShapeSketch, StreamShape
from haulier.runs.shapes import (
    LARGE_BYTES,
    RUNS_PASSED,
    SAMPLE_BYTES,
    SAMPLE_OBJECTS,
    SAMPLE_RECORDS,
    ObjectSample,
    compare_shapes,
    sample_shapes,
    shape_changes,
)
from tests.harness.cuts.calls import Cuts
from tests.runs.rig import Place, Process, key_of, thing

SOURCE = """
import json, pathlib
from dataclasses import dataclass
from haulier import Api, App, WorkItem

app = App("letters", api=Api("http://127.0.0.1:9", in_flight=8))

@dataclass(frozen=True)
class Letter(WorkItem, stream="letters", kind="letter"):
    number: int

@app.enumerate("full")
async def letters(ctx):
    for number in range(12):
        yield Letter(number)

@app.processor(Letter)
async def letter(item, ctx):
    yield [json.loads((pathlib.Path(__file__).parent / "record.json").read_text())] * 3
"""


def shape_of(*records: Any) -> StreamShape:
    sketch = ShapeSketch()
    for record in records:
        sketch.add(json.dumps(record).encode())
    return sketch.shape()


def test_paths_and_types() -> None:
    """Lists and objects are looked into; each record counts once for a path and a type."""
    shape = shape_of({"id": 1, "tags": [{"x": "a"}, {"x": "b"}, None], "a.b": {"c": 1.5}}, {"id": None, "tags": []})
    assert shape == StreamShape(
        records=2,
        paths={
            '"a.b"': {"object": 1},
            '"a.b".c': {"number": 1},
            ".": {"object": 2},
            "id": {"integer": 1, "null": 1},
            "tags": {"list": 2},
            "tags[]": {"object": 1, "null": 1},
            "tags[].x": {"text": 1},
        },
    )


def test_g9_maps_deep_trees_and_wide_records_are_bounded() -> None:
    """Keys that are data become one path, whether one record has thousands or a thousand have one each."""
    at_once = shape_of({"by_id": {f"k{number}": {"n": number} for number in range(5_000)}})
    one_each = shape_of(*({"by_id": {f"k{number}": {"n": number}}} for number in range(MAX_KEYS + 50)))
    for shape in (at_once, one_each):
        assert set(shape.paths) == {".", "by_id", "by_id.*", "by_id.*.n"}
    deep: Any = 1
    for _ in range(50):
        deep = {"in": deep}
    assert len(shape_of(deep).paths) == MAX_DEPTH + 1
    wide = {f"a{number}": {f"b{inner}": 1 for inner in range(10)} for number in range(100)}
    assert (len(shape_of(wide).paths), shape_of(wide).is_cut) == (MAX_PATHS, True)
    sketch = ShapeSketch()
    sketch.add(b'{"x":1e400}')
    sketch.add(b'{"x":"\\ud800"}')
    assert sketch.records == 0, "what a decoder refuses is passed over"


def test_what_is_new_gone_or_of_another_type_is_named() -> None:
    before = shape_of(*[{"id": 1, "old": "x", "price": 1, "at": {"city": "a", "zip": 1}, "late": None}] * 20)
    after = shape_of(*[{"id": 1, "new": {"a": 1}, "price": 1.5, "at": None, "late": None}] * 20)
    change = compare_shapes(before, after, "full-20261124T205959Z")
    assert change is not None
    assert change.new == {"new": "object"}
    assert change.gone == {"old": "text"}
    assert change.retyped == {"at": ("object", "null"), "price": ("integer", "number")}
    assert compare_shapes(before, before, "x") is None


def test_what_may_be_chance_is_not_said() -> None:
    """A field that one record in a hundred has is no news when a sample lacks it, nor is anything in a few records."""
    rare = [{"id": number} | ({"note": "x"} if number % 100 == 0 else {}) for number in range(512)]
    assert compare_shapes(shape_of(*rare), shape_of(*[{"id": 1}] * 512), "x") is None
    assert compare_shapes(shape_of(*[{"id": 1}] * 512), shape_of(*rare), "x") is None
    assert compare_shapes(shape_of({"a": 1}, {"a": 1}), shape_of({"b": 1}, {"b": 1}), "x") is None
    assert compare_shapes(shape_of(*[{"a": 1}] * 5), shape_of(*[{"b": 1}] * 5), "x") is not None


def test_every_closer_looks_at_the_same_objects() -> None:
    """Chosen by their keys, in whatever order the manifest has them."""
    entries = [ManifestEntry(key=f"k{n}", stream="s", state="done", path=f"s/k{n}") for n in range(500)]
    first, second = ObjectSample(("s", "t")), ObjectSample(("s", "t"))
    first.add(entries)
    random.Random(1).shuffle(entries)
    second.add(entries)
    assert first.paths("s") == second.paths("s")
    assert (len(first.paths("s")), first.paths("t")) == (SAMPLE_OBJECTS, [])


async def test_g1_an_object_that_cannot_be_read_stops_no_closing(
    place: Place, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    """Its shape is not known. A lake that is away does stop it."""
    run = await process.claim()
    await process.enqueue(run, [thing(1, 4), thing(5)])
    await process.work(run)
    unreadable = place.folder / run.paths.object("things", key_of(thing(5)))
    unreadable.unlink()
    unreadable.symlink_to(unreadable)
    verdict = await process.closer.close(run)
    assert verdict is not None
    assert verdict.verdict == "complete"
    shapes = json.loads((place.folder / run.paths.closing(1, "shapes.json")).read_bytes())["shapes"]
    assert shapes["things"]["records"] == 3
    assert "an object cannot be read" in caplog.text
    (place.folder / run.paths.closing(1, "shapes.json")).unlink()
    sample = ObjectSample(("things",))
    sample.add([ManifestEntry(key="k", stream="things", state="done", path=run.paths.object("things", "k"))])
    place.folder.rename(place.folder.with_name("away"))
    with pytest.raises(LakeUnavailableError):
        await sample_shapes(process.lake, run, 1, sample)
    place.folder.with_name("away").rename(place.folder)


async def test_g9_a_run_of_many_streams_has_one_budget(place: Place, process: Process) -> None:
    """Each stream is looked at, and all of them together are not more bytes."""
    run = await process.claim()
    streams = tuple(f"s{number}" for number in range(20))
    run = dataclasses.replace(run, file=msgspec.structs.replace(run.file, streams=streams))
    sample, record = ObjectSample(streams), json.dumps({"x": "y" * 4_000}).encode()
    body = gzip.compress((record + b"\n") * SAMPLE_RECORDS, 1)
    for stream in streams:
        keys = [f"k{number}" for number in range(SAMPLE_OBJECTS)]
        for key in keys:
            await process.lake.create(run.paths.object(stream, key), body)
        paths = [run.paths.object(stream, key) for key in keys]
        sample.add(
            ManifestEntry(key=key, stream=stream, state="done", path=path)
            for key, path in zip(keys, paths, strict=True)
        )
    shapes = await sample_shapes(process.lake, run, 1, sample)
    counts = [shapes[stream].records for stream in streams]
    assert 0.8 * SAMPLE_BYTES < sum(counts) * len(record) <= SAMPLE_BYTES
    assert min(counts) >= SAMPLE_OBJECTS


async def test_records_that_are_larger_than_an_equal_share_have_a_shape(process: Process) -> None:
    """While bytes are left, which each stream has its part of; one above a megabyte is passed over."""
    run = await process.claim()
    sizes = {f"s{number:02}": 100_000 for number in range(24)} | {"too_large": LARGE_BYTES}
    run = dataclasses.replace(run, file=msgspec.structs.replace(run.file, streams=tuple(sizes)))
    sample = ObjectSample(sizes)
    for stream, size in sizes.items():
        body = gzip.compress((json.dumps({"x": "y" * size}).encode() + b"\n") * 2, 1)
        for number in range(SAMPLE_OBJECTS):
            path = run.paths.object(stream, f"k{number}")
            await process.lake.create(path, body)
            sample.add([ManifestEntry(key=f"k{number}", stream=stream, state="done", path=path)])
    shapes = await sample_shapes(process.lake, run, 1, sample)
    assert set(shapes) == set(sizes) - {"too_large"}
    counts = [shape.records for shape in shapes.values()]
    assert sum(counts) * 100_000 <= SAMPLE_BYTES
    assert max(counts) - min(counts) <= 1


async def test_runs_that_never_were_complete_are_not_all_read(place: Place) -> None:
    """At each closing, however many there are."""
    cuts = Cuts()
    process = place.process(cuts)
    run = [await process.claim() for _ in range(2 * RUNS_PASSED)][-1]
    before = len(cuts.calls)
    assert await shape_changes(process.lake, run, {"things": StreamShape(records=1)}) == {}
    read = [call for call in cuts.calls[before:] if call.endswith("read")]
    assert len(read) <= 1.5 * RUNS_PASSED


def test_a_changed_shape_is_a_warning_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run`, `status` and the log say it, the verdict keeps it, the run is complete; the next run is compared with
    this one. What the last run left unreadable stops nobody."""
    monkeypatch.chdir(tmp_path)
    source, record = tmp_path / "letters.py", tmp_path / "record.json"
    source.write_text(SOURCE)

    def said(command: str, *words: str) -> tuple[str, str]:
        assert main([command, str(source), *words]) == 0
        return capsys.readouterr()

    record.write_text('{"id": 1, "name": "x"}')
    assert "another shape" not in said("run")[1]
    record.write_text('{"id": "one", "title": "x"}')
    out, err = said("run", "--json")
    change = json.loads(out)["streams"]["letters"]["shape"]
    assert (change["new"], change["gone"]) == ({"title": "text"}, {"name": "text"})
    assert change["retyped"] == {"id": ["integer", "text"]}
    assert "the records have another shape" in err
    words = f"The records of letters have another shape than in {change['before']}: new: title (text); "
    assert words + "gone: name (text); id was integer, and is text." in " ".join(said("status")[0].split())
    assert "another shape" not in said("run")[1]
    (*_, newest) = sorted((tmp_path / "lake/_haulier/letters/runs").iterdir())
    (newest / "closings/0001/shapes.json").write_text("spoilt")
    assert "earlier runs cannot be compared" in said("run")[1]
