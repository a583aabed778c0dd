"""A child of an item of a source file, as what asks for one parent each."""

from __future__ import annotations

from collections.abc import Iterator

from haulier.app.app import App
from haulier.errors import ItemError
from haulier.items.keys import item_key
from haulier.items.workitem import WorkItem
from haulier.worker.settings import MAX_DEPTH


def require_end(child: WorkItem, above: list[str]) -> None:
    """Adds the child's key to those ``above`` it. Raises `ItemError` where Python code divides without end."""
    key = item_key(child)
    if key in above:
        raise ItemError(f"The item {key} is divided into itself. Yield smaller items, or its records.")
    if len(above) > MAX_DEPTH:
        raise ItemError(f"Items were divided {MAX_DEPTH} times, one out of another. Does the division never end?")
    above.append(key)


def child_parts(app: App, child: WorkItem) -> Iterator[WorkItem]:
    """One for each parent, or for each request for several; a child of Python code stays whole."""
    parts = app.divide(child) if app.is_of_file and not child.is_asked_whole else ()
    if not parts:
        yield child
    for part in parts:
        yield from child_parts(app, part)
