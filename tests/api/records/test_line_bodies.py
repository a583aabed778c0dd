"""Bodies of lines: NDJSON, JSON text sequences and CSV, with the integrity of JSON."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.api.answers.judgement import Rule
from haulier.api.body_format import BodyFormat
from haulier.api.errors import Action, ApiError, BodyError, Shape
from haulier.api.paging.cursors import Cursor
from haulier.api.paging.paginator import Single
from haulier.api.paging.positions import Offset
from haulier.api.paging.totals import Total
from haulier.api.records import line_reader
from haulier.api.records.empty_forms import EmptyForms
from haulier.api.records.line_reader import LineReader
from haulier.api.records.page import Page
from haulier.errors import UsageError
from tests.api.paging.rig import Asked, Reply, client_of, collected, ids_of, refused, says, session_with, told
from tests.api.wire.raw_server import Answer, Do, http, raw_server

LONG = b"x" * 200_000
NDJSON, SEQUENCE, CSV = BodyFormat("ndjson"), BodyFormat("json-seq"), BodyFormat("csv")


def read(form: BodyFormat, body: bytes, records: str = ".", empty: tuple[str, ...] = ()) -> Page:
    return LineReader(form, records, EmptyForms.of(empty)).read(body).page


GOOD: dict[str, tuple[BodyFormat, bytes, list[bytes]]] = {
    "lines": (NDJSON, b'{"id":1.10}\n{"id": 2}\n', [b'{"id":1.10}', b'{"id": 2}']),
    "CRLF, blank lines and a mark": (NDJSON, b'\xef\xbb\xbf\r\n{"a":1}\r\n\n  \n[2]\r\n', [b'{"a":1}', b"[2]"]),
    "half a pair of surrogates": (NDJSON, b'{"a":"\\ud800"}\n{"a":2}\n', [b'{"a":"\\ud800"}', b'{"a":2}']),
    "no last newline, declared": (BodyFormat("ndjson", may_lack_newline=True), b"1\n2", [b"1", b"2"]),
    "no lines": (NDJSON, b"\n", []),
    "a sequence": (SEQUENCE, b'\x1e{"a":\n1}\n\x1e\x1e2\n', [b'{"a":\n1}', b"2"]),
    "one column, quoted": (CSV, b'"Last, First"\n"Doe, J"\n', [b'{"Last, First":"Doe, J"}']),
    "one column, a sign of its own": (BodyFormat("csv", "^"), b"a, b\n1, 2\n", [b'{"a, b":"1, 2"}']),
    "a table": (CSV, b"id,name\r\n1,x\r\n", [b'{"id":"1","name":"x"}']),
    "quotes and newlines": (CSV, b'a,b\n"x, ""y""\r\nz",\n', [b'{"a":"x, \\"y\\"\\r\\nz","b":""}']),
    "an inch": (CSV, b'a,b\n5" pipe,1\n', [b'{"a":"5\\" pipe","b":"1"}']),
    "blank lines between": (CSV, b"\xef\xbb\xbfa,b\n\n1,2\n\n", [b'{"a":"1","b":"2"}']),
    "one column, empty but for quotes": (CSV, b'a\n""\nx\n', [b'{"a":""}', b'{"a":"x"}']),
    "signs in one column": (CSV, b"a;b\n1\n2;3\n", [b'{"a;b":"1"}', b'{"a;b":"2;3"}']),
    "NUL in a value": (CSV, b"a,b\n1,x\0y\n", [b'{"a":"1","b":"x\\u0000y"}']),
    "another delimiter": (BodyFormat("csv", delimiter=";"), b"a;b\n1,5;2\n", [b'{"a":"1,5","b":"2"}']),
    "tabs": (BodyFormat("csv", delimiter="\t"), b"a\tb\n1\t2\n", [b'{"a":"1","b":"2"}']),
    "a field larger than the standard library's limit": (CSV, b"a,b\n%b,1\n" % LONG, [b'{"a":"%b","b":"1"}' % LONG]),
}


@pytest.mark.parametrize("name", GOOD)
def test_records_of_lines(name: str) -> None:
    """G6: lines are the API's own bytes; rows become objects of texts, in the order of the columns."""
    form, body, records = GOOD[name]
    page = read(form, body)
    assert page.records == records
    assert page.encoded is (form.kind == "csv")


