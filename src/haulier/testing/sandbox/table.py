"""The records as a table: CSV as RFC 4180 writes it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Final

from haulier.testing.sandbox import pages
from haulier.testing.sandbox.drift import Drift
from haulier.testing.sandbox.question import Question
from haulier.testing.sandbox.settings import SandboxSettings
from haulier.testing.sandbox.wire import Answer, error

COLUMNS: Final = ("id", "changed_at", "price", "serial", "score", "note", "text")


def by_table(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    """By offset, each page with the names of the columns; the total stands in a header."""
    made = pages.by_lines(settings, question, drift)
    if made.status != 200:
        return made
    try:
        # Numbers stay as they are written.
        rows = [json.loads(line, parse_int=str, parse_float=str) for line in made.body.split(b"\n") if line]
    except ValueError:
        return error(500, "A record cannot be written.")
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS)
    table.writeheader()
    table.writerows(rows)
    return replace(made, body=text.getvalue().encode(), content_type=b"text/csv; charset=utf-8")
