"""Failures that stand where records do: in place of one, or of the records of a group."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Raw

from haulier.api.answers.body_problem import BodyProblem
from haulier.api.records.empty_forms import failing_key, failure_at_top, is_bare_failure, may_tell_failure
from haulier.api.records.paths import (
    BOM,
    EACH,
    first_byte,
    is_blank,
    longest_key,
    members_of_each,
    parts_of,
    raw_at,
)
from haulier.api.records.record_finder import LIST, VALUES, has_each, may_be_failure
from haulier.api.records.surrogates import hide


def find_failure(body: bytes, records: str, shape: str) -> BodyProblem | None:
    """Look where an object that tells a failure would be taken for a record, or for a group without records. What is
    not JSON is told elsewhere."""
    is_at_top, is_below = may_be_failure(records, shape), has_each(records) or shape != LIST
    if not (is_at_top or is_below) or not may_tell_failure(body):
        return None
    body = body.removeprefix(BOM)
    hidden = hide(body)
    try:
        node = msgspec.json.decode(body if hidden is None else hidden.body, type=Raw)
        key = failure_at_top(node) if is_at_top else None
        if key is not None:
            return failure_problem(key)
        return _find_below(node, records, shape) if is_below else None
    except (msgspec.DecodeError, RecursionError):
        return None


def has_good_value(key: str, records: Iterable[bytes]) -> bool:
    """Whether a record that is no failure has the key too: it is a field then."""
    name = f'"{key}"'.encode()
    return any(
        name in each and is_bare_failure(each) is None and key in (members_of_record(each) or ()) for each in records
    )


def members_of_record(record: bytes) -> dict[str, Raw] | None:
    """None for what is no object."""
    if not record.startswith(b"{"):
        return None
    hidden = hide(record)
    try:
        return msgspec.json.decode(record if hidden is None else hidden.body, type=dict[str, Raw])
    except (msgspec.DecodeError, RecursionError):
        return None


def failure_problem(key: str, rule_at: str = "") -> BodyProblem:
    """``rule_at``: the path of a rule that finds it, where that is not the key itself."""
    others = (
        '"ok" instead of "retry_later", if it is a record, or a group that has none'
        if rule_at
        else '"absent" instead of "retry_later", if there is no such record; or "ok", if it is a field of the record'
    )
    return BodyProblem(
        f"something at {key!r}, which looks like a failure in place of a record. Write a rule for it: "
        f'{{ at = "{rule_at or key}", action = "retry_later" }}; {others}'
    )


def _find_below(node: Raw, records: str, shape: str) -> BodyProblem | None:
    parts = parts_of(records)
    search = _Search(shape)
    search.has_records(node, parts, (), ())
    return search.problem


class _Search:
    def __init__(self, shape: str) -> None:
        self._shape = shape
        self.problem: BodyProblem | None = None

    def has_records(self, node: Raw, parts: list[str], passed: tuple[str, ...], rule: tuple[str, ...]) -> bool:
        """Whether something stands where the records of this part are. ``rule``: ``passed``, with ``*`` for members."""
        if not parts:
            if self._shape == VALUES:
                records = {name: bytes(value) for name, value in members_of_each(node)}
                keys = {name: key for name, value in records.items() if (key := is_bare_failure(value)) is not None}
                for key, name in {key: name for name, key in reversed(keys.items())}.items():
                    if not has_good_value(key, records.values()):
                        self._note(key, (*passed, name), (*rule, EACH))
            elif self._shape != LIST:
                self._note(is_bare_failure(bytes(node)), passed, rule)
            return not is_blank(node)
        if parts[0] == EACH:
            return self._each(node, parts[1:], passed, rule)
        if first_byte(node) == b"{":
            members = dict(members_of_each(node))
            length = longest_key(members, parts)
            name = ".".join(parts[:length])
            return bool(length) and self.has_records(members[name], parts[length:], (*passed, name), (*rule, name))
        found = raw_at(node, parts[0])
        return found is not None and self.has_records(found, parts[1:], (*passed, parts[0]), (*rule, parts[0]))

    def _each(self, node: Raw, parts: list[str], passed: tuple[str, ...], rule: tuple[str, ...]) -> bool:
        is_any = False
        for name, member in members_of_each(node):
            if self.has_records(member, parts, (*passed, name), (*rule, EACH)):
                is_any = True
            elif first_byte(member) == b"{":
                key = failing_key(msgspec.json.decode(member, type=dict[str, Raw]))
                self._note(key, (*passed, name), (*rule, EACH))
        return is_any

    def _note(self, key: str | None, passed: tuple[str, ...], rule: tuple[str, ...]) -> None:
        if key is not None and self.problem is None:
            self.problem = failure_problem(".".join((*passed, key)), ".".join((*rule, key)))