SEQUENCE_CUT = BodyFormat("json-seq", may_lack_newline=True)
WIDE = "the body has NUL bytes where text begins. If its letters have two bytes, say so: "
WIDE_LINES = WIDE + 'format = { kind = "ndjson", charset = "utf-16-be" }'
WIDE += 'format = { kind = "csv", charset = "'
SAY = 'say so: format = { kind = "csv", charset = '
MARKED = f'the body is not UTF-8: byte 0xff near 0. As it begins like utf-16, {SAY}"utf-16" }}'
OTHER = f'the body is not UTF-8: byte 0xe4 near 3. If the API sends another charset, {SAY}"windows-1252" }}'
ONE_COLUMN = (
    "the table has one column, '{}', and its name and values have '{}'. If that stands between columns, "
    'say so: format = {{ kind = "csv", delimiter = "'
)

BAD: dict[str, tuple[BodyFormat, bytes, str, Shape]] = {
    "a cut line": (NDJSON, b'{"a":1}\n{"a":', "the last line has no end, so that it may be cut", Shape.CUT_LINE),
    "a whole line without end": (NDJSON, b"1\n12", "the last line has no end, so that it may be cut", Shape.CUT_LINE),
    "a cut line with an end": (NDJSON, b'1\n\n{"a":\n', "line 3 is not JSON: Input data was truncated", Shape.UNPARSED),
    "two values in a line": (NDJSON, b'1\n{"a":1} {"b":2}\n', "line 2 is not JSON: ", Shape.UNPARSED),
    "lines that are JSON together": (NDJSON, b"1,2\n[3\n4]\n", "line 1 is not JSON: ", Shape.UNPARSED),
    "an object over two lines": (NDJSON, b'{"a":1,\n"b":2}\n', "the body is one JSON value over sev", Shape.NOT_JSON),
    "one value without end": (
        NDJSON,
        b'{"a":1}',
        "the last line has no end, so that it may be cut; or the",
        Shape.CUT_LINE,
    ),
    "NUL in a line": (NDJSON, b'{"a":"\0"}\n', "line 1 is not JSON: ", Shape.UNPARSED),
    "two bytes a letter": (CSV, "a,b\n1,2\n".encode("utf-16-le"), WIDE + "utf-16-le", Shape.UNPARSED),
    "two bytes a letter, big": (CSV, "a,b\n1,2\n".encode("utf-16-be"), WIDE + "utf-16-be", Shape.UNPARSED),
    "lines of two bytes a letter": (NDJSON, '{"a":1}\n{"a":"x"}\n'.encode("utf-16-be"), WIDE_LINES, Shape.UNPARSED),
    "a mark of UTF-16": (CSV, "a,b\n".encode("utf-16"), MARKED, Shape.UNPARSED),
    "another charset": (CSV, b"a\nK\xe4se\n", OTHER, Shape.UNPARSED),
    "an archive": (
        CSV,
        b"PK\x03\x04\xff\n",
        "the body is not text: it begins as a ZIP file or a workb",
        Shape.UNPARSED,
    ),
    "a sequence cut behind a sign": (
        SEQUENCE_CUT,
        b'\x1e{"a":1}\n\x1e',
        "the sequence ends with a separator",
        Shape.UNPARSED,
    ),
    "another sign between": (CSV, b"a;b\n1;2\n", ONE_COLUMN.format("a;b", ";") + ';"', Shape.TABLE),
    "another sign between, and a comma": (
        CSV,
        b"a;b\n1;2,5\n",
        "line 2 has 2 values, and the first line names 1 column, 'a;b'. If ';' stands between columns, write deli",
        Shape.TABLE,
    ),
    "tabs between": (CSV, b"a\tb\n1\t2\n", ONE_COLUMN.format("a\\tb", "\\t") + '\\t"', Shape.TABLE),
    "commas between": (BodyFormat("csv", ";"), b"a,b\n1,2\n", ONE_COLUMN.format("a,b", ",") + ',"', Shape.TABLE),
    "one list": (NDJSON, b'[{"a":1}]\n', "the body is one list of JSON, and no lines", Shape.NOT_JSON),
    "no UTF-8": (NDJSON, b'{"a":"\xe4"}\n', "the body is not UTF-8: byte 0xe4 near 6", Shape.UNPARSED),
    "separators": (NDJSON, b'\x1e{"a":1}\n', "a record separator (RFC 7464) begins the line: write", Shape.NOT_JSON),
    "no separator": (
        SEQUENCE,
        b'{"a":1}\n',
        "the body does not begin with a record separator (RFC 7464): as its",
        Shape.UNPARSED,
    ),
    "a cut number": (SEQUENCE, b"\x1e12\x1e3\n", "text 1 of the sequence is cut", Shape.UNPARSED),
    "a cut text": (SEQUENCE, b'\x1e{"a":\x1e3\n', "text 1 of the sequence is cut", Shape.UNPARSED),
    "a cut sequence": (SEQUENCE, b'\x1e{"a":1}\n\x1e{"a":2}', "the last line has no end", Shape.CUT_LINE),
    "a cut row": (CSV, b"a,b\n1,2\n3,", "the last line has no end, so that it may be cut", Shape.CUT_LINE),
    "an open quote": (CSV, b'a,b\n1,"2\n', "line 2 is not CSV: unexpected end of data", Shape.UNPARSED),
    "text behind a quote": (CSV, b'a,b\n"1"x,2\n', "line 2 is not CSV: ',' expected after '\"'", Shape.UNPARSED),
    "too few values": (CSV, b"a,b\n1,2\n3\n", "line 3 has 1 values, and the first", Shape.UNPARSED),
    "too many": (CSV, b"a,b\n1,2,3\n", "line 2 has 3 values, and the first", Shape.UNPARSED),
    "an empty line of one column": (CSV, b"a\n1\n\n2\n", "line 3 is empty, and the first", Shape.UNPARSED),
    "a column twice": (CSV, b"a,b,a\n1,2,3\n", "the first line names the column 'a' twice", Shape.TABLE),
    "a column without a name": (CSV, b"a,,c\n1,2,3\n", "column 2 has no name in the first line", Shape.TABLE),
    "no first line": (CSV, b"\n1,2\n", "there is no line with the names of the columns", Shape.UNPARSED),
}


