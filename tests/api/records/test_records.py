"""Records are cut out of a page as the bytes that were sent (G6), or the page is refused in words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.api.errors import BodyError
from haulier.api.records.page import Page, PageReader, split_records
from haulier.api.records.paths import raw_at
from haulier.errors import ItemError
from haulier.lake.ndjson import to_lines

AWKWARD = [
    b'{"id":18446744073709551617,"huge":123456789012345678901234567890}',
    b'{"price":1.10,"e":1e400,"E":-1E+2,"minus":-0,"long":0.10000000000000000555}',
    b'{"a":1,"a":2,"a":{"a":3}}',
    b'{"s":"\\u00e9\\/\\n\\ud83d\\ude00 \\u0000","t":"\xc3\xa9 \xf0\x9f\x98\x80 \x7f"}',
    b'{"z":1,"b":2,"a":3,"":{"":[]}}',
    b'"text"',
    b"17",
    b"null",
    b"[1,[2]]",
    b"{ }",
]


def records(body: bytes, path: str = "rows") -> list[bytes]:
    return [bytes(record) for record in split_records(body, path).records]


def refusal(body: bytes, path: str = "rows") -> str:
    with pytest.raises(BodyError) as caught:
        split_records(body, path)
    return str(caught.value)


def test_g6_bytes_of_each_record_are_kept() -> None:
    """G6: integers over 64 bits, 1.10, 1e400, keys twice, escapes and key order come out as they went in."""
    body = b'{"total":10,"rows":[' + b" , ".join(AWKWARD) + b'],"next":null}'
    assert records(body) == AWKWARD
    assert to_lines(split_records(body, "rows").records) == b"\n".join(AWKWARD) + b"\n"


def test_g6_pretty_printed_record_stands_on_one_line() -> None:
    """G6: a record over several lines is one line in the lake, with nothing lost but CR and LF."""
    body = (
        b'{\r\n  "rows": [\r\n    {\r\n      "a": 1.10,\r\n      "b": "x\\ny"\r\n    },\r\n    {"c": 1}\r\n  ]\r\n}\r\n'
    )
    assert to_lines(split_records(body, "rows").records) == b'{      "a": 1.10,      "b": "x\\ny"    }\n{"c": 1}\n'


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("rows", b'{"rows":[1,2]}'),
        (".", b" [1,2] "),
        ("result.items", b'{"result":{"other":{"items":[3]},"items":[1,2]}}'),
        ("0.items", b'[{"items":[1,2]},{"items":[3]}]'),
        ("data.1", b'{"data":[[3],[1,2],[4]]}'),
        ("1", b"[0,[1,2]]"),
        ("0", b'{"0":[1,2]}'),
        ("a.0.b", b'{"a":{"0":{"b":[1,2]}}}'),
        ("@odata.value", b'{"@odata.value":[1,2]}'),
        ("a.b.c", b'{"a":{"b.c":[1,2]}}'),
        ("a.b", b'{"a":{"b":[3]},"a.b":[1,2]}'),
        ("a.b.c.d.e.f.g", b'{"a":{"b":{"c":{"d":{"e":{"f":{"g":[1,2]}}}}}}}'),
        ("rows.30", b'{"rows":[' + b"[0]," * 30 + b"[1,2]]}"),
        ('with "quotes"', b'{"with \\"quotes\\"":[1,2]}'),
        ("größe", '{"größe":[1,2]}'.encode()),
        ("größe", b'{"gr\\u00f6\\u00dfe":[1,2]}'),
    ],
)
def test_records_path(path: str, body: bytes) -> None:
    """A records path leads through objects, lists by index, and keys with dots; ``.`` is the body."""
    assert records(body, path) == [b"1", b"2"]


def test_empty_list_is_an_empty_page() -> None:
    """An empty list is a page without records, and no error."""
    assert len(split_records(b'{"rows":[]}', "rows")) == 0
    assert len(split_records(b"[]", ".")) == 0


@pytest.mark.parametrize(
    ("body", "path", "says"),
    [
        (
            b'{"error":"boom","status":500}',
            "rows",
            "there is nothing at 'rows': the body is an object with the keys error",
        ),
        (b'{"result":{"data":[]}}', "result.items", "'result' is an object with the keys data"),
        (b'{"result":null}', "result.items", "'result' is null"),
        (b'{"result":"secret"}', "result.items", "'result' is text"),
        (b'{"rows":null}', "rows", "expected a list of records at 'rows', found null"),
        (b'{"rows":{"a":1}}', "rows", "expected a list of records at 'rows', found an object with the keys a"),
        (b'{"rows":"x"}', "rows", "expected a list of records at 'rows', found text"),
        (b"[1]", "rows", "the body is a list of 1"),
        (b"{}", "rows", "the body is an empty object"),
        (b"true", "rows", "the body is true"),
        (b'{"rows":1}', ".", "expected a list of records at '.', found an object with the keys rows"),
        (b"[[1]]", "3", "the body is a list of 1"),
    ],
)
def test_records_that_are_not_there(body: bytes, path: str, says: str) -> None:
    """A records path without a list is an error that says which keys stand there, and no values."""
    text = refusal(body, path)
    assert says in text
    assert "secret" not in text


def test_keys_in_the_error_are_capped() -> None:
    """The error names a dozen keys at most, each cut short: keys may be data."""
    body = json.dumps({f"key-{n}-" + "x" * 500: n for n in range(1000)}).encode()
    text = refusal(body)
    assert "and 988 more" in text
    assert len(text) < 800


@pytest.mark.parametrize(
    "body",
    [
        b'{"rows":[1],"rows":[2]}',
        b'{"rows":[{"a":1}],"total":2,"rows":[{"a":2}]}',
        b'{"rows":[{"a":1},{"a":2}],"rows":[]}',
        b'{"rows":[],"rows":[{"a":1},{"a":2}]}',
        b'{"rows":[{"a":1}],"rows":[{"a":1}]}',
        b'{"rows":null,"rows":[1]}',
        b'{"rows": [{"a": 1},  {"a": 2}, {"a": 3}], "rows": [{"a": 1},  {"a": 2}, {"a": 3}]}',
        b'{"rows":["rows"],"rows":["rows"]}',
        b'{"rows":[],"rows":["rows"]}',
        b'{"x":[],"rows":[1],"rows":[[],null]}',
        b'{"x":[[],null],"rows":[1],"rows":[[],null]}',
        b'{"x":[{"a":1}]     ,"rows":[],"rows":[' + b",".join([b'{"a":1}'] * 9) + b"]}",
        b'{"x":[{"a":1}]     ,"rows":[],"rows":[' + b",".join([b'{"a":1}'] * 9) + b'],"y":1}',
    ],
)
def test_records_key_twice_is_refused(body: bytes) -> None:
    """A records key that stands twice is refused, since the records of one of the two would be lost."""
    assert "is there twice" in refusal(body)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"result":{"items":[1]},"result":{"items":[2]}}', "result.items"),
        (b'{"result":{"items":[1],"items":[2]}}', "result.items"),
        (b'[{"items":[1],"items":[2]}]', "0.items"),
        (b'{"gr\\u00f6\\u00dfe":[1],"gr\\u00f6\\u00dfe":[2]}', "größe"),
        (b'{"a.b":[1],"a.b":[2]}', "a.b"),
    ],
)
def test_key_twice_on_the_way_is_refused(body: bytes, path: str) -> None:
    """The same holds for every key on the way to the records."""
    assert "is there twice" in refusal(body, path)


@pytest.mark.parametrize(
    "body",
    [
        b'{"rows":[{"rows":[1],"x":{"rows":2}},{"rows":3}],"total":2}',
        b'{"total":{"rows":2},"rows":[{"rows":[1]}]}',
        b'{"columns":["rows","id"],"rows":[{"rows":1},  {"rows":2}, {"rows":3}],"query":{"rows":5}}',
        b'{"rows":["\\"rows\\"","rows"],"n":1' + b"0" * 5000 + b"}",
        b'{"note":"the \\"rows\\": here","rows":[{"a":"\\"rows\\""}]}',
        b'{"x":[],"rows":[[],null],"z":{"rows":null}}',
        b'{"x":"[]","rows":[[]],"z":{"rows":null}}',
    ],
)
def test_records_key_elsewhere_is_no_second_one(body: bytes) -> None:
    """The key may stand inside records, in other objects and in text."""
    assert len(records(body)) == len(json.loads(body, parse_int=str)["rows"])


@pytest.mark.parametrize(
    "body",
    [
        b'{"rows":[{"a":"\xff"}]}',
        b'{"rows":[{"a":"\xe9t\xe9"}]}',
        b'{"rows":[{"\xff":1}]}',
        b'{"rows":[1],"other":"\xc3"}',
        b'{"rows":[{"a":"\xed\xa0\x80"}]}',
        b'{"rows":[{"a":"' + b"x" * (64 * 1024 - 15) + b'\xc3"}]}',
        b'{"rows":[{"a":"' + "é".encode() * 40_000 + b'\x80"}]}',
        *(b'{"rows":[{"a":"' + b"x" * length + b'\xc3"}]}' for length in range(32 * 1024 - 18, 32 * 1024 - 12)),
        b'{"rows":[{"a":"' + b"\x80" * 100_000 + b'"}]}',
    ],
)
def test_g6_page_that_is_not_utf8_is_refused(body: bytes) -> None:
    """G6: bytes that are not UTF-8, anywhere in a page, make it no JSON; they do not get into bronze."""
    assert "not UTF-8" in refusal(body)


def test_utf8_may_be_cut_anywhere_by_the_check() -> None:
    """A character on the border between two pieces of the check is one character."""
    for shift in range(4):
        record = b'{"a":"' + b"x" * shift + "é😀".encode() * 40_000 + b'"}'
        assert records(b'{"rows":[' + record + b"]}") == [record]


def test_byte_order_mark_is_taken_off() -> None:
    """A byte order mark before the body is no part of it."""
    assert records(b'\xef\xbb\xbf{"rows":[1]}') == [b"1"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"rows":[1',
        b'{"rows":[1]',
        b'{"rows":[1,]}',
        b'{"rows":[1]} {"rows":[2]}',
        b'{"rows":[{"a":NaN}]}',
        b'{"rows":[Infinity]}',
        b'{"rows":[01]}',
        b'{"rows":[1.]}',
        b'{"rows":[{"a":"x\ny"}]}',
        b'{"rows":[{"a":"\x01"}]}',
        b'{"rows":[{"a":"\\q"}]}',
        b"{'rows':[1]}",
        b'{"rows":[1],"other":NaN}',
        b'{"other":{"x":nul},"rows":[1]}',
        b'\xff\xfe{\x00"\x00',
        b'{"rows":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
        b'{"rows":["\\ud800"],}',
        b'{"rows":["\\ud80"]}',
    ],
)
def test_body_that_is_not_json_is_refused(body: bytes) -> None:
    """What is not JSON, in the records or beside them, is an error; never a page with some of the records."""
    assert "not JSON" in refusal(body) or "not UTF-8" in refusal(body)


@pytest.mark.parametrize("body", [b'{"id":1}\n{"id":2}\n', b"\n[1]\r\n[2]", b'\x1e{"id":1}\n\x1e{"id":2}\n'])
@pytest.mark.parametrize("path", ["rows", "."])
def test_lines_of_json_are_named_as_what_they_are(body: bytes, path: str) -> None:
    """NDJSON is no mistake of the API's: whoever reads the message knows what to ask it for."""
    kind = "json-seq" if body.startswith(b"\x1e") else "ndjson"
    assert refusal(body, path) == f'the body is several JSON values, one a line: write format = "{kind}"'


