"""The tables of docs/sandbox.md, made from the sandbox's settings, paths and counters.

`python -m tests.docs.sandbox_tables` writes them anew, from the top folder of the checkout. A table stands between
``<!-- table of WHAT -->`` and ``<!-- end -->``; what stands around it is written by hand.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin, get_type_hints

from haulier.testing.sandbox.answers import PATHS
from haulier.testing.sandbox.command_flags import settings_of
from haulier.testing.sandbox.settings import GROUPS, SandboxSettings
from tests.docs.pages import ROOT

PAGE = ROOT / "docs/sandbox.md"
_MARKED = re.compile(r"<!-- table of (?P<what>[^>]+?) -->\n.*?<!-- end -->", re.DOTALL)
_NAMES = re.compile(r"(\{.*\}|\[.*\](?=[,;: ]|$)|\bX-[A-Za-z-]+|/[a-z_]+(?:/ID/comments)?(?=[; ]|$)|\$\w+)")
_HINTS = get_type_hints(SandboxSettings)
_WORDS: dict[object, str] = {
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    str: "text",
    str | None: "text",
    tuple[int, ...]: "whole numbers",
    tuple[tuple[float, float], ...]: "pairs of numbers",
}


def refreshed(page: str) -> str:
    """The page with every table as the code has it now."""
    found = {match["what"] for match in _MARKED.finditer(page)}
    assert found == {*TABLES}, f"{PAGE.name} has no table of {', '.join({*TABLES} - found)}, or one too many"
    return _MARKED.sub(
        lambda match: f"<!-- table of {match['what']} -->\n\n{TABLES[match['what']]()}\n<!-- end -->", page
    )


def title_of(group: type) -> str:
    """The heading of a group of settings: `data`."""
    return (group.__doc__ or "").partition(": ")[0].lower()


def _paths() -> str:
    rows = [
        [f"`{'' if path.method == 'GET' else path.method + ' '}{path.path}`", _code(path.takes), _code(path.gives)]
        for path in PATHS
    ]
    return _table(["path", "takes", "gives"], rows)


def _pages() -> str:
    rows = [[f"`{path.path}`", f"`pages = {path.pages}`"] for path in PATHS if path.pages]
    return _table(["path", "in a source file"], rows)


def _settings(group: type) -> Callable[[], str]:
    def rows() -> str:
        return _table(
            ["setting", "type", "default", "what it does"],
            [
                [f"`{each.name}`", type_of(each.name), _default(each.default), each.metadata["meaning"]]
                for each in settings_of(group)
            ],
        )

    return rows


def type_of(name: str) -> str:
    """What kind of value a setting takes, in words."""
    hint = _HINTS[name]
    if hint in _WORDS:
        return _WORDS[hint]
    if get_origin(hint) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(hint))
    assert get_origin(hint) is tuple, f"teach {__file__} the type of {name}"
    return "list of words"


def _default(value: Any) -> str:
    if value in (None, ()):
        return ""
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


def _code(text: str) -> str:
    return f"`{text}`" if text.startswith(("{", "[")) and text.endswith(("}", "]")) else _quoted(text)


def _quoted(text: str) -> str:
    """Pieces of JSON and names in the middle of words."""
    return re.sub(
        r"(\{.*\}|\[.*\](?=[,;: ]|$)|\bX-[A-Za-z-]+|/[a-z_]+(?:/ID/comments)?(?=[; ]|$)|\$\w+)", r"`\1`", text
    )


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


TABLES: dict[str, Callable[[], str]] = {
    "paths": _paths,
    "pages": _pages,
    **{title_of(group): _settings(group) for group in GROUPS},
}
"""What a table is about, and what makes it."""


def fields() -> set[str]:
    """The name of every setting."""
    return {each.name for each in dataclasses.fields(SandboxSettings)}


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
