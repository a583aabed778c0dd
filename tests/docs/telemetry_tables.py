"""The tables of docs/telemetry.md, made from `haulier.telemetry.names`.

`python -m tests.docs.telemetry_tables` writes them anew, from the top folder of the checkout. A table stands between
``<!-- table of WHAT -->`` and ``<!-- end -->``; what stands around it is written by hand.
"""

from __future__ import annotations

import re

from haulier.telemetry import names
from tests.docs.pages import ROOT

PAGE = ROOT / "docs/telemetry.md"
_MARKED = re.compile(r"<!-- table of (?P<what>[^>]+?) -->\n.*?<!-- end -->", re.DOTALL)


def refreshed(page: str) -> str:
    """The page with every table as the code has it now."""
    found = {match["what"] for match in _MARKED.finditer(page)}
    assert found == {*TABLES}, f"{PAGE.name} has no table of {', '.join({*TABLES} - found)}, or one too many"
    return _MARKED.sub(
        lambda match: f"<!-- table of {match['what']} -->\n\n{TABLES[match['what']]()}\n<!-- end -->", page
    )


def _spans() -> str:
    return _table(["span", "kind", "is"], [[f"`{row.name}`", row.kind, row.text] for row in names.SPANS])


def _attributes() -> str:
    return _table(["attribute", "type", "is"], [[f"`{row.name}`", row.type, row.text] for row in names.ATTRIBUTES])


def _metrics() -> str:
    rows = [
        [
            f"`{row.name}`",
            row.kind,
            row.unit.strip("{}"),
            "add" if row.adds_up else "largest",
            ", ".join(f"`{name}`" for name in row.attributes),
            row.text,
        ]
        for row in names.METRICS
    ]
    return _table(["metric", "kind", "unit", "over processes", "attributes", "is"], rows)


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


TABLES = {"spans": _spans, "attributes": _attributes, "metrics": _metrics}

if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
