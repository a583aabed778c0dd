"""Reads TOML; text that is not TOML is an error with line and column."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from haulier.config.place import Place, SourceText, suggest

MAX_FILE_BYTES = 1024 * 1024
"""Limits a source file, which is written by hand: a larger file was named by mistake."""

_AT = re.compile(r"(.*?) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
# tomllib shows a table as a tuple of its keys: ('api',).
_TABLE = re.compile(r"\((?:'[^']*',? ?)+\)")
_PART = re.compile(r"'([^']*)'")
_REMEDIES = (
    ("Cannot overwrite", "A key can appear only once in a table: keep one of the two."),
    ("Cannot declare", "A table can appear only once: write its keys under one heading."),
    ("Cannot mutate immutable", "A table in braces cannot be extended below: write its keys under one heading."),
    ("Invalid value", 'Write text in quotes: get = "/items".'),
    ("Unclosed array", "Close the list with a ]."),
    ("Illegal character", "Close the quote on the same line."),
    ("Unterminated string", "Close the quote on the same line."),
    ("Unescaped '\\'", "Write \\\\ for one backslash, or use single quotes."),
    ("Expected '='", 'A key and its value are written key = "value"; a heading as [api].'),
)


def read_tables(path: Path, source: SourceText) -> dict[str, Any]:
    """The tables of a file. `SourceFileError` for a file that cannot be read, or is not TOML."""
    text = _text(path, Place(source))
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(str(error), source) from None
    except RecursionError:
        raise Place(source).error("the values of the file are nested too deeply.") from None


def _text(path: Path, place: Place) -> str:
    try:
        if path.is_dir():
            raise place.error("this is a folder, not a file.", "Name the source file in it.")
        with path.open("rb") as file:
            body = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise place.error("there is no such file.", _neighbours(path)) from None
    except OSError as error:
        raise place.error(f"the file cannot be read: {error.strerror or error}.") from error
    if len(body) > MAX_FILE_BYTES:
        raise place.error(f"the file is larger than {MAX_FILE_BYTES} bytes, so it is not a source file.")
    try:
        # Editors on Windows put a byte order mark in front, which TOML does not allow.
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        raise place.error(f"line {line} is not UTF-8.", "Save the file as UTF-8.") from None


def _neighbours(path: Path) -> str:
    try:
        names = sorted(entry.name for entry in path.parent.glob("*.toml"))[:20]
    except OSError:
        names = []
    return suggest(path.name, names) if names else "Is the path right?"


def _syntax_error(words: str, source: SourceText) -> Exception:
    # The line itself is not repeated: it may hold a token that somebody wrote into the file.
    found = _AT.fullmatch(words)
    reason, line, column = found.groups() if found else (words, None, None)
    reason = _TABLE.sub(lambda match: f"[{'.'.join(_PART.findall(match[0]))}]", reason)
    where = f"line {line}, column {column}" if line else "the end of the file"
    remedy = next((remedy for start, remedy in _REMEDIES if reason.startswith(start)), "")
    return Place(source, where).error(f"this is not TOML: {reason[:1].lower()}{reason[1:]}.", remedy)
