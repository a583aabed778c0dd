"""The tables of docs/telemetry.md, made from `telemetry/names.py`.

`python -m tests.docs.telemetry_tables` writes them anew, from the top folder of the checkout. A table stands between
``<!-- table of WHAT -->`` and ``<!-- end -->``; what stands around it is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from haulier.telemetry.names import ATTRIBUTES, SPANS
from tests.docs.pages import ROOT

PAGE = ROOT / "docs/telemetry.md"
_MARKED = re.compile(r"<!-- table of (?P<what>[^>]+?) -->\n.*?<!-- end -->", re.DOTALL)


def refreshed(page: str) -> str:
    """The page with every table as the code has it now."""
    found = {match["what"] for match in _MARKED.finditer(page)}
    assert found == {*TABLES}, f"{PAGE.name} has no table of {', '.join({*TABLES} - found)}, or one too many"
    return _MARKED.sub(
        lambda match: f"<!-- table of {match['what']} -->\n\n{TABLES[match['what']]()}<!-- end -->", page
    )


def _spans() -> str:
    return _table(("span", "kind", "is"), [(f"`{row.name}`", row.kind, row.text) for row in SPANS])


def _attributes() -> str:
    return _table(("attribute", "type", "is"), [(f"`{row.name}`", row.type, row.text) for row in ATTRIBUTES])


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines).replace("| --- | --- | --- |", "|---|---|---|") + "\n"


TABLES: dict[str, Callable[[], str]] = {"spans": _spans, "attributes": _attributes}

if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
