"""Bodies of lines: NDJSON, JSON text sequences (RFC 7464), and CSV with the names in its first line.

A cut in the middle of a line is seen; one between two lines only by a count.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Raw

from haulier.api.body_format import CSV, JSON_SEQUENCE, BodyFormat
from haulier.api.errors import Action, ApiError, BodyError, PagingError, Shape
from haulier.api.records.empty_forms import HEADER_ONLY, NO_BODY, EmptyForms, is_bare_failure
from haulier.api.records.page import Body, Page, PageReader, text_of, wide_charset
from haulier.api.records.paths import ROOT, is_json
from haulier.api.records.record_finder import LIST, RecordFinder, has_each
from haulier.api.records.slices import Records
from haulier.api.records.surrogates import hide
from haulier.errors import UsageError
from haulier.plurals import count_of

MAX_TABLE_BYTES: Final = 256 * 1024 * 1024
"""Rows as objects, each with the names of all columns: a body of short values becomes many times as large."""
_SPACE: Final = b" \t\r\n"
_encoder: Final = msgspec.json.Encoder()
_SEPARATOR: Final = b"\x1e"


def check_lines(form: BodyFormat, records: str, shape: str, empty: EmptyForms, total_at: str) -> None:
    """Raises `UsageError` for what lines cannot have."""
    if not form.has_lines:
        if HEADER_ONLY in empty.words:
            raise UsageError(f'"{HEADER_ONLY}" is about CSV. Remove it, or write format = "csv".')
        return
    if shape != LIST or has_each(records):
        raise UsageError("each line is one record. Remove `shape`, and `*` in `records`.")
    if form.kind == CSV and records != ROOT:
        raise UsageError('each line of CSV is one record. Write records = ".".')
    if total_at:
        raise UsageError(
            "lines have no total beside them. Write `header` in place of `at` in `total`, or ask for the count of the "
            "whole by `expect`."
        )
    others = sorted(empty.words - {NO_BODY, *([HEADER_ONLY] if form.kind == CSV else [])})
    if others:
        raise UsageError(f'"{others[0]}" in `empty` is about a list in JSON. Remove it.')


class LineReader(PageReader):
    """One for each list: later tables must have the columns of the first."""

    def __init__(self, form: BodyFormat, records_path: str, empty: EmptyForms) -> None:
        super().__init__(records_path, empty)
        self._form = form
        self._finder = RecordFinder(records_path, "object", EmptyForms())
        self._columns: list[str] = []

    def read(self, body: bytes) -> Body:
        """Raises `BodyError` for a body that is cut, or not of its format, and for a row that does not fit."""
        text = text_of(body, self._form.kind)
        if self._form.kind == CSV:
            rows = self._rows(text)
            return LineBody(Page(rows, encoded=True), self)
        texts = _sequence(text) if self._form.kind == JSON_SEQUENCE else text.split(b"\n")
        self._check_last_end(text)
        numbered = [(number, line) for number, each in enumerate(texts, 1) if (line := each.strip(_SPACE))]
        if self._records_path != ROOT:
            self._check_failure(numbered)
        return LineBody(Page(Records(self._values(numbered))), self)

    def read_end(self, body: bytes) -> Body | None:
        """A rule calls this answer the end: a failure is no record."""
        text = body.strip(_SPACE + _SEPARATOR)
        if not text or text.startswith(b"<"):
            return None
        if b"\n" not in text:  # A message, or what the rule found; a table has rows below its first line.
            if self._form.kind == CSV or text[:1] not in (b"{", b"[") or is_bare_failure(text):
                return None
        elif self._form.kind == CSV and text[:1] in (b"{", b"[") and is_json(text):
            return None
        return self.read(body)

    def without_records(self) -> Body:
        return LineBody(Page(()), self, is_declared_empty=True)

    # -- JSON, a value a line ------------------------------------------------------------------------------------------

    def _values(self, numbered: list[tuple[int, bytes]]) -> list[bytes]:
        lines = [line for _, line in numbered]
        joined = b"[" + b",\n".join(lines) + b"]"
        hidden = None
        try:
            elements = msgspec.json.decode(joined, type=list[Raw])
        except (msgspec.DecodeError, RecursionError):
            hidden = hide(joined)
            try:
                elements = [] if hidden is None else msgspec.json.decode(hidden.body, type=list[Raw])
            except (msgspec.DecodeError, RecursionError):
                elements = []
        # Where each is as long as its line, they are the lines: their gaps are of two bytes, and none begins in one.
        if [len(element) for element in elements] != [len(line) for line in lines]:
            raise self._bad_line(numbered)
        if self._records_path == ROOT:
            if len(lines) == 1 and lines[0].startswith(b"[") and lines[0][1:].lstrip().startswith(b"{"):
                raise BodyError("the body is one list of JSON, and no lines: leave out `format`", Shape.NOT_JSON)
            return lines
        return [self._record(number, line) for number, line in numbered]

    def _record(self, number: int, line: bytes) -> bytes:
        hidden = hide(line)
        try:
            found = self._finder.find(line if hidden is None else hidden.body) if self._finder is not None else None
        except BodyError as error:
            raise BodyError(f"line {number:,}: {error}", error.shape) from None
        assert found is not None
        element = found.elements[0]
        return bytes(element) if hidden is None else hidden.restore(memoryview(element))

    def _bad_line(self, numbered: list[tuple[int, bytes]]) -> BodyError:
        if numbered[0][1].startswith(_SEPARATOR):
            return BodyError('a record separator (RFC 7464) begins the line: write format = "json-seq"', Shape.NOT_JSON)
        if wide_charset(numbered[0][1]):
            return self._wide(numbered[0][1])
        if self._is_document(b"\n".join(line for _, line in numbered)):
            return BodyError("the body is one JSON value over several lines: leave out `format`", Shape.NOT_JSON)
        for number, line in numbered:
            hidden = hide(line)
            try:
                msgspec.json.decode(line if hidden is None else hidden.body, type=Raw)
            except (msgspec.DecodeError, RecursionError) as error:
                return BodyError(f"line {number:,} is not JSON: {error}", Shape.UNPARSED)
        return BodyError("a line is not JSON", Shape.UNPARSED)

    def _check_last_end(self, text: bytes) -> None:
        if text and not text.endswith(b"\n") and not self._form.may_lack_newline:
            if wide_charset(text):
                raise self._wide(text)
            whole = "; or the whole is one JSON value: leave out `format` then" if self._is_document(text) else ""
            raise BodyError(f"the last line has no end, so that it may be cut{whole}", Shape.CUT_LINE)

    def _is_document(self, text: bytes) -> bool:
        return self._form.kind != CSV and text.lstrip()[:1] in (b"{", b"[") and is_json(text)

    def _wide(self, text: bytes) -> BodyError:
        charset = wide_charset(text) or "utf-16"
        return BodyError(
            "the body has NUL bytes where text begins. If its letters have two bytes, say so: "
            f'format = {{ kind = "{self._form.kind}", charset = "{charset}" }}',
            Shape.UNPARSED,
        )

    def _check_failure(self, numbered: list[tuple[int, bytes]]) -> None:
        """Where the lines themselves are the records, a rule may allow it (`haulier.api.answers.line_failure`)."""
        for number, line in (*numbered[:1], *numbered[-1:]):
            if (key := is_bare_failure(line)) is not None:
                where = f"line {number:,} has nothing but {key!r}"
                raise BodyError(f"{where}, which looks like a failure in place of a record", Shape.NONE)

    # -- CSV -----------------------------------------------------------------------------------------------------------

    def _rows(self, text: bytes) -> list[bytes]:
        self._check_last_end(text)
        rows = _table(text, self._form.delimiter)
        _, columns = next(rows, (0, []))
        self._check_columns(columns, text)
        found: list[bytes] = []
        room = MAX_TABLE_BYTES
        for row in _fitting(rows, columns):
            if len(columns) == 1 and not found and not text.startswith(b'"'):
                self._check_delimiter(columns[0], row[0])
            found.append(_encoder.encode(dict(zip(columns, row, strict=True))))
            room -= len(found[-1])
            if room < 0:
                raise ApiError(
                    f"the rows of a table of {len(text):,} bytes take more than {MAX_TABLE_BYTES:,} as objects with "
                    "the columns' names. Ask for fewer rows at a time",
                    action=Action.SPLIT,
                )
        if not found and not self._columns and HEADER_ONLY not in self._empty.words:
            raise BodyError("the answer is one line: a table without rows, or a message", Shape.HEADER_ONLY)
        self._columns = columns
        return found

    def _check_columns(self, columns: list[str], text: bytes) -> None:
        if not columns:
            raise BodyError("there is no line with the names of the columns", Shape.UNPARSED)
        if any("\0" in name for name in columns):
            raise self._wide(text)
        for place, name in enumerate(columns, 1):
            if not name.strip():
                raise BodyError(f"column {place:,} has no name in the first line", Shape.TABLE)
            if columns.count(name) > 1:
                raise BodyError(f"the first line names the column {name[:_SHOWN]!r} twice", Shape.TABLE)
        if self._columns and columns != self._columns:
            raise BodyError(
                f"the first line is not that of the first page, which names {', '.join(self._columns)[:_SHOWN]}",
                Shape.TABLE,
            )

    def _check_delimiter(self, name: str, value: str) -> None:
        """Refuse one column whose name and first value have the sign of another table: all of it would stand in one
        field. A sign of one's own is taken at its word."""
        for sign in _DELIMITERS if self._form.delimiter in _DELIMITERS else ():
            if sign in name and sign in value:
                shown = "\\t" if sign == "\t" else sign
                raise BodyError(
                    f"the table has one column, {name[:_SHOWN]!r}, and its name and values have '{shown}'. If that "
                    f'stands between columns, say so: format = {{ kind = "csv", delimiter = "{shown}" }}. If the table '
                    'has but one column, write a delimiter that stands nowhere in it: delimiter = "^"',
                    Shape.TABLE,
                )