@pytest.mark.parametrize("name", BAD)
def test_g1_lines_that_are_no_records_are_errors(name: str) -> None:
    """G1: nothing of such a page is kept. A bad line may be one record's, and divides its item; a cut end does not."""
    form, body, words, shape = BAD[name]
    with pytest.raises(BodyError) as caught:
        read(form, body)
    assert str(caught.value).startswith(words)
    assert caught.value.shape is shape


@given(rows=st.lists(st.lists(st.text(), min_size=2, max_size=2), max_size=5), delimiter=st.sampled_from(",;\t|"))
def test_g1_any_table_that_is_written_is_read(rows: list[list[str]], delimiter: str) -> None:
    """Quotes, line ends and delimiters in values included, for two columns."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([["a", "b"], *rows])
    body = text.getvalue().encode(errors="surrogatepass")
    page = read(BodyFormat("csv", delimiter=delimiter), body, empty=("header only",))
    assert [list(json.loads(record).values()) for record in page.records] == rows


@given(values=st.lists(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=4), max_size=5))
def test_g6_any_lines_come_out_as_they_are(values: list[Any]) -> None:
    lines = [msgspec.json.encode(value) for value in values]
    for form, body in (
        (NDJSON, b"".join(line + b"\r\n" for line in lines)),
        (SEQUENCE, b"".join(b"\x1e%b\n" % line for line in lines)),
    ):
        assert read(form, body).records == lines


def test_a_record_may_be_wrapped_in_its_line() -> None:
    """As gRPC's gateway streams: a failure in the midst has another key, and is an error that names its line."""
    body = b'{"result":{"id":1}}\n{"result":{"id": 2}}\n'
    assert read(NDJSON, body, "result").records == [b'{"id":1}', b'{"id": 2}']
    with pytest.raises(BodyError, match=r"line 2 has nothing but 'error'"):
        read(NDJSON, body[:20] + b'{"error":{"code":4}}\n', "result")
    with pytest.raises(BodyError, match=r"line 2: no records: there is nothing at 'result'"):
        read(NDJSON, body[:20] + b'{"warning":{"code":4}}\n', "result")


