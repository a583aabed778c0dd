"""Failures in bodies of lines: as the only line, in the midst, or, under the good status of the beginning, as the last
one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Raw

from haulier.api.answers.body_problem import BodyProblem
from haulier.api.answers.record_failure import failure_problem, has_good_value, members_of_record
from haulier.api.records.empty_forms import failing_key, is_bare_failure, may_tell_failure
from haulier.api.records.paths import BOM

_SPACE: Final = b" \t\r\n\x1e"
_SEPARATOR: Final = b"\x1e"


def lines_of(body: bytes) -> Iterator[bytes]:
    """Yield those that hold something: JSON text sequences have another sign between."""
    body = body.removeprefix(BOM)
    for line in body.split(_SEPARATOR if body[:1] == _SEPARATOR else b"\n"):
        if line := line.strip(_SPACE):
            yield line


def find_line_failure(body: bytes) -> BodyProblem | None:
    """Servers tell a failure under the good status that they began with. What is not JSON is told elsewhere."""
    if not may_tell_failure(body):
        return None
    lines = list(lines_of(body))
    for bare in dict.fromkeys(filter(None, map(is_bare_failure, lines))):
        if not has_good_value(bare, lines):
            return _problem(bare)
    members = members_of_record(lines[-1]) if lines else None
    key = None if members is None else failing_key(members)
    if key is None or members is None or _is_field(key, members, lines[:-1]):
        return None
    return _problem(key)


def _problem(key: str) -> BodyProblem:
    return failure_problem(key, f"*.{key}")


def _is_field(key: str, members: dict[str, Raw], others: list[bytes]) -> bool:
    """Whether another line has it, or would be this one with it."""
    for each in others:
        found = members_of_record(each)
        if found and (key in found or found.keys() <= members.keys()):
            return True
    return False