class LineBody(Body):
    """Lines have nothing beside them: neither total nor token."""

    def __init__(self, page: Page, reader: LineReader, *, is_declared_empty: bool = False) -> None:
        super().__init__(b"null", page, {}, reader, is_declared_empty=is_declared_empty)

    def raw(self, path: str) -> Raw | None:
        raise PagingError(
            f"nothing can be at {path!r}: an answer of lines has nothing beside its records. Page by a header, the "
            "Link header, an offset, a page number or `seek`."
        )


_SHOWN: Final = 200
_MAX_FIELD: Final = 2**31 - 1
_DELIMITERS: Final = (";", "\t", "|", ",")


def _sequence(text: bytes) -> list[bytes]:
    """Raises `BodyError` for a text that is cut: RFC 7464 tells a number by the space behind it."""
    if text and not text.startswith(_SEPARATOR):
        lines = is_json(text.partition(b"\n")[0])
        remedy = ': as its first line is JSON, write format = "ndjson"' if lines else ""
        raise BodyError(f"the body does not begin with a record separator (RFC 7464){remedy}", Shape.UNPARSED)
    texts = text.split(_SEPARATOR)[1:]
    if texts and not texts[-1]:
        raise BodyError("the sequence ends with a separator, so that a text may be missing", Shape.UNPARSED)
    for number, each in enumerate(texts, 1):
        if each[-1:] not in (b"", b"}", b"]", b'"') and not each.endswith(tuple(bytes((sign,)) for sign in _SPACE)):
            raise BodyError(f"text {number:,} of the sequence is cut", Shape.UNPARSED)
    return texts