async def test_lines_are_paged_by_what_stands_beside_them() -> None:
    """By an offset and a header's total, by a token in a header; a token in the body can never be there."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("offset") + asked.number("c")
        lines = b"".join(b'{"id":%d}\n' % n for n in range(start, min(start + 3, 7)))
        token = (("X-Next", str(start + 3)),) if start < 4 else ()
        return Reply(lines, headers=(("X-Total", "7"), *token))

    async with session_with(answer) as (api, server):
        total = Total(header="X-Total")
        options: Any = {"records": ".", "format": "ndjson", "total": total}
        assert await ids_of(api.pages("/", pages=Offset(3), **options)) == [*range(7)]
        assert await ids_of(api.pages("/", pages=Cursor(from_header="X-Next", query="c"), **options)) == [*range(7)]
        with pytest.raises(ApiError, match=r"nothing can be at 'next': an answer of lines has nothing beside its"):
            await ids_of(api.pages("/", pages=Cursor("next", query="c"), **options))
        assert len(server.requests) == 7


async def test_g1_lines_that_are_missing_are_found_by_a_count() -> None:
    """A cut between two lines leaves good lines. The total of a header tells."""
    async with session_with(lambda asked: Reply(b'{"id":1}\n', headers=(("X-Total", "2"),))) as (api, _):
        pages = api.pages("/", pages=Single(), records=".", format="ndjson", total=Total(header="X-Total"))
        with pytest.raises(ApiError, match="the API promised 2 records and sent 1"):
            await ids_of(pages)


@pytest.mark.parametrize("form", [NDJSON, BodyFormat("ndjson", may_lack_length=True)])
async def test_g1_a_closed_connection_ends_no_lines(form: BodyFormat) -> None:
    """Without length and chunks, lines are complete only by a count, or by declaration."""
    answer: Answer = [
        http(b'{"id":1}\n{"id":2}\n', "X-Total: 2", length=None, content_type="application/x-ndjson"),
        Do.CLOSE,
    ]
    async with raw_server(answer) as server, client_of(server.url) as client:
        options: Any = {"pages": Single(), "records": ".", "format": form}
        total = Total(header="X-Total")
        assert await ids_of(client.session().pages("/", **options, total=total)) == [1, 2]
        pages = client.session().pages("/", **options)
        if form.may_lack_length:
            assert await ids_of(pages) == [1, 2]
        else:
            with pytest.raises(
                ApiError, match=r"nothing shows if lines are missing. Declare an exact `total` in a hea"
            ):
                await ids_of(pages)


async def test_a_table_is_paged_by_an_offset() -> None:
    """Each page has the names of the columns; one that has others would lose its first row."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("offset")
        head = "id,name" if start < 6 or asked.path == "/good" else "6,x6"
        rows = "".join(f"{n},x{n}\r\n" for n in range(start, min(start + 3, 8)))
        return Reply(f"{head}\r\n{rows}".encode(), headers=(("Content-Type", "text/csv"),))

    async with session_with(answer) as (api, _):
        options: Any = {"pages": Offset(3), "records": ".", "format": "csv"}
        texts: list[Any] = [str(n) for n in range(8)]
        assert await ids_of(api.pages("/good", **options)) == texts
        with pytest.raises(ApiError, match="the first line is not that of the first page, which names id, name"):
            await ids_of(api.pages("/bad", **options))


