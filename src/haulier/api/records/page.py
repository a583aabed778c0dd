"""Records as the bytes that the API sent (G6)."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec
from msgspec import Raw

from haulier.api.errors import BodyError, Shape
from haulier.api.records.added_fields import add_fields, add_keyed_fields
from haulier.api.records.empty_forms import (
    EMPTY_LIST_ONLY,
    FAILURE_KEYS,
    EmptyForms,
    failure_in,
)
from haulier.api.records.paths import (
    BOM,
    ROOT,
    Reading,
    dead_end,
    describe,
    explain_misfit,
    explain_missing,
    first_byte,
    is_blank,
    is_json,
    raw_at,
    readings,
)
from haulier.api.records.picker import picker
from haulier.api.records.record_finder import LIST, RecordFinder, is_plain, path_before_each, says_nothing_is_there
from haulier.api.records.slices import Bytes, Records
from haulier.api.records.surrogates import Hidden, hide
from haulier.errors import ItemError

NO_LIST_VALUES: Final = (b"null", b"{}", b'""', b"false")
"""The second is PHP's empty list."""
_CHUNK_BYTES: Final = 32 * 1024
"""More than fit into the processor's cache take twice as long. ASCII needs no check."""
_END_BYTES: Final = 64
"""Bytes at both ends of a record by which it is found in its body."""


@dataclass(frozen=True, slots=True)
class Page:
    """Records, each the ``bytes`` of one JSON value: ``json.loads(page.records[0])``.

    A session yields the API's own bytes; ``Page.of([{"id": 1}])`` encodes records of one's own.
    """

    records: Sequence[bytes]
    encoded: bool = False
    """The bytes are ours, not the API's."""
    added: tuple[str, ...] = ()
    """Fields of ours in front of the API's bytes."""
    keys: Sequence[bytes | None] = ()
    """The JSON texts under which the records stood in an object, where they stood in one."""

    def __post_init__(self) -> None:
        if not isinstance(self.records, Records):
            object.__setattr__(self, "records", Records(self.records))

    @property
    def slices(self) -> Sequence[Bytes]:
        """Uncopied parts of the body, which are written."""
        return cast("Records", self.records).slices

    def __len__(self) -> int:
        return len(self.records)

    def with_fields(self, fields: Mapping[str, Any]) -> Page:
        """Return the page with ``fields`` in front of each record, whose own bytes follow unchanged.

        ``page.with_fields({"author_id": item.author})`` says whose they are. Raises `ApiError` for a record that is no
        object, or has such a field itself.
        """
        return Page(add_fields(self.slices, fields), self.encoded, (*self.added, *fields), self.keys)

    def with_keyed_fields(self, fields_of: Callable[[bytes], Mapping[str, Any]]) -> Page:
        """As `with_fields`, with fields that are made of each record's key."""
        texts = add_keyed_fields(self.slices, self.keys, fields_of)
        names = tuple(fields_of(b'""')) if texts else ()
        return Page(texts, self.encoded, (*self.added, *names), self.keys)

    @classmethod
    def of(cls, records: Iterable[dict[str, Any]]) -> Page:
        """Encode records as compact JSON: times as ISO 8601, decimals as text, NaN as null. Raises `ItemError` for what
        JSON cannot hold."""
        try:
            return cls([msgspec.json.encode(record) for record in records], encoded=True)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ItemError(f"A record cannot be written as JSON: {error}. Yield dicts of plain values.") from error


