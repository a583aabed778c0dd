"""Poisoned items, shown: grouped by what they died of, or one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import click

from haulier.items.feed_start import redacted_parameters, shown_parameters
from haulier.runs.poison.index import PoisonLine
from haulier.runs.poison.records import PoisonGroup
from haulier.runs.poison.story import PoisonStory, StoryEvent
from haulier.runs.records import PoisonRecord, RequestNote

ERROR_CHARACTERS = 200
HEADINGS = ("items", "reason", "status", "error", "newest", "example")


def show_groups(groups: Sequence[PoisonGroup]) -> None:
    """One line for each, the largest first, and below it how the example failed."""
    rows = [HEADINGS, *map(_cells, groups)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        click.echo("  ".join((row[0].rjust(widths[0]), *cells)).rstrip())
        if number and (said := first_line(groups[number - 1].error)):
            is_long = len(said) > ERROR_CHARACTERS
            click.echo(f"{'':{widths[0]}}  {said[:ERROR_CHARACTERS]}{' ...' if is_long else ''}")


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


def item_facts(record: PoisonRecord | PoisonLine) -> dict[str, Any]:
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


def show_story(story: PoisonStory, locate: Callable[[str], str], redact: Callable[[str], str]) -> None:
    """``locate`` tells where a path of the lake is."""
    record = story.newest
    for name, value in _facts(record, locate, redact).items():
        click.echo(f"{name:12} {value}")
    click.echo("\nWhat happened:")
    for event in story.events:
        click.echo(f"  {time_of(event.at)}  {_event_words(event)}")
    if record.request is not None:
        click.echo("\nThe last request:")
        for line in _request_lines(record.request):
            click.echo(f"  {line}")
    if record.excerpt:
        click.echo(f"\nWhat the API answered:\n{record.excerpt}")
    if record.traceback:
        click.echo(f"\n{record.traceback.rstrip()}")


def _facts(record: PoisonRecord, locate: Callable[[str], str], redact: Callable[[str], str]) -> dict[str, object]:
    body = {"answer": locate(record.body)} if record.body else {}
    return {
        "key": record.key,
        "kind": record.kind,
        "parameters": shown_parameters(redacted_parameters(bytes(record.payload), redact)).decode(),
        "reason": record.reason,
        "status": "-" if record.status is None else record.status,
        "failures": record.failures,
        "deliveries": record.deliveries,
        "worker": record.worker,
        "poisoned_at": record.poisoned_at.isoformat(),
        **body,
        "error": f"{record.error_class}: {record.error}",
    }


def _event_words(event: StoryEvent) -> str:
    by = f", by {event.by}" if event.by else ""
    why = f": {event.reason}" if event.reason else ""
    failure = event.error_class if event.status is None else f"{event.error_class} {event.status}"
    match event.event:
        case "attempt":
            return f"attempt {event.number} failed ({failure}) and was {event.settled}{by}"
        case "crash":
            code = event.exit_code or 0
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            return f"crash {event.number}: the process that ran it alone died ({how}){by}"
        case "poison":
            return f"poison {event.number}: {event.reason} ({failure}){by}"
        case "redrive":
            return f"redriven{by}{why}"
        case _:
            return f"discarded{by}{why}"


def _request_lines(request: RequestNote) -> list[str]:
    headers = [f"{name}: {value}" for name, value in request.headers.items()]
    return [f"{request.method} {request.url}", *headers, *request.body.splitlines()]