@pytest.mark.parametrize("empty", [[], ["header only"]])
async def test_g1_a_line_of_text_is_no_table_without_rows(empty: list[str]) -> None:
    """A message under a good status looks like the names of columns, unless the source says what it is; so does one
    that is labelled as CSV."""
    text = says(b"Rate limit, try later\n", Content_Type="text/csv")
    async with told(text) as (api, _, clock, _):
        options: Any = {"records": ".", "format": "csv", "pages": Single(), "empty": empty}
        if empty:
            assert await collected(api, clock, **options) == []
        else:
            error = await refused(api, clock, **options)
            assert error.shape is Shape.HEADER_ONLY
            assert str(error).count('write empty = ["header only"]') == 1


@pytest.mark.parametrize(
    ("form", "body", "label", "words"),
    [
        (CSV, b'{"error": "x", "code": 5}\n', "application/json", "JSON instead of CSV"),
        (CSV, b'{"id":1}\n{"id":2}\n', "text/csv", 'JSON in lines instead of CSV: write format = "ndjson"'),
        (CSV, b"<html>maintenance</html>\n", "text/html", "a maintenance page instead of CSV"),
        (CSV, b"<?xml version='1.0'?>\n<rows/>", "text/csv", "XML, which is not read, instead of CSV"),
        (NDJSON, b"", "application/x-ndjson", "an empty body"),
        (NDJSON, b"<html>login</html>\n", "text/html", "HTML instead of lines of JSON"),
    ],
)
async def test_g1_a_good_answer_without_lines_is_no_success(
    form: BodyFormat, body: bytes, label: str, words: str
) -> None:
    async with told(says(body, Content_Type=label)) as (api, _, clock, _):
        error = await refused(api, clock, records=".", format=form, pages=Single())
        assert words in str(error)
    if not body:
        async with told(says(body)) as (api, _, clock, _):
            assert await collected(api, clock, records=".", format=form, pages=Single(), empty=["no body"]) == []


async def test_the_end_by_a_rule_keeps_its_lines() -> None:
    """And a failure that a rule calls the end is no record."""
    rule = Rule(Action.END, header="X-Last")
    for body, ids in ((b'{"id":1}\n', [1]), (b'{"error":"no more"}\n', [])):
        async with told(says(body, X_Last="yes"), rules=(rule,)) as (api, _, clock, _):
            pages = Cursor(from_header="X-Next", query="c")
            assert await collected(api, clock, records=".", format=NDJSON, pages=pages) == ids


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a kind": ({"format": "xml"}, "'xml' is no format of a body. Available: json, ndjson, json-seq, csv."),
    "a shape": ({"format": "csv", "shape": "values"}, "each line is one record. Remove `shape`, and `*` in `records`."),
    "a path": ({"format": "csv", "records": "a"}, 'each line of CSV is one record. Write records = ".".'),
    "a total": ({"format": "csv", "total": Total("t")}, "lines have no total beside them. Write `header` in place of"),
    "a form": ({"format": "ndjson", "empty": ["null"]}, '"null" in `empty` is about a list in JSON. Remove it.'),
    "a header": ({"empty": ["header only"]}, '"header only" is about CSV. Remove it, or write format = "csv".'),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_lines_cannot_have_is_refused(name: str) -> None:
    options, words = REFUSED[name]
    async with told(says({})) as (api, _, _, _):
        with pytest.raises(UsageError) as caught:
            api.pages("/", **{"pages": Single(), "records": ".", **options})
        assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "csv", "delimiter": ",,"}, "The delimiter ',,' is not one sign. Write, for example: ';'."),
        ({"kind": "ndjson", "delimiter": ";"}, "Only CSV has a delimiter."),
        (
            {"charset": "hex"},
            "The charset 'hex' is not known. Write its IANA name, such as 'windows-1252' or 'utf-16'.",
        ),
        (
            {"may_lack_length": True},
            "JSON shows its own end: `may_lack_newline` and `may_lack_length` are about lines.",
        ),
    ],
)
def test_a_format_that_is_none_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        BodyFormat(**options)
    assert str(caught.value).startswith(words)


