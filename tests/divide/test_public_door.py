"""The promise as a user meets it: `haulier run` with real workers on 5,000 records, of which two cannot be read.

The long form, with 100,000 records, both kinds of failure and figures, is `benchmarks/divide.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings, record_bytes
from tests.divide.rig import TOML
from tests.harness.oracle import judge_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SETTINGS = SandboxSettings(records=5_000, unreadable_ids=(1_234, 4_999))


def haulier(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "haulier", *words], capture_output=True, text=True)


def ids_of(params: dict[str, Any]) -> range:
    return range(params["ids"]["start"], params["ids"]["end"])


def records_of(params: dict[str, Any]) -> list[bytes]:
    return [record_bytes(SETTINGS, id) for id in ids_of(params) if id <= SETTINGS.records]


def is_bad(params: dict[str, Any]) -> bool:
    ids = ids_of(params)
    return len(ids) == 1 and ids[0] in SETTINGS.unreadable_ids


def test_all_but_two_of_five_thousand_records_are_in_the_lake(tmp_path: Path) -> None:
    """G1-G4: 4,998 records as the API sent them, two poisoned items of one ID each, and a run that says so."""
    with SandboxProcess(SETTINGS) as api:
        source = tmp_path / "shop.toml"
        last = '{ get = "/items/newest", at = "id" }'
        expect = 'expect = { get = "/count", at = "count" }'
        source.write_text(TOML.format(url=api.url, step=1_000, more=expect, last=last))
        said = haulier("run", str(source), "--workers", "2", "--json")
        assert said.returncode == 3, said.stderr
        verdict = json.loads(said.stdout)
        assert (verdict["state"], verdict["reasons"]) == ("partial", {"poison": 2})
        assert verdict["totals"]["records"] == 4_998
        # Some 50 pages; two attempts of each of two items that reach a bad page; a dozen parts for each record.
        assert api.counters().requests <= 300
        assert haulier("verify", str(source)).returncode == 3

        listed = json.loads(haulier("poison", "list", str(source), "--json").stdout)
        assert [item["key"] for item in listed["items"]] == [
            f"items_ids-{id}-{id + 1}" for id in SETTINGS.unreadable_ids
        ]
        shown = haulier("poison", "show", str(source), "items_ids-1234-1235").stdout
        (answer,) = [line.split(maxsplit=1)[1] for line in shown.splitlines() if line.startswith("answer")]
        assert Path(answer).read_bytes() == api.get("/items?limit=100&from_id=1234&to_id=1235")

    seen = judge_run(tmp_path / "lake", "shop", verdict["run_id"], records_of, is_bad)
    assert seen.problems == []
    assert (seen.poisoned, seen.records) == (2, 4_998)
