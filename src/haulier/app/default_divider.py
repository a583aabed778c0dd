"""How the items of a Python source are divided where nobody says it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from haulier.errors import UsageError
from haulier.items.ranges import IdRange
from haulier.items.workitem import WorkItem
from haulier.worker.deps import Divider


def halve_ids(item: WorkItem) -> tuple[WorkItem, ...]:
    """An item whose parameters hold one range of IDs, in halves of that range; none down to one ID, or without one.

    A window of time is not halved: how short one may be is the API's, and below that the records of a window would be
    asked for twice or not at all. Its divider is written by hand, in a line.
    """
    ranges = [(field.name, getattr(item, field.name)) for field in dataclasses.fields(item)]  # type: ignore[arg-type]
    ranges = [(name, value) for name, value in ranges if isinstance(value, IdRange)]
    if len(ranges) != 1:
        return ()
    (name, ids) = ranges[0]
    return tuple(dataclasses.replace(item, **{name: half}) for half in ids.halves() or ())  # type: ignore[type-var]


def divide_by(divider: Divider, item: WorkItem, known: Collection[type[WorkItem]]) -> tuple[WorkItem, ...]:
    """What a divider makes of an item. `UsageError` in words for one that fails, or makes what nobody can work."""
    try:
        parts: tuple[object, ...] = tuple(divider(item))
    except Exception as error:
        # The user's code. Its fault is not the item's, which would be poisoned for it.
        raise UsageError(f"The divider of kind {item.kind!r} failed with {type(error).__name__}: {error}") from error
    items = tuple(part for part in parts if isinstance(part, WorkItem) and type(part) in known)
    if len(items) < len(parts):
        wrong = next(type(part).__name__ for part in parts if part not in items)
        raise UsageError(
            f"The divider of kind {item.kind!r} made a {wrong}, which has no processor. Return work items of the same "
            "kind, or of another that is registered."
        )
    return items