def test_a_body_that_breaks_in_its_second_line_is_not_json() -> None:
    assert "not JSON" in refusal(b'{"rows":1}\n{"rows"')
    assert "not JSON" in refusal(b'{"rows":\n[1,]}')


@pytest.mark.parametrize(
    "path", ["rows", "meta.next", "meta.page.total", "rows.0.id", "no", "meta.no.no", "list.2", "a.b"]
)
def test_other_values_are_found_in_the_same_pass(path: str) -> None:
    """A second body yields what was asked of the first one, whether in the same pass or by another."""
    body = b'{"meta":{"next":"n","page":{"total":7}},"rows":[{"id":1}],"list":[1,2,[3]],"a.b":{"c":null},"a":{"b":1}}'
    reader = PageReader("rows")
    for _ in range(3):
        found, expected = reader.read(body).raw(path), raw_at(body, path)
        assert (found and bytes(found)) == (expected and bytes(expected))


def test_values_on_the_way_may_be_of_any_kind() -> None:
    """`"paging": null`, `[]`, `""` or none are ways to say that nothing stands behind it, and no error."""
    reader = PageReader("rows")
    assert bytes(reader.read(b'{"rows":[1],"paging":{"next":{"after":"x"}}}').raw("paging.next.after") or b"") == b'"x"'
    for paging in (b"null", b"[]", b'""', b"{}", b'{"next":null}', b'{"next":[]}', b"0"):
        body = reader.read(b'{"rows":[1],"paging":' + paging + b"}")
        assert body.raw("paging.next.after") is None
        assert [bytes(record) for record in body.page.records] == [b"1"]
    assert reader.read(b'{"rows":[1]}').raw("paging.next.after") is None


