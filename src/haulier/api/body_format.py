"""In what the bodies of a stream are written: declared, never detected."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final, Literal, get_args

from haulier.errors import UsageError

FormatKind = Literal["json", "ndjson", "json-seq", "csv"]
FORMAT_KINDS: Final[tuple[str, ...]] = get_args(FormatKind)
CSV: Final = "csv"
JSON_SEQUENCE: Final = "json-seq"
_TEXT_CODECS: Final = ("utf-", "iso8859", "cp", "koi8", "gb", "big5", "euc", "shift", "mac", "ascii", "tis", "johab")
"""Beginnings of the names, in Python, of character sets; it has codecs of other kinds too."""
_NO_CHARSETS: Final = ("utf-7",)


@dataclass(frozen=True, slots=True)
class BodyFormat:
    """What bodies are, besides JSON in UTF-8: ``BodyFormat("csv", delimiter=";")``."""

    kind: str = "json"
    """"json"; "ndjson", a JSON value a line; "json-seq", RFC 7464; or "csv", with the names in its first line."""
    delimiter: str = ","
    """Of CSV."""
    charset: str = ""
    """Takes precedence over what `Content-Type` says; without both it is UTF-8."""
    may_lack_newline: bool = False
    """The last line may have no end, so that a cut within it may go unseen."""
    may_lack_length: bool = False
    """A body may come with neither `Content-Length` nor chunks, so that a cut between two lines may go unseen."""

    def __post_init__(self) -> None:
        if self.kind not in FORMAT_KINDS:
            raise UsageError(f"{self.kind!r} is no format of a body. Available: {', '.join(FORMAT_KINDS)}.")
        if self.charset and codec_of(self.charset) is None:
            raise UsageError(
                f"The charset {self.charset!r} is not known. Write its IANA name, such as 'windows-1252' or 'utf-16'."
            )
        if self.kind != CSV and self.delimiter != ",":
            raise UsageError("Only CSV has a delimiter.")
        is_sign = len(self.delimiter) == 1 and self.delimiter.isascii() and not self.delimiter.isalnum()
        if not is_sign or self.delimiter in '"\r\n\0':
            raise UsageError(f"The delimiter {self.delimiter!r} is not one sign. Write, for example: ';'.")
        if not self.has_lines and (self.may_lack_newline or self.may_lack_length):
            raise UsageError("JSON shows its own end: `may_lack_newline` and `may_lack_length` are about lines.")

    @property
    def has_lines(self) -> bool:
        """A body shows its own end by its last line's at most."""
        return self.kind != "json"


PLAIN_JSON: Final = BodyFormat()


@dataclass(frozen=True, slots=True)
class CharsetProblem:
    """Why a body was not turned into UTF-8, and is as it came."""

    reason: str
    is_of_data: bool
    """A single record may be the cause; else the charset that was declared is wrong."""
    is_harmless: bool = False
    """The body is UTF-8 although its header says otherwise."""


def codec_of(charset: str) -> str | None:
    """Python's name of a character set; None for what is none."""
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        return None
    return name if name.startswith(_TEXT_CODECS) and name not in _NO_CHARSETS else None
