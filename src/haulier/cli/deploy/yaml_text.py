"""Writes YAML with comments. Text that another reader could take for something else is quoted."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

WIDTH = 110
COMMAND_INDENT = "  "
"""What a line of a comment begins with that is a command."""
_NOTE = "# "
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
# Words that YAML 1.1 takes for a truth value or for nothing: kubectl and az read that version.
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def documents_text(heading: str, documents: Iterable[Mapping[str, object]]) -> str:
    """Several documents, below a comment. `note` puts others into them."""
    return "---\n".join([_comment(heading, 0), *("\n".join([*_lines(document, 0), ""]) for document in documents)])


def note(text: str) -> dict[str, object]:
    """A comment, to be put into a mapping before the key that it is about."""
    return {f"{_NOTE}{text}": None}


def quoted(text: str) -> str:
    """``text`` in double quotes: the one style of YAML that has a way to write every character."""
    return f'"{"".join(map(_escaped, text))}"'


def _comment(text: str, indent: int) -> str:
    pad = " " * indent
    lines = [line for part in text.split("\n") for line in _wrapped(part, WIDTH - indent)]
    return "".join(f"{pad}# {line}".rstrip() + "\n" for line in lines)


def _wrapped(text: str, width: int) -> list[str]:
    """Words stay whole. A command, which is indented, goes on behind a backslash: it is copied into a shell."""
    wrap = partial(textwrap.wrap, text, break_long_words=False, break_on_hyphens=False)
    if not text.startswith(COMMAND_INDENT):
        return wrap(width) or [""]
    *others, last = wrap(width - 2, subsequent_indent=f"{COMMAND_INDENT}  ")
    return [*(f"{line} \\" for line in others), last]


def _lines(node: object, indent: int) -> list[str]:
    pad = " " * indent
    lines: list[str] = []
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key.startswith(_NOTE):
                lines += _comment(key[len(_NOTE) :], indent).splitlines()
            else:
                lines += _entry(f"{pad}{_scalar(key)}:", value, indent)
    elif _is_list(node):
        for value in _items(node):
            notes, rest = _split_notes(value)
            lines += [line for about in notes for line in _comment(about, indent).splitlines()]
            lines += _entry(f"{pad}-", rest, indent)
    return lines


def _entry(head: str, value: object, indent: int) -> list[str]:
    if not (isinstance(value, Mapping) or _is_list(value)):
        if isinstance(value, str) and _is_block(value):
            body = [
                f"{' ' * (indent + 2)}{line}".rstrip(" ") if not line else f"{' ' * (indent + 2)}{line}"
                for line in value.splitlines()
            ]
            return [f"{head} |{'' if value.endswith(chr(10)) else '-'}", *body]
        return [f"{head} {_scalar(value)}"]
    if not value:
        return [f"{head} {'{}' if isinstance(value, Mapping) else '[]'}"]
    if _is_list(value) and not any(isinstance(item, Mapping) or _is_list(item) for item in _items(value)):
        return [f"{head} [{', '.join(map(_scalar, _items(value)))}]"]
    below = _lines(value, indent + 2)
    if head.endswith("-"):
        return [f"{head} {below[0].lstrip()}", *below[1:]]
    return [head, *below]


def _split_notes(node: object) -> tuple[list[str], object]:
    """What stands above the dash of a list, and what stands behind it."""
    if not isinstance(node, Mapping):
        return [], node
    notes = [key[len(_NOTE) :] for key in node if key.startswith(_NOTE)]
    return notes, {key: value for key, value in node.items() if not key.startswith(_NOTE)}


def _is_list(node: object) -> bool:
    return isinstance(node, Sequence) and not isinstance(node, str)


def _items(node: object) -> Sequence[object]:
    assert isinstance(node, Sequence)
    return node


def _scalar(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else quoted(text)


def _is_block(text: str) -> bool:
    """Whether a block of lines means this very text: no reader changes its line ends, spaces or characters."""
    return (
        "\n" in text
        and not text.startswith((" ", "\n", "\t"))
        and not text.endswith("\n\n")
        and text.splitlines() == text.removesuffix("\n").split("\n")
        and all(character in "\n\t" or character.isprintable() for character in text)
        and all(line.strip() or not line for line in text.split("\n"))
    )


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