words = st.text(st.characters(codec="utf-8"), max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words
keys = st.sampled_from(["rows", "a", "b"]) | words
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@given(
    rows=st.lists(values, max_size=6),
    before=st.dictionaries(st.sampled_from(["x", "y"]), values),
    after=st.dictionaries(st.sampled_from(["z", "total"]), values),
    separators=st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " : ")]),
    is_ascii=st.booleans(),
    indent=st.sampled_from([None, 2]),
)
def test_g6_any_list_is_cut_into_its_own_bytes(
    rows: list[Any],
    before: dict[str, Any],
    after: dict[str, Any],
    separators: tuple[str, str],
    is_ascii: bool,
    indent: int | None,
) -> None:
    """G6: whatever the style of a body, its records come out in order, each as its own bytes."""

    def write(value: Any) -> bytes:
        return json.dumps(value, separators=separators, ensure_ascii=is_ascii, indent=indent).encode()

    written = [write(row) for row in rows]
    fields = [write(name) + b":" + write(value) for name, value in before.items()]
    fields.append(b'"rows":[' + separators[0].encode().join(written) + b"]")
    fields += [write(name) + b":" + write(value) for name, value in after.items()]
    assert records(b"{" + b",".join(fields) + b"}") == written


@given(
    first=st.lists(values, max_size=4),
    second=st.lists(values, max_size=4),
    between=st.dictionaries(st.sampled_from(["x", "y"]), values),
    separators=st.sampled_from([(",", ":"), (", ", ": ")]),
)
def test_records_key_twice_is_refused_whatever_stands_there(
    first: list[Any], second: list[Any], between: dict[str, Any], separators: tuple[str, str]
) -> None:
    """Of two lists under one key, neither is taken, though one looks like a part of the other or of its neighbours."""
    fields = [("rows", first), *between.items(), ("rows", second)]
    body = ",".join(f'"{name}":{json.dumps(value, separators=separators)}' for name, value in fields)
    assert "is there twice" in refusal(b"{" + body.encode() + b"}")


def test_dicts_are_encoded_by_us() -> None:
    """A page of dicts is marked as encoded, and holds one JSON value for each."""
    page = Page.of([{"b": 1, "a": "é"}, {}])
    assert page.encoded
    assert list(page.records) == ['{"b":1,"a":"é"}'.encode(), b"{}"]
    assert not split_records(b"[1]", ".").encoded


def test_dict_that_json_cannot_hold_is_an_item_error() -> None:
    """What cannot be encoded is the item's own failure, in words."""
    with pytest.raises(ItemError, match="cannot be written as JSON"):
        Page.of([{"a": object()}])
