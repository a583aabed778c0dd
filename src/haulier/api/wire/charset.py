"""Turns bodies in the charset that is declared into UTF-8, exactly or not at all."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import Final

from haulier.api.body_format import CharsetProblem, codec_of

_CHARSET: Final = re.compile(r';\s*charset\s*=\s*(?:"([^"]*)"|([^\s;,]*))', re.IGNORECASE)
_ASCII_BASED: Final = ("iso8859", "cp125", "ascii", "koi8", "gb", "big5", "euc", "mac")
"""Bytes below 128 are ASCII, so that text without others needs no change."""
_WIDE: Final = ("utf-16", "utf-32")
_MULTI_BYTE: Final = ("gb", "big5", "euc", "shift", "johab", "cp932", "cp936", "cp949", "cp950", "cp1361")
"""Text of short words may be valid UTF-8 by chance."""
_STATEFUL: Final = ("iso2022", "hz", "utf-7")
"""Not read; their bytes are ASCII, and mean other letters."""
_LATIN_1: Final = "iso8859-1"
_CONTROLS: Final = re.compile(b"[\x80-\x9f]")
_SHOWN: Final = 40


class CharsetError(ValueError):
    """A body is not what its charset says."""

    def __init__(self, reason: str, *, is_of_data: bool = False) -> None:
        self.problem = CharsetProblem(reason, is_of_data)
        super().__init__(reason)


def to_utf8(
    body: bytes, content_type: str, declared: str, *, is_json: bool = True
) -> tuple[bytes, CharsetProblem | None]:
    """``declared`` by the source takes precedence. JSON is UTF-8 by RFC 8259: where its bytes are, a header that says
    otherwise changes nothing, and the second value tells of it. Raises `CharsetError`."""
    told, codec = _codec(content_type, declared)
    if not told or codec == "utf-8":
        return body, None
    says = f"its header declares the charset {told[:_SHOWN]!r}"
    if body.isascii() and (not _is_stateful(told) if codec is None else codec.startswith(_ASCII_BASED)):
        return body, None
    if declared and body.startswith(codecs.BOM_UTF8) and _is_utf8(body):
        raise CharsetError(f"it begins with the mark of UTF-8, and {told[:_SHOWN]!r} is declared: leave `charset` out")
    # Wide characters have bytes of zero, in line ends and signs at least.
    is_wide = codec is not None and codec.startswith(_WIDE)
    may_be_utf8 = not declared and not (is_wide and b"\0" in body) and not _is_stateful(told)
    if may_be_utf8 and _is_utf8(body):
        if codec is None or is_wide or (is_json and not (codec.startswith(_MULTI_BYTE) and _fits(body, codec))):
            return body, CharsetProblem(f"{says}, and its bytes are UTF-8", is_of_data=False, is_harmless=True)
        raise CharsetError(f"{says}, and its bytes are UTF-8 as well")
    if codec is None:
        raise CharsetError(f"{says}, which is not known")
    if codec == _LATIN_1 and (control := _CONTROLS.search(body)) is not None:
        raise CharsetError(
            f"it has the byte {body[control.start()]:#04x} near {control.start()}, for which the charset "
            f'{told[:_SHOWN]!r} has no letter: windows-1252 may be meant, which is written charset = "windows-1252"'
        )
    if codec in _WIDE and body[:1] == b"\0":
        codec += "-be"  # Without a mark. The first character of JSON and of most tables is ASCII.
    try:
        return body.decode(codec).encode(), None
    except UnicodeDecodeError as error:
        where = f"byte {body[error.start]:#04x} near {error.start}"
        raise CharsetError(
            f"it is not in its charset {told[:_SHOWN]!r}: {where}. If another one is meant, write it in `format`",
            is_of_data=True,
        ) from None


@lru_cache(maxsize=256)
def _codec(content_type: str, declared: str) -> tuple[str, str | None]:
    """Return the charset that counts, and Python's name of it."""
    found = _CHARSET.search(content_type)
    told = declared or ("" if found is None else (found[1] or found[2] or "").strip())
    return told, codec_of(told) if told else None


def _is_stateful(charset: str) -> bool:
    try:
        return codecs.lookup(charset).name.startswith(_STATEFUL)
    except (LookupError, ValueError):
        return False


def _is_utf8(body: bytes) -> bool:
    return _fits(body, "utf-8")


def _fits(body: bytes, codec: str) -> bool:
    try:
        body.decode(codec)
    except UnicodeDecodeError:
        return False
    return True
