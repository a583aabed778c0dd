"""Wrong bodies that some clients take for right ones."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace
from http import HTTPStatus
from typing import assert_never, get_args

from haulier.testing.proxy.wire import JSON_HEADERS, Cut, WireResponse, cut_wire
from haulier.testing.sandbox.setting_groups import CorruptionKind
from haulier.testing.sandbox.wire import Answer, render

CORRUPTION_KINDS: tuple[CorruptionKind, ...] = get_args(CorruptionKind)
_GZIPPED = b"Content-Encoding: gzip\r\n"
_CUTS: dict[CorruptionKind, Cut] = {"gzip_cut": Cut.GZIP, "chunked_cut": Cut.CHUNKED}
CLOSING_KINDS: frozenset[CorruptionKind] = frozenset({"length_short", "length_long", "chunked_cut"})
"""The kinds after which the connection cannot carry another answer."""
_HTML = b"<!DOCTYPE html>\n<html><head><title>Please wait</title></head><body>The API is busy.</body></html>\n"
_BOM = b"\xef\xbb\xbf"
_SCORE = re.compile(rb'("score" ?: ?)[^,}]+')
_NUMBER = re.compile(rb'(": ?)-?\d[\d.eE+-]*')


def possible_kind(kind: CorruptionKind, is_gzip_taken: bool) -> CorruptionKind:
    """Return the kind; for a client without gzip, `json_stops` instead of a kind that needs gzip."""
    return "json_stops" if kind in ("gzip_cut", "gzip_crc") and not is_gzip_taken else kind


def corrupt_wire(made: Answer, kind: CorruptionKind) -> bytes:
    """Render the answer with a body that is wrong in this way."""
    body = made.body
    match kind:
        case "length_short":
            return render(made, body, length=len(body) // 2)
        case "length_long":
            return render(made, body, length=len(body) + 100)
        case "gzip_cut" | "chunked_cut":
            headers = [*JSON_HEADERS, *made.headers]
            return cut_wire(WireResponse(made.status, HTTPStatus(made.status).phrase, headers, body), _CUTS[kind])
        case "gzip_crc":
            packed = bytearray(gzip.compress(body, compresslevel=1, mtime=0))
            packed[-8] ^= 0xFF  # RFC 1952: the checksum is the last eight bytes' first half.
            return render(made, bytes(packed), _GZIPPED)
        case "json_stops":
            return render(made, body[: len(body) // 2])
        case "html":
            return render(replace(made, headers=()), _HTML, content_type=b"text/html")
        case "bom":
            return render(made, _BOM + body)
        case "nan":
            return render(made, _with_nan(body))
        case _:
            assert_never(kind)


def _with_nan(body: bytes) -> bytes:
    spoilt, count = _SCORE.subn(rb"\1NaN", body, count=1)
    return spoilt if count else _NUMBER.sub(rb"\1NaN", body, count=1)
