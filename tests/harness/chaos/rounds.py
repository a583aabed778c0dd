"""The kinds of runs that the chaos harness puts under fire, each with what it must come to."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from haulier.testing.sandbox import SandboxSettings
from haulier.testing.sandbox.data import id_at, rank_of, record_at
from tests.harness.chaos import source as chaos_source

IN_FLIGHT = chaos_source.IN_FLIGHT
_ROOT = Path(__file__).resolve().parents[3]
"""The project's folder: workers find the source in it, wherever they run."""

_TOML = """
source = "{name}"

[api]
url = "{url}"
in_flight = {in_flight}

[streams.items]
get = "/items"
query = {{ limit = 50 }}
records = "items"
pages = {{ cursor = "next", query = "cursor" }}
total = {{ at = "total", is = "exact" }}
expect = {{ get = "/count", at = "count" }}

[streams.items.full.ids]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
last = {{ get = "/items/newest", at = "id" }}
step = {step}

[streams.items.incremental.ids]
query = {{ from_id = "{{start}}", to_id = "{{end}}" }}
last = {{ get = "/items/newest", at = "id" }}
step = {increment_step}
"""


@dataclass(frozen=True)
class Round:
    """One run: its source, its API, and what is done to it besides signals."""

    kind: str
    api: SandboxSettings
    workers: int = 4
    signals: int = 15
    """So many are sent, then it is left in peace: on a slow machine no worker would ever come to work."""
    step: int = 250
    is_fleet: bool = False
    """Its workers are the children of `haulier run --workers`, and the parent is fired at as well."""
    loses_queue: bool = False
    """The queue is lost in the middle, as `Store.lose_queue` does it."""
    variables: Mapping[str, str] = field(default_factory=dict)
    failing: tuple[int, ...] = ()
    """IDs of which the item must end poisoned. Only a divided round has any."""

    @property
    def is_divided(self) -> bool:
        return self.kind in ("divided", "stubborn", "crashing")

    @property
    def has_increment(self) -> bool:
        """Whether an incremental run is open beside the full one."""
        return self.kind in ("large", "lost")

    @property
    def is_deadly(self) -> bool:
        """Whether workers die over an item of it, so that one that was killed is nobody's fault."""
        return chaos_source.CRASHING in self.variables

    @property
    def source(self) -> str:
        """The name of the source."""
        return chaos_source.app.name if self.is_divided else f"chaos_{self.kind}"

    @property
    def verdict(self) -> str:
        """What the run must end with."""
        return "partial" if self.failing else "complete"

    def prepare(self, folder: Path, url: str) -> tuple[str, dict[str, str]]:
        """Write the source down. Returns what the command line calls it, and the variables that it needs."""
        if self.is_divided:
            variables = {"PYTHONPATH": str(_ROOT), chaos_source.URL: url, **self.variables}
            return f"{chaos_source.__name__}:app", variables
        path = folder / f"{self.source}.toml"
        steps = {"step": self.step, "increment_step": 2 * self.step}
        path.write_text(_TOML.format(name=self.source, url=url, in_flight=IN_FLIGHT, **steps))
        return path.name, {}

    def records_of(self, params: Mapping[str, Mapping[str, int]]) -> list[bytes]:
        """The records of an item, by the API's own settings."""
        ids = params["ids"]
        first, last = (rank_of(self.api, ids[end]) for end in ("start", "end"))
        assert all(ids["start"] <= id_at(self.api, rank) < ids["end"] for rank in range(first, last))
        return [record_at(self.api, rank) for rank in range(first, last)]

    def may_fail(self, params: Mapping[str, Any]) -> bool:
        """Only a single record that fails by itself: whatever held it besides was divided before."""
        ids = params["ids"]
        return ids["end"] - ids["start"] == 1 and ids["start"] in self.failing


def rounds(seed: int, records: int) -> Iterator[Round]:
    """Rounds without end. Small ones are many: a closing is soon over, and is hit in the middle only now and then."""
    draw = random.Random(seed)
    faulty = SandboxSettings(
        seed=seed,
        records=records,
        gap_after=700,
        gap_ids=300,
        latency_seconds=0.02,
        jitter_seconds=0.05,
        error_rate_500=0.02,
        cut_rate=0.01,
    )
    small = Round("small", replace(faulty, records=max(200, records // 30)), workers=2, signals=5)
    while True:
        yield Round("large", faulty, signals=30)
        yield small
        yield _divided("divided", draw, replace(faulty, records=records // 4), chaos_source.REFUSED)
        yield small
        yield Round("lost", replace(faulty, records=records // 2), loses_queue=True)
        yield small
        yield Round("fleet", replace(faulty, records=records // 2), workers=3, is_fleet=True)
        yield small
        failing = (chaos_source.REFUSED, chaos_source.STUBBORN)
        yield _divided("stubborn", draw, replace(faulty, records=records // 8), *failing)
        yield small
        yield _divided("crashing", draw, replace(faulty, records=records // 8), chaos_source.CRASHING)
        yield small


def _divided(kind: str, draw: random.Random, api: SandboxSettings, *variables: str) -> Round:
    """A record is drawn for each of the variables of `chaos_source` that name one that fails.

    One that is refused ends at once; what takes five failures or eight deaths makes a round half a minute longer."""
    failing = tuple(id_at(api, rank) for rank in draw.sample(range(api.records), len(variables)))
    return Round(kind, api, variables=dict(zip(variables, map(str, failing), strict=True)), failing=failing)