def _table(text: bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield rows with their line. Raises `BodyError`."""
    # A field may be as long as the body; the standard library allows 128 KiB until it is told.
    csv.field_size_limit(_MAX_FIELD)
    reader = csv.reader(_lines(text), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise BodyError(f"line {reader.line_num:,} is not CSV: {error}", Shape.UNPARSED) from None


def _lines(text: bytes) -> Iterator[str]:
    """Cut one by one: `io.StringIO` would take four bytes for each letter."""
    start = 0
    while start < len(text):
        end = text.find(b"\n", start) + 1 or len(text)
        yield text[start:end].decode()
        start = end


def _fitting(rows: Iterator[tuple[int, list[str]]], columns: list[str]) -> Iterator[list[str]]:
    for line, row in rows:
        if not row and len(columns) > 1:
            continue  # An empty line is no row of several columns.
        if len(row) != len(columns):
            what = "is empty" if not row else f"has {len(row)} values"
            text = f"line {line:,} {what}, and the first line names {count_of(len(columns), 'column')}"
            sign = next((each for each in _DELIMITERS if each in columns[0]), "") if len(columns) == 1 else ""
            if sign:
                shown = "\\t" if sign == "\t" else sign
                text += f", {columns[0][:_SHOWN]!r}. If '{shown}' stands between columns, write delimiter = \"{shown}\""
            raise BodyError(text, Shape.TABLE if sign else Shape.UNPARSED)
        yield row


def reader_of(
    form: BodyFormat, records: str, empty: EmptyForms, total_at: str, shape: str, *, takes_null: bool = False
) -> PageReader:
    if form.has_lines:
        return LineReader(form, records, empty)
    return PageReader(records, empty, total_at, shape, takes_null=takes_null)
