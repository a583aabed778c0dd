"""Poisoned items, shown: grouped by what they died of, or one by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from haulier.runs.poison import PoisonGroup
from haulier.runs.records import PoisonRecord

HEADINGS = ("items", "reason", "status", "error", "newest", "example")


def show_groups(groups: Sequence[PoisonGroup]) -> None:
    """One line for each, the largest first, and below it how the example failed."""
    rows = [HEADINGS, *map(_cells, groups)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        click.echo("  ".join((row[0].rjust(widths[0]), *cells)).rstrip())
        if number and (said := first_line(groups[number - 1].error)):
            click.echo(f"{'':{widths[0]}}  {said}")


def item_line(record: PoisonRecord) -> str:
    status = "" if record.status is None else f" {record.status}"
    return f"{record.key}  {record.reason}{status}  {first_line(record.error)}"


def group_facts(group: PoisonGroup) -> dict[str, Any]:
    return {
        "reason": group.reason,
        "status": group.status,
        "error_class": group.error_class,
        "items": group.items,
        "key": group.key,
        "kind": group.kind,
        "error": group.error,
        "newest_at": group.newest_at,
    }


def item_facts(record: PoisonRecord) -> dict[str, Any]:
    return {
        "key": record.key,
        "kind": record.kind,
        "number": record.number,
        "reason": record.reason,
        "error_class": record.error_class,
        "error": record.error,
        "status": record.status,
        "poisoned_at": record.poisoned_at,
    }


def name_of(group: PoisonGroup) -> str:
    """As a person calls it: ``failed 500 ApiError``."""
    return " ".join(str(part) for part in (group.reason, group.status, group.error_class) if part is not None)


def first_line(text: str) -> str:
    return next(iter(text.splitlines()), "")


def time_of(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _cells(group: PoisonGroup) -> tuple[str, ...]:
    status = "-" if group.status is None else str(group.status)
    newest = "" if group.newest_at is None else time_of(group.newest_at)
    return f"{group.items:,}", group.reason, status, group.error_class, newest, group.key