class PageReader:
    """Learns which paths are asked for in a list: from the second page on, one pass finds them all."""

    def __init__(
        self,
        records_path: str,
        empty: EmptyForms = EMPTY_LIST_ONLY,
        total_at: str = "",
        shape: str = LIST,
        *,
        takes_null: bool = False,
    ) -> None:
        """``total_at``: path of an exact total. ``takes_null``: as `RecordFinder`."""
        self._records_path = records_path
        self._empty = empty
        self._total_at = total_at
        self._asked: tuple[str, ...] = ()
        self._finder = None
        if not is_plain(records_path, shape):
            self._finder = RecordFinder(records_path, shape, empty, total_at, takes_null=takes_null)

    def read(self, body: bytes) -> Body:
        """Raises `BodyError` for a body that is not JSON in UTF-8, or has no list at the records' path, or two."""
        body = text_of(body)
        hidden: Hidden | None = None
        try:
            elements, values, keys, failure_at = self._cut(body)
        except (msgspec.DecodeError, RecursionError) as error:
            hidden = hide(body)
            if hidden is None:
                raise not_json_error(body, error) from error
            try:
                elements, values, keys, failure_at = self._cut(hidden.body)
            except (msgspec.DecodeError, RecursionError) as other:
                raise not_json_error(body, other) from other
        if hidden is not None:
            keys = [None if key is None else hidden.restore(key) for key in keys]
            page = Page(Records([hidden.restore(memoryview(element)) for element in elements or ()]), keys=keys)
            return Body(hidden.body, page, values, self, hidden, failure_at, is_declared_empty=elements is None)
        # Slices hold on to their body and copy nothing. They are buffers with a length, which their stubs do not say.
        page = Page(Records(cast("list[Bytes]", elements or [])), keys=keys)
        return Body(body, page, values, self, failure_at=failure_at, is_declared_empty=elements is None)

    def without_records(self) -> Body:
        return Body(b"null", Page(()), {}, self, is_declared_empty=True)

    def read_end(self, body: bytes) -> Body | None:
        """A rule calls this answer the end: it need not have records."""
        body = text_of(body)
        if body.lstrip()[:1] not in (b"{", b"["):
            return None
        try:
            found = raw_at(body, path_before_each(self._records_path))
            if self._finder is not None and failure_in(body) is not None:
                return None
        except (msgspec.DecodeError, RecursionError) as error:
            raise not_json_error(body, error) from error
        return None if found is None or bytes(found) in NO_LIST_VALUES else self.read(body)

    def _cut(self, body: bytes) -> tuple[list[Raw] | None, dict[str, Raw | None], Sequence[bytes | None], str]:
        """Also returns the records' keys, where they stand in an object, and where something looks like a failure."""
        if self._finder is not None:
            found = self._finder.find(body)
            if found is None:
                check_failure(body)
                return None, {}, (), ""
            return found.elements, {}, found.keys, found.failure_at
        picked = picker(self._records_path, (*self._asked, *FAILURE_KEYS)).pick(body)
        elements, values = picked if picked is not None else (self._elements(body), {})
        _check_unique(body, self._records_path, elements or [])
        beside = (key for key in FAILURE_KEYS if (value := values.get(key)) is not None and not is_blank(value))
        return elements, values, (), next(beside, "")

    def _elements(self, body: bytes) -> list[Raw] | None:
        """None for a declared empty page."""
        path = self._records_path
        found = raw_at(body, path)
        if self._is_absence(body) if found is None else self._empty.takes_value(found):
            check_failure(body)
            return None
        if found is None:
            shape = Shape.ASTRAY if self._empty.takes_absent else Shape.MISSING
            raise BodyError(f"no records: {explain_missing(body, path)}", shape)
        if first_byte(found) != b"[":
            shape = Shape.NULL if found == Raw(b"null") else Shape.NOT_A_LIST
            raise BodyError(f"expected a list of records at {path!r}, found {describe(found)}", shape)
        return msgspec.json.decode(found, type=list[Raw])

    def _is_absence(self, body: bytes) -> bool:
        is_declared = self._empty.takes_absence(body, self._records_path)
        return is_declared or says_nothing_is_there(body, self._empty, self._total_at)

    def note(self, path: str) -> None:
        if path not in self._asked:
            self._asked = (*self._asked, path)


class Body:
    def __init__(
        self,
        body: bytes,
        page: Page,
        values: dict[str, Raw | None],
        reader: PageReader,
        hidden: Hidden | None = None,
        failure_at: str = "",
        *,
        is_declared_empty: bool = False,
    ) -> None:
        """``is_declared_empty`` pages need have neither total nor flag. ``failure_at``: path of what looks like one."""
        self._body = body
        self._hidden = hidden
        self._values = values
        self._reader = reader
        self.page = page
        self.failure_at = failure_at
        self.is_declared_empty = is_declared_empty

    def raw(self, path: str) -> Raw | None:
        if path not in self._values:
            self._reader.note(path)
            self._values[path] = raw_at(self._body, path)
        found = self._values[path]
        return found if found is None or self._hidden is None else Raw(self._hidden.restore(memoryview(found)))

    @property
    def text(self) -> bytes:
        """Lone surrogates in it are written otherwise than they came."""
        return self._body

    def check_failure(self) -> None:
        check_failure(self._body)

    def explain_missing(self, path: str) -> str:
        return explain_missing(self._body, path)

    def explain_misfit(self, path: str) -> str:
        return explain_misfit(self._body, path)

    def keys_beside(self, path: str) -> tuple[str, dict[str, Raw]]:
        """Return how far a path leads, and the members of the object there."""
        passed = path.rpartition(".")[0]
        node = raw_at(self._body, passed or ROOT)
        if node is None:
            passed, node = dead_end(self._body, path)
        if first_byte(node) != b"{":
            return passed, {}
        return passed, msgspec.json.decode(node, type=dict[str, Raw])


def check_failure(body: bytes) -> None:
    """Raises `BodyError` where a page without records tells a failure, which would end the list in silence."""
    if (key := failure_in(body)) is not None:
        raise BodyError(
            f"no records, and something at {key!r}, which looks like a failure. "
            f'Write a rule for it: {{ at = "{key}", action = "retry_later" }}; or "end" instead of "retry_later", if '
            "there are no more",
            Shape.NONE,
        )


def split_records(body: bytes, records_path: str) -> Page:
    """Return the records at a dotted path, unchanged byte for byte.

    Raises `BodyError` for a body that is not JSON in UTF-8, and for a path without a list, or with two: JSON allows a
    key twice, and one list would be lost.
    """
    return PageReader(records_path).read(body).page


