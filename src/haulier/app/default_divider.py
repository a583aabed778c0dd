from __future__ import annotations

import dataclasses
from collections.abc import Collection

from haulier.errors import UsageError
from haulier.items.ranges import IdRange
from haulier.items.workitem import WorkItem
from haulier.worker.deps import Divider


def halve_ids(item: WorkItem) -> tuple[WorkItem, ...]:
    """Empty where the item has no range of IDs, several, or one of a single ID.

    Windows of time are not halved by default: only the user knows how short the API's may be.
    """
    ranges = [(field.name, getattr(item, field.name)) for field in dataclasses.fields(item)]  # type: ignore[arg-type]
    ranges = [(name, value) for name, value in ranges if isinstance(value, IdRange)]
    if len(ranges) != 1:
        return ()
    (name, ids) = ranges[0]
    return tuple(dataclasses.replace(item, **{name: half}) for half in ids.halves() or ())  # type: ignore[type-var]


def divide_by(divider: Divider, item: WorkItem, known: Collection[type[WorkItem]]) -> tuple[WorkItem, ...]:
    """Raises `UsageError` where the divider fails, or makes an item without a processor."""
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
