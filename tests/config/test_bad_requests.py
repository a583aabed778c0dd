"""Mistakes in what a stream asks for, and in what it says of the answers: path, query, records, totals."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.rig import GET, PAGES, RECORDS, Mistake, check

MISTAKES: dict[str, Mistake] = {
    "get and post": (
        GET,
        'get = "/flights.json"\npost = "/x"\nrec',
        "streams.flights: `get` and `post` cannot be used together. Keep one of them: `get`, `post` or `search`.",
    ),
    "neither get nor post": (
        GET,
        "rec",
        'streams.flights: `get`, `post` or `search` is missing. Write, for example: get = "/items"',
    ),
    "a shape": (
        RECORDS,
        RECORDS + '\nshape = "value"',
        (
            'streams.flights.shape: expected "list", "object", "list or object" or "values", found "value". '
            "Did you mean 'values'?"
        ),
    ),
    "a skipped row": (
        RECORDS,
        RECORDS + '\nskip = [{ is = "deleted" }]',
        'streams.flights.skip[0]: `at` is missing. Write, for example: at = "missing"',
    ),
    "a total without skipped rows": (
        RECORDS,
        RECORDS + '\ntotal = { at = "total", is = "exact", counts_skipped = false }',
        "streams.flights.total.counts_skipped: no rows are skipped. Write `skip`, or remove this key.",
    ),
    "a form in a GET": (
        RECORDS,
        RECORDS + '\nform = { a = "b" }',
        "streams.flights.form: a GET request has no body. Write `post` in place of `get`, or use `query`.",
    ),
    "a form and JSON": (
        GET,
        'post = "/search"\njson = { a = 1 }\nform = { a = 1 }\nrec',
        "streams.flights: `json` and `form` cannot be used together. Keep the one that the API reads.",
    ),
    "a format": (
        RECORDS,
        RECORDS + '\nformat = "cvs"',
        ('streams.flights.format: expected "json", "ndjson", "json-seq" or "csv", found "cvs". Did you mean \'csv\'?'),
    ),
    "a delimiter": (
        RECORDS,
        'records = "."\nformat = { kind = "ndjson", delimiter = ";" }',
        "streams.flights.format: only CSV has a delimiter.",
    ),
    "a path in a line of CSV": (
        RECORDS,
        RECORDS + '\nformat = "csv"',
        'streams.flights.format: each line of CSV is one record. Write records = ".".',
    ),
    "a key of records in a list": (
        RECORDS,
        RECORDS + '\nadd = { id = "{key}" }',
        (
            "streams.flights.add.id: records of a list have no {key}. "
            'Write shape = "values", where they stand in an object by their keys, or `*` in `records` for each member '
            "of an object with lists."
        ),
    ),
    "another origin": (
        GET,
        'get = "https://evil.example/flights.json"\nrec',
        (
            'streams.flights.get: "https://evil.example/flights.json" leads to another origin, and credentials '
            'are sent to the API\'s own url only. Write a path below `api.url`, for example: get = "/items"'
        ),
    ),
    "another origin without scheme": (
        GET,
        'get = "//evil.example/flights.json"\nrec',
        (
            'streams.flights.get: "//evil.example/flights.json" leads to another origin, and credentials are '
            'sent to the API\'s own url only. Write a path below `api.url`, for example: get = "/items"'
        ),
    ),
    "a path without slash": (
        GET,
        'get = "flights.json"\nrec',
        ('streams.flights.get: the path "flights.json" does not begin with a slash. Write get = "/flights.json"'),
    ),
    "a query in a path": (
        GET,
        'get = "/flights.json?api_key=s3cr3t&b=1"\nrec',
        (  # Its values may be credentials (G7).
            'streams.flights.get: the path "/flights.json?api_key=***&b=***" contains a query. Write it as a table: '
            'query = { name = "value" }'
        ),
    ),
    "a cap without a count": (
        RECORDS,
        f"{RECORDS}\ndivide = {{ above = 10_000 }}",
        (
            "streams.flights.divide: `divide` needs `total`, the number of records of an item. Write, for "
            'example: total = { at = "total", is = "exact" }'
        ),
    ),
    "pages side by side without a count": (
        PAGES,
        'pages = { page = "p", parallel = true }\ntotal = { at = "n", is = "estimate" }',
        (
            "streams.flights.pages: `parallel` needs an exact total (or a bound), which tells how many pages there "
            'are, and shows that the list moved. Write total = { at = "total", is = "exact" } in the stream, or leave '
            "`parallel` out."
        ),
    ),
    "pages side by side of a list that moves": (
        PAGES,
        'pages = { offset = "o", parallel = true }\ntotal = { at = "n", is = "exact", may_move = true }',
        (
            "streams.flights.pages: `parallel` and `may_move` cannot be used together: pages that are read side by "
            "side pass over rows of a list that moves. Keep one of them."
        ),
    ),
    "no cap at all": (
        RECORDS,
        f'{RECORDS}\ntotal = {{ at = "n", is = "exact" }}\ndivide = {{ above = 0 }}',
        (
            "streams.flights.divide.above: expected a whole number of at least 1, found 0. Write, for example: "
            "above = 10000"
        ),
    ),
    "records": (
        'records = "rows"',
        'records = "a..b"',
        (
            'streams.flights.records: expected a path (keys joined by dots, or a single dot), found "a..b". '
            'Write, for example: records = "items"'
        ),
    ),
    "nothing to add": (
        'records = "rows"',
        'records = "rows"\nadd = {}',
        (
            "streams.flights.add: expected a non-empty table of fields, found an empty table. Write, for "
            'example: add = { author_id = "{parent.id}" }'
        ),
    ),
    "a number to add": (
        'records = "rows"',
        'records = "rows"\nadd = { of = 1 }',
        ('streams.flights.add.of: expected text, found 1. Write, for example: add = { author_id = "{parent.id}" }'),
    ),
    "a guard of an estimate": (
        'records = "rows"',
        'total = { at = "n", is = "estimate", only_if = { at = "r", is = "eq" } }\nrecords = "rows"',
        (
            "streams.flights.total: `only_if` says when a total is exact, and this one is an estimate. Write "
            'is = "exact".'
        ),
    ),
    "a guard of a number that is none": (
        'records = "rows"',
        'total = { at = "n", is = "exact", only_if = { at = "r", is = 1.5 } }\nrecords = "rows"',
        (
            "streams.flights.total.only_if.is: expected text, a whole number, true or false, found 1.5. Write, "
            'for example: is = "eq"'
        ),
    ),
    "a guard without a value": (
        'records = "rows"',
        'total = { at = "n", is = "exact", only_if = { at = "r" } }\nrecords = "rows"',
        'streams.flights.total.only_if: `is` is missing. Write, for example: is = "eq"',
    ),
    "a count in two places": (
        'records = "rows"',
        'expect = { get = "/count", at = "n", header = "X-Count" }\nrecords = "rows"',
        ("streams.flights.expect: `at` and `header` cannot be used together. Keep one of them: `at` or `header`."),
    ),
    "a count nowhere": (
        'records = "rows"',
        'expect = { get = "/count" }\nrecords = "rows"',
        'streams.flights.expect: `at` or `header` is missing. Write, for example: at = "count"',
    ),
    "a count that is asked for twice": (
        'records = "rows"',
        'expect = { get = "/count", head = "/count", header = "X-Count" }\nrecords = "rows"',
        'streams.flights.expect: one of `get` and `head` is needed, and no more. Write, for example: get = "/count"',
    ),
    "a count that nobody is asked for": (
        'records = "rows"',
        'expect = { header = "X-Count" }\nrecords = "rows"',
        'streams.flights.expect: `get` is missing. Write, for example: get = "/count"',
    ),
    "a count in a body that does not come": (
        'records = "rows"',
        'expect = { head = "/count", at = "n" }\nrecords = "rows"',
        (
            "streams.flights.expect.head: the answer to a HEAD request has no body. Write `header` in place of `at`: "
            'header = "X-Total-Count"'
        ),
    ),
    "a key that is no path": (
        'records = "rows"',
        'records = "rows"\nkey = "a..b"',
        (
            'streams.flights.key: expected a path (keys joined by dots, or a single dot), found "a..b". Write, '
            'for example: key = "id"'
        ),
    ),
    "a key of nothing": (
        'records = "rows"',
        'records = "rows"\nkey = []',
        "streams.flights.key: a key needs at least one path into a record, such as 'id'.",
    ),
    "a key with a path twice": (
        'records = "rows"',
        'records = "rows"\nkey = ["id", "id"]',
        "streams.flights.key: the path 'id' is given twice in one key. Write it once.",
    ),
    "records empty": (
        'records = "rows"',
        'records = ""',
        'streams.flights.records: expected a path, found "". Write, for example: records = "items", '
        'or `.` for the answer itself: records = "."',
    ),
    "get body": (
        'records = "rows"',
        'json = { a = 1 }\nrecords = "rows"',
        "streams.flights.json: a GET request has no body. Write `post` in place of `get`, or use `query`.",
    ),
    "query time": (
        'records = "rows"',
        'query = { since = 2013-01-01 }\nrecords = "rows"',
        (
            "streams.flights.query.since: expected text, a number, true or false, or a list of these, found "
            "2013-01-01. Write it as text, in the form that the API reads."
        ),
    ),
    "query table": (
        'records = "rows"',
        'query = { since = { a = 1 } }\nrecords = "rows"',
        (
            "streams.flights.query.since: expected text, a number, true or false, or a list of these, found a "
            "table. Write it as text, in the form that the API reads."
        ),
    ),
    "encoded value that ends itself": (
        'records = "rows"',
        'query = { since = { encoded = "a%2Cb&c" } }\nrecords = "rows"',
        (
            "streams.flights.query.since.encoded: '&' is not allowed in a value that is already encoded. Write "
            "%26 in its place."
        ),
    ),
    "encoded value that is empty": (
        'records = "rows"',
        'query = { since = { encoded = "" } }\nrecords = "rows"',
        (
            'streams.flights.query.since.encoded: expected text that is encoded already, found "". Write, for '
            'example: encoded = "a%2Cb"'
        ),
    ),
    "encoded value with more": (
        'records = "rows"',
        'query = { since = { encoded = "a", raw = true } }\nrecords = "rows"',
        "streams.flights.query.since.raw: unknown key. Available: encoded.",
    ),
    "lines with a token": (
        'records = "rows"',
        'records = "."\nformat = "ndjson"',
        (
            "streams.flights.format: `pages` reads 'next' beside the records, where lines have nothing. Page by a "
            "header, the Link header, an offset, a page number or a record's key."
        ),
    ),
    "a way to be empty": (
        'records = "rows"',
        'records = "rows"\nempty = ["nil"]',
        (
            "streams.flights.empty: 'nil' is no form of a page without records. Available: null, absent, false, empty "
            "object, empty text, no body, header only, and statuses."
        ),
    ),
    "a status that is not empty": (
        'records = "rows"',
        'records = "rows"\nempty = [500]',
        (
            "streams.flights.empty: the status 500 does not say that there are no records. It may be 204, 205, "
            "or one of the 400s that is about what was asked, such as 404; for others write a rule with the "
            "text of the answer."
        ),
    ),
    "empty that is no list": (
        'records = "rows"',
        'records = "rows"\nempty = "null"',
        (
            'streams.flights.empty: expected a list of words and statuses, found "null". Write, for example: '
            'empty = ["null", 204]'
        ),
    ),
    "empty twice": (
        'records = "rows"',
        'records = "rows"\nempty = [204, 204]',
        "streams.flights.empty: 204 is listed twice. Remove one of the two.",
    ),
    "query str": (
        'records = "rows"',
        'query = "a=b"\nrecords = "rows"',
        (
            "streams.flights.query: expected a table of query parameters, found text. Write, for example: "
            "query = { limit = 100 }"
        ),
    ),
    "total": (
        'records = "rows"',
        'total = { at = "total", is = "exakt" }\nrecords = "rows"',
        ('streams.flights.total.is: expected "exact", "bound" or "estimate", found "exakt". Did you mean \'exact\'?'),
    ),
    "total2": (
        'records = "rows"',
        'total = { at = "total" }\nrecords = "rows"',
        'streams.flights.total: `is` is missing. Write, for example: is = "exact"',
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_message_names_the_place_and_the_remedy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake is told in one line: file, key, what is wrong, what to write instead."""
    check(MISTAKES[name], tmp_path, monkeypatch)