def not_json_error(body: bytes, error: Exception) -> BodyError:
    """Records one a line are no mistake of the API's."""
    lines = [line for line in (line.strip(b" \t\r\x1e") for line in body[:_CHUNK_BYTES].split(b"\n")) if line][:2]
    if len(lines) == 2 and all(is_json(line) for line in lines):
        kind = "json-seq" if body.startswith(b"\x1e") else "ndjson"
        return BodyError(f'the body is several JSON values, one a line: write format = "{kind}"', Shape.NOT_JSON)
    return BodyError(f"the body is not JSON: {error}", Shape.UNPARSED)


def text_of(body: bytes, kind: str = "json") -> bytes:
    """UTF-8 is proven here: msgspec does not check it in what it skips. ``kind``: of `BodyFormat`."""
    body = body.removeprefix(BOM)
    if not body.isascii():
        _check_utf8(body, kind)
    return body


def _check_utf8(body: bytes, kind: str) -> None:
    end = 0
    while end < len(body):
        start, end = end, end + _CHUNK_BYTES
        while end < len(body) and body[end] & 0xC0 == 0x80:  # In the midst of a character.
            end += 1
        chunk = body[start:end]
        if not chunk.isascii():
            try:
                chunk.decode()
            except UnicodeDecodeError as error:
                raise _not_utf8(error, start, body, kind) from None


def _not_utf8(error: UnicodeDecodeError, start: int, body: bytes, kind: str) -> BodyError:
    where = f"byte {error.object[error.start]:#04x} near {start + error.start}"
    if (archive := next((name for sign, name in _ARCHIVES.items() if body.startswith(sign)), "")) != "":
        return BodyError(f"the body is not text: it begins as {archive} does, which is not read", Shape.UNPARSED)
    charset = wide_charset(body)
    says = f"As it begins like {charset}" if charset else "If the API sends another charset"
    return BodyError(
        f"the body is not UTF-8: {where}. {says}, say so: "
        f'format = {{ kind = "{kind}", charset = "{charset or "windows-1252"}" }}',
        Shape.UNPARSED,
    )


_ARCHIVES: Final = {b"PK\x03\x04": "a ZIP file or a workbook", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2"}


def wide_charset(text: bytes) -> str:
    """The charset of two bytes a letter that a text begins like, or ""."""
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    return "utf-16-be" if text[:1] == b"\0" else "utf-16-le" if text[1:2] == b"\0" else ""


def _check_unique(body: bytes, path: str, elements: list[Raw]) -> None:
    """Refuse a key twice on the way to the records: msgspec takes the last in silence.

    A key that is once in the text outside the records is once in the object. Only other bodies are parsed.
    """
    keys = {key for reading in readings(path) for key in reading if not key.isdigit()}
    if not keys:
        return
    rest = _cut_out(body, elements)
    if all(sum(rest.count(name) for name in _spellings(key)) <= 1 for key in keys):
        return
    # Numbers stay text: Python refuses to read integers of over 4,300 digits.
    tree = json.loads(rest, object_pairs_hook=_Pairs, parse_int=str, parse_float=str)
    for reading in readings(path):
        if (key := _doubled_key(tree, reading)) is not None:
            twice = f"the key {key!r} is there twice on the way to {path!r}, and only one of them could be read"
            raise BodyError(twice, Shape.UNPARSED)


class _Pairs(list[tuple[str, Any]]):
    """An object with its doubled keys."""


def _doubled_key(tree: Any, reading: Reading) -> str | None:
    for key in reading:
        if isinstance(tree, _Pairs):
            values = [value for name, value in tree if name == key]
            if len(values) > 1:
                return key
            tree = values[0] if values else None
        elif isinstance(tree, list) and key.isdigit():
            tree = tree[int(key)] if int(key) < len(tree) else None
        else:
            return None
    return None


def _cut_out(body: bytes, elements: list[Raw]) -> bytes:
    """Replace records by null, if they have equal gaps, as programs write them."""
    if not elements or first_byte(elements[0]) not in (b"{", b"["):
        return body
    first, tail = memoryview(elements[0]), memoryview(elements[-1])[-_END_BYTES:]
    start = body.find(first[:_END_BYTES])
    end = start + sum(map(len, elements)) + len(elements) - 1
    # They do not begin before `start`, and with a byte between each two they do not end before `end`. So if the last
    # one does not end behind it, they fill what lies between, and need not be compared.
    if body.find(tail, end - len(tail) + 1) >= 0:
        start = body.find(first)
        gap = b""
        if len(elements) > 1:
            end = start + len(first)
            gap = body[end : body.find(memoryview(elements[1]), end)]
            if gap.strip(b" \t\r\n") != b",":  # The same text as the first record's stands somewhere before the list.
                return body
        records = gap.join(elements)
        if not body.startswith(records, start):
            return body
        end = start + len(records)
    return body[:start] + b"null" + body[end:]


@functools.lru_cache(maxsize=1_024)
def _spellings(key: str) -> frozenset[bytes]:
    return frozenset({json.dumps(key).encode(), json.dumps(key, ensure_ascii=False).encode()})
