"""Failures in bodies of lines: as the only line, or, in the midst of an answer, as the last one."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from haulier.api.answers.body_problem import BodyProblem, failure_problem
from haulier.api.records.empty_forms import failing_key, is_bare_failure
from haulier.api.records.surrogates import hide

_SPACE: Final = b" \t\r\n\x1e"
_BOM: Final = b"\xef\xbb\xbf"
_SEPARATOR: Final = b"\x1e"


def find_line_failure(body: bytes) -> BodyProblem | None:
    """Servers tell a failure under the good status that they began with. What is not JSON is told elsewhere."""
    sign = _SEPARATOR if body[:1] == _SEPARATOR else b"\n"
    text = body.removeprefix(_BOM).strip(_SPACE)
    start = max(text.rfind(sign), 0)
    first, last = text[: max(text.find(sign), 0)].strip(_SPACE), text[start:].strip(_SPACE)
    members = _members(last)
    key = None if members is None else failing_key(members)
    if first:
        key = is_bare_failure(first) or is_bare_failure(last) or _lacking_key(text[:start], sign, key, members)
    return None if key is None else failure_problem(key)


def _lacking_key(others: bytes, sign: bytes, key: str | None, members: dict[str, Raw] | None) -> str | None:
    """Return the key where no other line has it, and none would be this one without it."""
    if key is None or members is None:
        return None
    for each in others.split(sign):
        found = _members(each.strip(_SPACE))
        if found and (key in found or found.keys() <= members.keys()):
            return None
    return key


def _members(line: bytes) -> dict[str, Raw] | None:
    if not line.startswith(b"{"):
        return None
    hidden = hide(line)
    try:
        return msgspec.json.decode(line if hidden is None else hidden.body, type=dict[str, Raw])
    except (msgspec.DecodeError, RecursionError):
        return None
