"""Documents about poisoned items: what the commands print for ``--json``, and what the dashboard shows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from haulier.app.open_source import OpenSource, Options
from haulier.cli.api_state import read_api_state
from haulier.cli.command_lines import run_command
from haulier.cli.poison_view import group_facts
from haulier.items.feed_start import redacted_parameters, shown_parameters
from haulier.lake.seam import Lake
from haulier.plurals import count_of, have, were
from haulier.runs.poison.previewed import PreviewBatch
from haulier.runs.poison.records import PoisonGroup, PoisonGroups, read_several
from haulier.runs.poison.story import PoisonStory
from haulier.runs.run import Run
from haulier.runs.state import RunState

MAX_SHOWN_ITEMS = 1_000
"""Items that are shown one by one; all are counted."""


def poison_document(
    state: RunState, run: Run, groups: Sequence[PoisonGroup], redriven: int, items: Iterable[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "state": state.value,
        "run_id": run.run_id,
        "poisoned": sum(group.items for group in groups),
        "redriven": redriven,
        "groups": [group_facts(group) for group in groups],
        "items": list(items),
    }


def story_document(state: RunState, story: PoisonStory, redact: Callable[[str], str]) -> dict[str, Any]:
    record = msgspec.json.decode(msgspec.json.encode(story.newest))
    record["payload"] = msgspec.json.decode(shown_parameters(redacted_parameters(bytes(story.newest.payload), redact)))
    return {"state": state.value, **record, "story": msgspec.to_builtins(story.events)}


@dataclass(frozen=True)
class PoisonPreview:
    """What would be redriven or discarded, in groups."""

    groups: list[tuple[PoisonGroup, list[str]]]
    """Each with the keys that are shown of it."""
    once_more: int
    """Items that are not poisoned, and would be sent by a redrive all the same."""

    @property
    def items(self) -> int:
        return sum(group.items for group, _ in self.groups)

    def words(self, run: Run, done: str) -> str:
        count, more = self.items, self.once_more
        would = f"{count_of(count, 'item')} of run {run.run_id} would be {done}."
        if not more:
            return would
        why = f"which {were(more)} redriven before or {have(more)} an object that came late, would be sent once more."
        if not count:
            return f"{count_of(more, 'item')} of run {run.run_id}, {why}"
        return f"{would} {more:,} {'other' if more == 1 else 'others'}, {why}"

    def document(self, state: RunState, run: Run, done: str) -> dict[str, Any]:
        """``done`` is ``redriven`` or ``discarded``."""
        return {
            "state": state.value,
            "run_id": run.run_id,
            done: 0,
            f"would_be_{done}": self.items,
            **({"would_be_sent_once_more": self.once_more} if done == "redriven" else {}),
            "groups": [group_facts(group) | {"keys": keys} for group, keys in self.groups],
        }


async def read_preview(lake: Lake, run: Run, batches: AsyncIterator[PreviewBatch]) -> PoisonPreview:
    groups, keys = PoisonGroups(), dict[int, list[str]]()
    shown = once_more = 0
    async for batch in batches:
        if not batch.is_live:
            once_more += len(batch.items)
            continue
        for record in await read_several(lake, run, [(item.key, number) for item, number in batch.items]):
            group = groups.add(record)
            if shown < MAX_SHOWN_ITEMS:
                keys.setdefault(id(group), []).append(record.key)
                shown += 1
    return PoisonPreview([(group, keys.get(id(group), [])) for group in groups.largest_first], once_more)


async def go_on_words(typed: str, options: Options, source: OpenSource, run: Run) -> str:
    """Who works what was redriven. ``typed`` is SOURCE."""
    go_on = run_command(typed, options, run.plans, run.file.max_items)
    api = await read_api_state(source)
    if api is None or not api.workers:
        return f"No worker is running. Go on with: {go_on}"
    running = "A worker is running, and takes" if api.workers == 1 else f"{api.workers} workers are running, and take"
    return f"{running} them. Where nobody closes the run afterwards: {go_on}"
