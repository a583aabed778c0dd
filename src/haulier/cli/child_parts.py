"""A child of an item of a source file, as what asks for one parent each."""

from __future__ import annotations

from collections.abc import Iterator

from haulier.app.app import App
from haulier.items.workitem import WorkItem


def child_parts(app: App, child: WorkItem) -> Iterator[WorkItem]:
    """One for each parent, or for each request for several; a child of Python code stays whole."""
    parts = app.divide(child) if app.is_of_file and not child.is_asked_whole else ()
    if not parts:
        yield child
    for part in parts:
        yield from child_parts(app, part)