def test_g9_a_table_that_grows_too_large_is_asked_for_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row repeats the names of its columns."""
    monkeypatch.setattr(line_reader, "MAX_TABLE_BYTES", 100)
    with pytest.raises(ApiError, match="the rows of a table of 24 bytes take more than 100") as caught:
        read(CSV, b"a_long_name\n" + b"1\n" * 6)
    assert caught.value.action is Action.SPLIT


FAILED = b'{"timestamp":"t","status":500,"error":"Internal Server Error","path":"/x"}\n'
"""As Spring writes it."""


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (NDJSON, FAILED),
        (NDJSON, b'{"id":1}\n{"id":2}\n' + FAILED),
        (NDJSON, b'{"id":1}\n{"exception":"x"}\n'),
        (NDJSON, b'{"errors":["x"],"status":400}\n{"id":1}\n'),
        (SEQUENCE, b'\x1e{"id":1}\n\x1e' + FAILED),
    ],
)
async def test_g1_a_failure_is_no_record(form: BodyFormat, body: bytes) -> None:
    """As an only line, a first or a last one; unless a rule says that it is a record."""
    options: Any = {"records": ".", "format": form, "pages": Single()}
    async with told(says(body)) as (api, _, clock, _):
        assert "which looks like a failure in place of a record" in str(await refused(api, clock, **options))
    rules = (Rule(Action.OK, at="error"), Rule(Action.OK, status=200))
    async with told(says(body), rules=rules) as (api, _, clock, _):
        found = [page async for page in api.pages("/", records=".", format=form, pages=Single())]
        assert len(found[0]) == body.count(b"\n")


async def test_a_field_of_records_is_no_failure() -> None:
    """Where other lines have it, or the last is a record of their kind with one field more."""
    for body in (b'{"id":1,"error":"x"}\n{"id":2}\n{"id":3,"error":"y"}\n', b'{"id":1}\n{"id":2,"error":"y"}\n'):
        async with told(says(body)) as (api, _, clock, _):
            assert len(await collected(api, clock, records=".", format="ndjson", pages=Single())) > 1


@pytest.mark.parametrize(
    ("rule", "form", "shape", "body", "records"),
    [
        (Rule(Action.END, at="status"), NDJSON, "list", b'{"status":"NO_DATA"}\n', 0),
        (Rule(Action.END, at="status"), "json", "list or object", b'{"status":"NO_DATA"}', 0),
        (Rule(Action.ABSENT, at="status"), "json", "list or object", b'{"status":"NO_DATA"}', 0),
        (Rule(Action.ABSENT, header="X-Last"), NDJSON, "list", b'{"status":"NO_DATA"}\n', 0),
        (Rule(Action.END, text="no data"), CSV, "list", b"no data\n", 0),
        (Rule(Action.END, text="no data"), CSV, "list", b'{\n"m":"no data"}\n', 0),
        (Rule(Action.END, text="no data"), NDJSON, "list", b"Sorry, no data", 0),
        (Rule(Action.END, header="X-Last"), NDJSON, "list", b'{"status":"NO_DATA"}\n', 1),
        (Rule(Action.END, header="X-Last"), CSV, "list", b"a\n1\n2\n", 2),
    ],
)
async def test_g1_what_a_rule_found_is_no_record(rule: Rule, form: Any, shape: Any, body: bytes, records: int) -> None:
    """A last page that a header tells of has its records."""
    async with told(says(body, X_Last="1"), rules=(rule,)) as (api, _, _, _):
        pages = api.pages("/", pages=Single(), records=".", format=form, shape=shape)
        assert sum([len(page) async for page in pages]) == records


async def test_a_large_table_is_read_beside_the_event_loop() -> None:
    """A table of 64 MiB takes seconds, in which leases of other items have to be renewed."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    rows = b"".join(b"%d,some text\n" % number for number in range(100_000))
    async with told(says(b"id,name\n" + rows)) as (api, _, _, _):
        ticking = asyncio.create_task(tick())
        found = [page async for page in api.pages("/", records=".", format=CSV, pages=Single())]
        ticking.cancel()
    assert len(found[0]) == 100_000
    assert ticks > 5
