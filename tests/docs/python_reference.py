"""docs/python.md, made from the docstrings of the public names.

`python -m tests.docs.python_reference` writes it anew, from the top folder of the checkout. What stands above
``<!-- names -->`` is written by hand.
"""

from __future__ import annotations

import datetime
import enum
import inspect
import re
import textwrap
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, Final

import haulier
from tests.docs.pages import ROOT, anchor_of
from tests.docs.public_members import HANDED, NAMES, Member, groups, members_of, public

PAGE: Final = ROOT / "docs/python.md"
REFRESH: Final = "Run: python -m tests.docs.python_reference"
MARK: Final = "<!-- names -->"

_WIDTH: Final = 120
_QUOTED: Final = re.compile(r"(?<!`)`([A-Za-z_]\w*)(\.\w+)?`(?!`)")


def refreshed(page: str) -> str:
    """The page with every public name as the code has it now."""
    above = page.partition(MARK)[0]
    parts = [f"{above}{MARK}\n"]
    for heading, names in groups().items():
        parts += [f"## {heading}\n", *(part for name in names for part in _section(name))]
    return "\n".join(parts)


def shown(hint: Any) -> str:
    """A type as the page writes it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is None or hint is types.NoneType:
        return "None"
    if hint is Ellipsis:
        return "..."
    if isinstance(hint, typing.TypeVar) or hint is Any:
        return "Any"
    if isinstance(hint, list):
        return f"[{', '.join(map(shown, hint))}]"
    if origin is typing.Literal:
        return " | ".join(f'"{each}"' if isinstance(each, str) else repr(each) for each in arguments)
    if origin is types.UnionType or origin is typing.Union:
        return " | ".join(map(shown, arguments))
    if origin is not None:
        if origin is Callable and arguments[0] == [arguments[1]]:
            return "decorator"
        name = "Callable" if origin is Callable else getattr(origin, "__name__", str(origin))
        return shown(arguments[0]) if name == "ClassVar" else f"{name}[{', '.join(map(shown, arguments))}]"
    return str(getattr(hint, "__name__", hint))


def _section(name: str) -> Iterator[str]:
    found = public(name)
    members = members_of(name)
    yield f"### `{name}`\n"
    yield from (_call(member) for member in members if member.name == name)
    yield _prose(inspect.getdoc(found) or "")
    if name in HANDED:
        yield "You are handed it, and do not make it.\n"
    attributes = [one for one in members if one.signature is None and not one.is_property]
    if attributes:
        yield _table(attributes)
    for member in members:
        if member.name == name or member in attributes or _is_of_paginator(member):
            continue
        yield _call(member)
        if member.doc:
            yield _prose(member.doc)


def _call(member: Member) -> str:
    """A function, method or property, as it is written."""
    if member.is_property:
        return f"**`{member}`** `-> {shown(member.hints['return'])}`\n"
    assert member.signature is not None
    words, is_by_name = [], False
    for parameter in member.signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not is_by_name:
            is_by_name = True
            words.append("*")
        default = "" if parameter.default is parameter.empty else f" = {_value(parameter.default)}"
        words.append(f"{parameter.name}: {shown(member.hints[parameter.name])}{default}")
    back = f" -> {shown(member.hints['return'])}" if "return" in member.hints else ""
    head = "async " if member.is_async else ""
    text = f"{head}{member}({', '.join(words)}){back}"
    if len(text) > _WIDTH:
        text = f"{head}{member}(\n" + "".join(f"    {word},\n" for word in words) + f"){back}"
    return f"```text\n{text}\n```\n"


def _table(attributes: list[Member]) -> str:
    """The fields of a class, or the values of an enumeration."""
    if not attributes[0].hints:
        rows = [f"| `{one.name}` | `{_value(one.default)}` | {_cell(one.doc)} |\n" for one in attributes]
        return "| member | value | meaning |\n|---|---|---|\n" + "".join(rows)
    rows = []
    for one in attributes:
        default = "" if one.default is inspect.Parameter.empty else f"`{_value(one.default)}`"
        kind = f"`{shown(one.hints['return'])}`".replace("|", "\\|") + (", by name" if one.is_keyword else "")
        rows.append(f"| `{one.name}` | {kind} | {default} | {_cell(one.doc)} |\n")
    return "| field | type | default | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _value(value: Any) -> str:
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, datetime.timedelta):
        return repr(value).removeprefix("datetime.")
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _cell(doc: str) -> str:
    return " ".join(_linked(doc).split()).replace("|", "\\|")


def _prose(doc: str) -> str:
    """A docstring as Markdown: paragraphs filled, examples fenced."""
    parts = []
    for part in re.split(r"\n\s*\n", doc):
        lines = part.splitlines()
        if lines[0].startswith(">>> "):
            code = "\n".join(line.lstrip()[4:] for line in lines)
            parts.append(f"```python part\n{code}\n```")
        elif lines[0].startswith("    "):
            parts.append(f"```python part\n{textwrap.dedent(part)}\n```")
        else:
            filled = textwrap.fill(
                _linked(" ".join(part.split())), _WIDTH, break_long_words=False, break_on_hyphens=False
            )
            parts.append(filled)
    return "\n\n".join(parts) + "\n"


def _linked(text: str) -> str:
    """Docstrings quote code with two backticks, and names with one: public names become links."""

    def link(match: re.Match[str]) -> str:
        name = match[1]
        return f"[{match[0]}](#{anchor_of(name)})" if name in NAMES else match[0]

    return _QUOTED.sub(link, text).replace("``", "`")


def _is_of_paginator(member: Member) -> bool:
    """Whether a kind of paging only does what `Paginator` says, which stands there."""
    return member.owner != "Paginator" and member.doc == (inspect.getdoc(getattr(haulier.Paginator, member.name, None)))


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
