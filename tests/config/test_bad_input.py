"""What a person gets to read for each mistake in a source file: where it is, what is wrong, what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from haulier.config.source_file import load_source
from haulier.errors import SourceFileError

GOOD = """
source = "flights"

[api]
url = "https://api.example.com"

[streams.flights]
get = "/flights.json"
records = "rows"
pages = { cursor = "next", query = "_next" }

[streams.flights.full.ids]
query = { id__gte = "{start}", id__lt = "{end}" }
last = { get = "/flights.json", at = "rows.0.id" }
step = 5000
"""
STREAM = GOOD[GOOD.index("[streams.flights]") :]
IDS = GOOD[GOOD.index("[streams.flights.full.ids]") :]
WINDOWS = """
[streams.flights.full.windows]
query = { since = "{start}", until = "{end}" }
start = 2013-01-01T00:00:00Z
step = "1d"
"""
VALUES = """[streams.flights.full.values]
query = { carrier = "{value}" }
"""
CREW = """
[streams.crew]
parent = "flights"
get = "/flights/{parent.id}/crew.json"
records = "."
pages = "single"
"""
RECORDS = 'records = "rows"'
PAGES = 'pages = { cursor = "next", query = "_next" }'
GET = 'get = "/flights.json"\nrec'
LAST = 'last = { get = "/flights.json", at = "rows.0.id" }'

# What is replaced in GOOD, by what, and the message.
MISTAKES = {
    "a misspelt key": (
        "records =",
        "recods =",
        "streams.flights.recods: there is no such key. Did you mean 'records'?",
    ),
    "a misspelt table": (
        "[api]",
        "[apii]",
        "apii: there is no such key. Did you mean 'api'?",
    ),
    "an unknown key": (
        "records =",
        "zzz =",
        (
            "streams.flights.zzz: there is no such key. Here there are: get, post, query, json, headers, "
            "records, empty, pages, total, divide, expect, key, add, rules, parent, batch, absent, full, incremental."
        ),
    ),
    "no url": (
        'url = "https://api.example.com"',
        "",
        'api: `url` is missing. Write, for example: url = "https://api.example.com"',
    ),
    "no source": (
        'source = "flights"',
        "",
        '`source` is missing. Write, for example: source = "flights"',
    ),
    "a source's name": (
        'source = "flights"',
        'source = "Flights EU"',
        (
            'source: here stands "Flights EU"; a name of at most 40 characters of a-z, 0-9 and _, a letter '
            'first, is wanted. Write, for example: source = "flights"'
        ),
    ),
    "a source's long name": (
        'source = "flights"',
        'source = "' + 41 * "f" + '"',
        (
            'source: here stands "fffffffffffffffffffffffffffffffffffffffff"; a name of at most 40 characters '
            'of a-z, 0-9 and _, a letter first, is wanted. Write, for example: source = "flights"'
        ),
    ),
    "no streams": (
        STREAM,
        "",
        "`streams` is missing. Write, for example: [streams.flights]",
    ),
    "a stream's name": (
        "streams.flights",
        "streams.Flights-EU",
        (
            'streams.Flights-EU: here stands "Flights-EU"; a name of at most 30 characters of a-z, 0-9 and _, '
            "a letter first, is wanted. Write, for example: [streams.flights]"
        ),
    ),
    "text for a number": (
        "step = 5000",
        'step = "many"',
        (
            'streams.flights.full.ids.step: here stands "many"; a whole number from 1 up is wanted. Write, '
            "for example: step = 5000"
        ),
    ),
    "true for a number": (
        "step = 5000",
        "step = true",
        (
            "streams.flights.full.ids.step: here stands true; a whole number from 1 up is wanted. Write, for "
            "example: step = 5000"
        ),
    ),
    "a step of 0": (
        "step = 5000",
        "step = 0",
        (
            "streams.flights.full.ids.step: here stands 0; a whole number from 1 up is wanted. Write, for "
            "example: step = 5000"
        ),
    ),
    "in_flight in words": (
        "[streams.flights]",
        'in_flight = "twelve"\n[streams.flights]',
        ('api.in_flight: here stands "twelve"; a whole number from 1 up is wanted. Write, for example: in_flight = 4'),
    ),
    "get and post": (
        GET,
        'get = "/flights.json"\npost = "/x"\nrec',
        "streams.flights: `get` and `post` exclude each other. Keep one of them: `get` or `post`.",
    ),
    "neither get nor post": (
        GET,
        "rec",
        'streams.flights: one of `get` or `post` is missing. Write, for example: get = "/items"',
    ),
    "ids and windows": (
        IDS,
        IDS + WINDOWS,
        (
            "streams.flights.full: `ids` and `windows` exclude each other. Keep one of them: `ids`, "
            "`windows`, `values` or `once`."
        ),
    ),
    "no division": (
        IDS,
        "",
        (
            "streams.flights: nothing says how a run is divided into items. Write a table "
            "[streams.flights.full.ids] (ranges of IDs), [streams.flights.full.windows] (windows of time), "
            "[streams.flights.full.values] (a list) or [streams.flights.full.once] (one item), or name a "
            "`parent`."
        ),
    ),
    "an empty division": (
        IDS,
        "[streams.flights.full]",
        (
            "streams.flights.full: one of `ids`, `windows`, `values` or `once` is missing. Write, for "
            "example: [streams.NAME.full.ids]"
        ),
    ),
    "another origin": (
        GET,
        'get = "https://evil.example/flights.json"\nrec',
        (
            'streams.flights.get: "https://evil.example/flights.json" leads to another origin; credentials go '
            'to the API\'s own url alone. Write the path below `api.url`, for example: get = "/items"'
        ),
    ),
    "another origin without scheme": (
        GET,
        'get = "//evil.example/flights.json"\nrec',
        (
            'streams.flights.get: "//evil.example/flights.json" leads to another origin; credentials go to '
            'the API\'s own url alone. Write the path below `api.url`, for example: get = "/items"'
        ),
    ),
    "a path without slash": (
        GET,
        'get = "flights.json"\nrec',
        ('streams.flights.get: the path "flights.json" does not begin with a slash. Write get = "/flights.json"'),
    ),
    "a query in a path": (
        GET,
        'get = "/flights.json?a=1"\nrec',
        (
            'streams.flights.get: the path "/flights.json?a=1" has a query in it. Write it as a table: query '
            '= { name = "value" }'
        ),
    ),
    "a variable as a header's name": (
        "[api]",
        '[api]\nheaders = { "${X}" = "1" }',
        "api.headers.${X}: a key cannot come from the environment. Write variables in values alone.",
    ),
    "a variable as a key": (
        "[api]",
        '[api]\n"${X}" = "1"',
        "api.${X}: a key cannot come from the environment. Write variables in values alone.",
    ),
    "no words": (
        'query = { id__gte = "{start}", id__lt = "{end}" }\n',
        "",
        (
            "streams.flights.full.ids: {start} and {end} stand nowhere in the request, so an item would fetch "
            'more than its own records. Write, for example: query = { from = "{start}", to = "{end}" }'
        ),
    ),
    "a cap without a count": (
        RECORDS,
        f"{RECORDS}\ndivide = {{ above = 10_000 }}",
        (
            "streams.flights.divide: nothing says how many records an item has. Write, for example: "
            'total = { at = "total", is = "exact" }'
        ),
    ),
    "no cap at all": (
        RECORDS,
        f'{RECORDS}\ntotal = {{ at = "n", is = "exact" }}\ndivide = {{ above = 0 }}',
        (
            "streams.flights.divide.above: here stands 0; a whole number from 1 up is wanted. Write, for example: "
            "above = 10000"
        ),
    ),
    "half of the words": (
        'id__lt = "{end}"',
        'id__lt = "9"',
        (
            "streams.flights.full.ids: {end} stands nowhere in the request, so an item would fetch more than "
            'its own records. Write, for example: query = { from = "{start}", to = "{end}" }; or only_start = '
            "true, if the API takes the start for the name of the whole item."
        ),
    ),
    "a misspelt word": (
        '"{start}"',
        '"{strat}"',
        "streams.flights.full.ids.query.id__gte: {strat} is not a word of haulier. Did you mean {start}?",
    ),
    "a word of another division": (
        '"{start}"',
        '"{value}"',
        (
            "streams.flights.full.ids.query.id__gte: {value} stands for nothing here. Here there are: "
            "{start}, {end}, {snapshot_time}."
        ),
    ),
    "a parent's word": (
        '"{start}"',
        '"{parent.id}"',
        (
            "streams.flights.full.ids.query.id__gte: {parent.id} stands for nothing here. Here there are: "
            "{start}, {end}, {snapshot_time}."
        ),
    ),
    "a word in capitals": (
        '"{start}"',
        '"{START}"',
        "streams.flights.full.ids.query.id__gte: {START} is not a word of haulier. Did you mean {start}?",
    ),
    "a word where there is no item": (
        "records =",
        'expect = { get = "/count", query = { a = "{start}" }, at = "n" }\nrecords =',
        "streams.flights.expect.query.a: {start} stands for nothing here. Write it out.",
    ),
    "a parameter twice": (
        "records =",
        "query = { id__lt = 7 }\nrecords =",
        (
            "streams.flights.full.ids.query.id__lt: the stream's own query has this parameter too. Keep it in "
            "one of the two tables."
        ),
    ),
    "a missing variable": (
        "https://api.example.com",
        "https://${HOST}/v1",
        "api.url: the environment variable HOST is not set. Set it, or write a default: ${HOST:-default}.",
    ),
    "a missing variable in a query": (
        "records =",
        'query = { size = "${SIZE}" }\nrecords =',
        (
            "streams.flights.query.size: the environment variable SIZE is not set. Set it, or write a default: "
            "${SIZE:-default}."
        ),
    ),
    "a missing secret in a query": (
        "records =",
        'query = { key = "${K}" }\nrecords =',
        "streams.flights.query.key: the environment variable K is not set. Set it.",
    ),
    "a missing secret in an address": (
        "https://api.example.com",
        "https://api.example.com/${API_TOKEN}",
        "api.url: the environment variable API_TOKEN is not set. Set it.",
    ),
    "a variable's bad name": (
        "https://api.example.com",
        "https://${HO ST}/v1",
        (
            "api.url: '${HO ST}' is no reference to an environment variable. Write ${NAME} or "
            "${NAME:-default}; $${ stands for ${ itself."
        ),
    ),
    "a variable without its brace": (
        "https://api.example.com",
        "https://${HOST/v1",
        (
            "api.url: '${HOST/v1' is no reference to an environment variable. Write ${NAME} or "
            "${NAME:-default}; $${ stands for ${ itself."
        ),
    ),
    "a variable without a name": (
        "https://api.example.com",
        "https://${}/v1",
        (
            "api.url: '${}' is no reference to an environment variable. Write ${NAME} or ${NAME:-default}; "
            "$${ stands for ${ itself."
        ),
    ),
    "auth as text": (
        "[api]",
        '[api]\nauth = "s3cret"',
        (
            "api.auth: here stands text; a kind of credentials is wanted. Write one of: { bearer = ... }, { "
            "header = ..., value = ... }, { query = ..., value = ... }, { user = ..., password = ... }, { "
            "token_url = ..., client_id = ..., client_secret = ... }."
        ),
    ),
    "auth kind": (
        "[api]",
        '[api]\nauth = { baerer = "s3cret" }',
        "api.auth: no key of this table tells a kind of credentials. Did you mean 'bearer'?",
    ),
    "auth number": (
        "[api]",
        "[api]\nauth = { bearer = 12345 }",
        ('api.auth.bearer: here stands a number; text is wanted. Write, for example: bearer = "${API_TOKEN}"'),
    ),
    "auth empty": (
        "[api]",
        '[api]\nauth = { bearer = "" }',
        ('api.auth.bearer: here stands nothing; text is wanted. Write, for example: bearer = "${API_TOKEN}"'),
    ),
    "header number": (
        "[api]",
        "[api]\nheaders = { X-Key = 12345 }",
        (
            "api.headers.X-Key: here stands a number; text is wanted. Write, for example: headers = { "
            'Accept-Language = "en" }'
        ),
    ),
    "header ours": (
        "[api]",
        '[api]\nheaders = { Host = "x" }',
        "api.headers: the header Host is haulier's own to set. Remove it from the API's headers.",
    ),
    "url": (
        "https://api.example.com",
        "api.example.com",
        ("api.url: 'api.example.com' is not an address of an API. Write it like https://api.example.com/v1."),
    ),
    "url pw": (
        "https://api.example.com",
        "https://me:pw@api.example.com",
        ("api.url: the API's url holds a user name or password. Take it out, and declare it as auth instead."),
    ),
    "url q": (
        "https://api.example.com",
        "https://api.example.com?x=1",
        ("api.url: the API's url has a query or fragment (?...). Declare query parameters where they are used."),
    ),
    "timeout": (
        "[api]",
        "[api]\nconnect_timeout = 5",
        (
            "api.connect_timeout: here stands 5; a duration such as 90s, 15m, 2h, 1d or 2w, in quotes, is "
            'wanted. Write, for example: connect_timeout = "5s"'
        ),
    ),
    "timeout2": (
        "[api]",
        '[api]\nconnect_timeout = "5 s"',
        (
            'api.connect_timeout: here stands "5 s"; a duration such as 90s, 15m, 2h, 1d or 2w is wanted. '
            'Write, for example: connect_timeout = "5s"'
        ),
    ),
    "pages word": (
        PAGES,
        'pages = "cursor"',
        (
            "streams.flights.pages: pages of kind 'cursor' need more than their name. Write pages = { cursor "
            '= "next", ... }.'
        ),
    ),
    "pages word2": (
        PAGES,
        'pages = "singel"',
        "streams.flights.pages: \"singel\" is no kind of pages. Did you mean 'single'?",
    ),
    "pages word3": (
        PAGES,
        'pages = "auto"',
        (
            'streams.flights.pages: "auto" is no kind of pages. Write one of: "single", "link", "odata", { '
            "cursor = ... }, { cursor_header = ... }, { offset = ... }, { page = ... }, { seek = ... }, { "
            "next_url = ... }, { next_url_header = ... }."
        ),
    ),
    "pages int": (
        PAGES,
        "pages = 5",
        (
            'streams.flights.pages: here stands a number; a kind of pages is wanted. Write one of: "single", '
            '"link", "odata", { cursor = ... }, { cursor_header = ... }, { offset = ... }, { page = ... }, { '
            "seek = ... }, { next_url = ... }, { next_url_header = ... }."
        ),
    ),
    "pages end": (
        PAGES,
        'pages = { cursor = "next", query = "_next", end = ["empty"] }',
        (
            'streams.flights.pages.end[0]: here stands "empty"; "flag" or "repeated" or "empty page" is wanted. '
            "Did you mean 'empty page'?"
        ),
    ),
    "pages end flag": (
        PAGES,
        'pages = { cursor = "next", query = "_next", end = ["flag"] }',
        'streams.flights.pages: end = ["flag"] needs a flag: declare `more` or `done`.',
    ),
    "pages end_if": (
        PAGES,
        'pages = { link = "next", end_if = "results" }',
        "streams.flights.pages: end_if is 'results'; write an attribute and its value, such as 'results=\"false\"'.",
    ),
    "pages missing flag": (
        PAGES,
        'pages = { next_url = "next", missing = true }',
        'streams.flights.pages.missing: here stands true; "end" is wanted. Write, for example: missing = "end"',
    ),
    "pages keep_query": (
        PAGES,
        'pages = { cursor = "next", query = "_next", keep_query = true }',
        "streams.flights.pages.keep_query: there is no such key. Did you mean 'query'?",
    ),
    "pages two": (
        PAGES,
        'pages = { cursor = "next", offset = "o" }',
        ("streams.flights.pages: `cursor` and `offset` exclude each other. Keep the one that the API knows."),
    ),
    "pages none": (
        PAGES,
        'pages = { curser = "next" }',
        "streams.flights.pages: no key of this table tells a kind of pages. Did you mean 'cursor'?",
    ),
    "pages empty": (
        PAGES,
        "pages = { }",
        (
            'streams.flights.pages: no key of this table tells a kind of pages. Write one of: "single", '
            '"link", "odata", { cursor = ... }, { cursor_header = ... }, { offset = ... }, { page = ... }, { '
            "seek = ... }, { next_url = ... }, { next_url_header = ... }."
        ),
    ),
    "pages noquery": (
        PAGES,
        'pages = { cursor = "next" }',
        (
            "streams.flights.pages: a cursor is sent back in one place: name a query parameter, a path of the "
            "body, or a header."
        ),
    ),
    "pages body": (
        PAGES,
        'pages = { cursor = "next", body = "after" }',
        ("streams.flights.pages: they are asked for in the body, and a GET has none. Write `post` for `get`."),
    ),
    "pages missing": (
        PAGES,
        "",
        ('streams.flights: `pages` is missing. Write, for example: pages = { cursor = "next", query = "cursor" }'),
    ),
    "records": (
        'records = "rows"',
        'records = "a..b"',
        (
            'streams.flights.records: here stands "a..b"; keys with dots between, or a dot alone, is wanted. '
            'Write, for example: records = "items"'
        ),
    ),
    "nothing to add": (
        'records = "rows"',
        'records = "rows"\nadd = {}',
        (
            "streams.flights.add: here stands nothing; a table of fields is wanted. Write, for example: "
            'add = { author_id = "{parent.id}" }'
        ),
    ),
    "a number to add": (
        'records = "rows"',
        'records = "rows"\nadd = { of = 1 }',
        (
            "streams.flights.add.of: here stands 1; text is wanted. Write, for example: "
            'add = { author_id = "{parent.id}" }'
        ),
    ),
    "a word to add that is none": (
        'records = "rows"',
        'records = "rows"\nadd = { of = "{parent.id}" }',
        "streams.flights.add.of: {parent.id} stands for nothing here. Here there are: {start}, {end}, {snapshot_time}.",
    ),
    "a guard of an estimate": (
        'records = "rows"',
        'total = { at = "n", is = "estimate", only_if = { at = "r", is = "eq" } }\nrecords = "rows"',
        (
            "streams.flights.total: `only_if` says when a total is exact, and this one is an estimate. "
            'Write is = "exact".'
        ),
    ),
    "a guard of a number that is none": (
        'records = "rows"',
        'total = { at = "n", is = "exact", only_if = { at = "r", is = 1.5 } }\nrecords = "rows"',
        (
            "streams.flights.total.only_if.is: here stands 1.5; text, a whole number, true or false is wanted. "
            'Write, for example: is = "eq"'
        ),
    ),
    "a guard without a value": (
        'records = "rows"',
        'total = { at = "n", is = "exact", only_if = { at = "r" } }\nrecords = "rows"',
        'streams.flights.total.only_if: `is` is missing. Write, for example: is = "eq"',
    ),
    "a single page of another word": (
        PAGES,
        'pages = { single = "full" }',
        (
            'streams.flights.pages.single: here stands "full"; "may be full" is wanted. Write, for example: '
            'single = "may be full"'
        ),
    ),
    "a count in two places": (
        'records = "rows"',
        'expect = { get = "/count", at = "n", header = "X-Count" }\nrecords = "rows"',
        "streams.flights.expect: `at` and `header` exclude each other. Keep one of them: `at` or `header`.",
    ),
    "a count nowhere": (
        'records = "rows"',
        'expect = { get = "/count" }\nrecords = "rows"',
        'streams.flights.expect: one of `at` or `header` is missing. Write, for example: at = "count"',
    ),
    "a key that is no path": (
        'records = "rows"',
        'records = "rows"\nkey = "a..b"',
        (
            'streams.flights.key: here stands "a..b"; keys with dots between, or a dot alone, is wanted. Write, for '
            'example: key = "id"'
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
        "streams.flights.key: the path 'id' stands twice in one key. Write it once.",
    ),
    "records empty": (
        'records = "rows"',
        'records = ""',
        'streams.flights.records: here stands ""; a path is wanted. Write, for example: records = "items"',
    ),
    "get body": (
        'records = "rows"',
        'json = { a = 1 }\nrecords = "rows"',
        "streams.flights.json: a GET has no body. Write `post` in place of `get`, or use `query`.",
    ),
    "query time": (
        'records = "rows"',
        'query = { since = 2013-01-01 }\nrecords = "rows"',
        (
            "streams.flights.query.since: here stands 2013-01-01, which no query parameter can be. Write text "
            "as the API reads it, a number, true or false, or a list of them."
        ),
    ),
    "query table": (
        'records = "rows"',
        'query = { since = { a = 1 } }\nrecords = "rows"',
        (
            "streams.flights.query.since: here stands a table, which no query parameter can be. Write text as "
            "the API reads it, a number, true or false, or a list of them."
        ),
    ),
    "encoded value that ends itself": (
        'records = "rows"',
        'query = { since = { encoded = "a%2Cb&c" } }\nrecords = "rows"',
        (
            "streams.flights.query.since.encoded: '&' cannot stand in a value that is encoded already. "
            "Write %26 in its place."
        ),
    ),
    "encoded value that is empty": (
        'records = "rows"',
        'query = { since = { encoded = "" } }\nrecords = "rows"',
        (
            'streams.flights.query.since.encoded: here stands ""; text that is encoded already is wanted. '
            'Write, for example: encoded = "a%2Cb"'
        ),
    ),
    "encoded value with more": (
        'records = "rows"',
        'query = { since = { encoded = "a", raw = true } }\nrecords = "rows"',
        "streams.flights.query.since.raw: there is no such key. Here there are: encoded.",
    ),
    "a way to be empty": (
        'records = "rows"',
        'records = "rows"\nempty = ["nil"]',
        (
            "streams.flights.empty: 'nil' is no way to hold no records. There are: null, absent, false, empty object, "
            "empty text, no body, and statuses."
        ),
    ),
    "a status that is not empty": (
        'records = "rows"',
        'records = "rows"\nempty = [500]',
        (
            "streams.flights.empty: the status 500 does not say that there are no records. It may be 204, 205, or one "
            "of the 400s that is about what was asked, such as 404; for others write a rule with the text of the "
            "answer."
        ),
    ),
    "empty that is no list": (
        'records = "rows"',
        'records = "rows"\nempty = "null"',
        (
            'streams.flights.empty: here stands "null"; a list of words and statuses is wanted. '
            'Write, for example: empty = ["null", 204]'
        ),
    ),
    "empty twice": (
        'records = "rows"',
        'records = "rows"\nempty = [204, 204]',
        "streams.flights.empty: something stands twice in this list. Remove one of the two.",
    ),
    "query str": (
        'records = "rows"',
        'query = "a=b"\nrecords = "rows"',
        (
            "streams.flights.query: here stands text; a table of query parameters is wanted. Write, for "
            "example: query = { limit = 100 }"
        ),
    ),
    "total": (
        'records = "rows"',
        'total = { at = "total", is = "exakt" }\nrecords = "rows"',
        (
            'streams.flights.total.is: here stands "exakt"; "exact" or "bound" or "estimate" is wanted. Did you mean '
            "'exact'?"
        ),
    ),
    "advance": (
        PAGES,
        'pages = { offset = "skip", limit = 10, advance = "limits" }',
        (
            'streams.flights.pages.advance: here stands "limits"; "received" or "limit" is wanted. Did you mean '
            "'limit'?"
        ),
    ),
    "advance without a limit": (
        PAGES,
        'pages = { offset = "skip", advance = "limit" }',
        (
            "streams.flights.pages: `advance = \"limit\"` needs a limit, and the request has no 'limit'. Write "
            "limit = 100 in `pages`, or whatever the API allows."
        ),
    ),
    "advance and overlap": (
        PAGES,
        'pages = { offset = "skip", limit = 10, overlap = 1, advance = "limit" }',
        (
            'streams.flights.pages: `overlap` and `advance = "limit"` exclude each other: where rows are hidden, '
            "nobody knows which record a page should begin with. Keep one of them."
        ),
    ),
    "empty pages": (
        PAGES,
        'pages = { page = "page", empty_pages = 0 }',
        (
            "streams.flights.pages.empty_pages: here stands 0; a whole number from 1 up is wanted. Write, for "
            "example: empty_pages = 3"
        ),
    ),
    "total2": (
        'records = "rows"',
        'total = { at = "total" }\nrecords = "rows"',
        'streams.flights.total: `is` is missing. Write, for example: is = "exact"',
    ),
    "empty word": (
        'at = "rows.0.id" }',
        'at = "rows.0.id", empty = "nothing" }',
        (
            'streams.flights.full.ids.last.empty: here stands "nothing"; "no items" is wanted. Write, for '
            'example: empty = "no items"'
        ),
    ),
    "last below first": (
        LAST,
        "last = 0",
        "streams.flights.full.ids.last: the last ID, 0, is below the first, 1. Write a higher one.",
    ),
    "windows naive": (
        IDS,
        WINDOWS.replace("00Z", "00"),
        (
            "streams.flights.full.windows.start: 2013-01-01T00:00:00 does not say its offset from UTC. Write, "
            "for example: start = 2013-01-01T00:00:00Z"
        ),
    ),
    "windows quoted": (
        IDS,
        WINDOWS.replace("2013-01-01T00:00:00Z", '"2013-01-01"'),
        (
            'streams.flights.full.windows.start: here stands "2013-01-01"; a time without quotes is wanted. '
            "Write, for example: start = 2013-01-01T00:00:00Z"
        ),
    ),
    "windows step": (
        IDS,
        WINDOWS.replace('"1d"', "86400"),
        (
            "streams.flights.full.windows.step: here stands 86400; a duration such as 90s, 15m, 2h, 1d or 2w, "
            'in quotes, is wanted. Write, for example: step = "1d"'
        ),
    ),
    "windows step0": (
        IDS,
        WINDOWS.replace('"1d"', '"0d"'),
        (
            'streams.flights.full.windows.step: here stands "0d"; a duration such as 90s, 15m, 2h, 1d or 2w, '
            'above zero, is wanted. Write, for example: step = "1d"'
        ),
    ),
    "windows end": (
        IDS,
        WINDOWS + "end = 2012-01-01T00:00:00Z\n",
        ("streams.flights.full.windows.end: the end is not after the start. Write a later one, or leave it out."),
    ),
    "windows date": (
        IDS,
        WINDOWS.replace('"1d"', '"12h"') + 'bounds = { format = "date" }\n',
        (
            "streams.flights.full.windows.step: the bounds are dates, so windows that end within a day would "
            'be read twice. Write whole days: step = "1d"'
        ),
    ),
    "windows granule": (
        IDS,
        WINDOWS.replace('"1d"', '"1m"') + 'bounds = { granule = "1h" }\n',
        ("streams.flights.full.windows.step: the step is shorter than the granule of the bounds. Write a longer step."),
    ),
    "windows step that the format cannot tell": (
        IDS,
        WINDOWS.replace('"1d"', '"1500ms"'),
        (
            "streams.flights.full.windows.step: windows of this step from 2013-01-01T00:00:00+00:00 on do not begin "
            "and end where the format of the bounds can tell, so records at their ends would be read twice. Write "
            'whole seconds, hours or days as the format does, or a finer one: granule = "1ms".'
        ),
    ),
    "windows start that the format cannot tell": (
        IDS,
        WINDOWS.replace("00:00:00Z", "00:00:00.5Z"),
        (
            "streams.flights.full.windows.step: windows of this step from 2013-01-01T00:00:00.500000+00:00 on do not "
            "begin and end where the format of the bounds can tell, so records at their ends would be read twice. "
            'Write whole seconds, hours or days as the format does, or a finer one: granule = "1ms".'
        ),
    ),
    "windows format": (
        IDS,
        WINDOWS + 'bounds = { format = "%H" }\n',
        (
            "streams.flights.full.windows.bounds: format '%H' does not show the year, so one text would be "
            "many moments. Write one of iso, date, epoch_seconds, epoch_milliseconds, or strftime text such "
            'as "%Y-%m-%dT%H:%M:%SZ".'
        ),
    ),
    "windows zone": (
        IDS,
        WINDOWS + 'bounds = { zone = "Europe/Londn" }\n',
        (
            "streams.flights.full.windows.bounds: zone 'Europe/Londn' is not known here: write UTC or a name "
            "such as Europe/London. If it is right, this machine has no time zone database: pip install "
            "tzdata."
        ),
    ),
    "windows edge": (
        IDS,
        WINDOWS + 'bounds = { end = "inclusiv" }\n',
        (
            'streams.flights.full.windows.bounds.end: here stands "inclusiv"; "inclusive" or "exclusive" is '
            "wanted. Did you mean 'inclusive'?"
        ),
    ),
    "an empty list of values": (
        IDS,
        VALUES + "list = []",
        (
            "streams.flights.full.values.list: here stands nothing; a list is wanted. Write, for example: "
            'list = ["AA", "B6"]'
        ),
    ),
    "values of two kinds": (
        IDS,
        VALUES + 'list = ["AA", 1]',
        (
            "streams.flights.full.values.list[1]: here stands 1; text, or whole numbers alone, is wanted. "
            'Write, for example: list = ["AA", "B6"]'
        ),
    ),
    "a value twice": (
        IDS,
        VALUES + 'list = ["AA", "AA"]',
        "streams.flights.full.values.list[1]: 'AA' stands twice in this list. Remove one of the two.",
    ),
    "values in words": (
        IDS,
        VALUES + 'list = "AA"',
        (
            "streams.flights.full.values.list: here stands text; a list is wanted. Write, for example: list = "
            '["AA", "B6"]'
        ),
    ),
    "no values": (
        IDS,
        VALUES,
        ('streams.flights.full.values: one of `list` or `from` is missing. Write, for example: list = ["AA", "B6"]'),
    ),
    "values without their word": (
        IDS,
        VALUES.replace("{value}", "AA") + 'list = ["AA"]',
        (
            "streams.flights.full.values: {value} stands nowhere in the request, so an item would fetch more "
            'than its own records. Write, for example: query = { name = "{value}" }'
        ),
    ),
    "a list without pages": (
        IDS,
        VALUES + 'from = { get = "/carriers", records = "rows" }',
        'streams.flights.full.values.from: `pages` is missing. Write, for example: pages = "single"',
    ),
    "a word in a list's request": (
        IDS,
        VALUES + 'from = { get = "/carriers/{value}", records = "rows", pages = "link" }',
        "streams.flights.full.values.from.get: {value} stands for nothing here. Write it out.",
    ),
    "a word for everything": (
        IDS,
        '[streams.flights.full.once]\nquery = { after = "{start}" }',
        ("streams.flights.full.once.query.after: {start} stands for nothing here. Here there are: {snapshot_time}."),
    ),
    "a misspelt parent": (
        IDS,
        IDS + CREW.replace('"flights"', '"fligths"'),
        "streams.crew.parent: there is no other stream 'fligths'. Did you mean 'flights'?",
    ),
    "a parent of itself": (
        IDS,
        IDS + CREW.replace('"flights"', '"crew"'),
        "streams.crew.parent: there is no other stream 'crew'. Here there are: flights.",
    ),
    "a parent with a parent": (
        IDS,
        IDS + CREW + CREW.replace('flights"', 'crew"').replace("s.crew", "s.meals"),
        (
            "streams.meals.parent: 'crew' has a parent itself, and children of children cannot be asked for "
            "yet. Name a stream that is divided by IDs, windows, values or once."
        ),
    ),
    "a parent without full": (
        IDS,
        WINDOWS.replace("full", "incremental") + CREW,
        (
            "streams.crew.parent: 'flights' does not say how a full run is divided. Write a table "
            "[streams.flights.full.ids], or another of its kind."
        ),
    ),
    "a parent and full": (
        IDS,
        IDS + CREW + IDS.replace("flights.full", "crew.full"),
        "streams.crew: `parent` and `full` exclude each other. Keep one of them.",
    ),
    "no field of the parent": (
        IDS,
        IDS + CREW.replace("{parent.id}", "1"),
        (
            "streams.crew: no field of the parent stands in the request, so each parent would fetch the same "
            'records. Write, for example: get = "/posts/{parent.id}/comments"'
        ),
    ),
    "a parent's item's word": (
        IDS,
        IDS + CREW.replace("{parent.id}", "{start}"),
        ("streams.crew.get: {start} stands for nothing here. Here there are: {parent.FIELD}, {snapshot_time}."),
    ),
    "a batch without parent": (
        RECORDS,
        "batch = 5\n" + RECORDS,
        "streams.flights.batch: it is for streams with a `parent`. Remove it, or name the parent.",
    ),
    "an unknown policy": (
        IDS,
        IDS + CREW + 'absent = "ignore"',
        ('streams.crew.absent: here stands "ignore"; "fail" or "skip" is wanted. Write, for example: absent = "skip"'),
    ),
    "a rule without condition": (
        "[streams.flights]",
        '[[api.rules]]\naction = "pause"\n[streams.flights]',
        ("api.rules[0]: a rule for answers names no status, header, text or path, so it would apply to every answer."),
    ),
    "a rule without action": (
        "[streams.flights]",
        "[[api.rules]]\nstatus = 403\n[streams.flights]",
        'api.rules[0]: `action` is missing. Write, for example: action = "pause"',
    ),
    "a misspelt action": (
        RECORDS,
        'rules = [{ status = 403, action = "paus" }]\n' + RECORDS,
        (
            'streams.flights.rules[0].action: here stands "paus"; "ok" or "retry" or "retry_later" or "outage" or '
            '"pause" or "auth" or "config" or "poison" or "split" or "restart" or "end" or "absent" is '
            "wanted. Did you mean 'pause'?"
        ),
    ),
    "rules as a table": (
        RECORDS,
        "rules = { status = 403 }\n" + RECORDS,
        (
            "streams.flights.rules: here stands a table; a list is wanted. Write, for example: rules = [{ "
            'status = 403, text = "rate limit", action = "pause" }]'
        ),
    ),
}

NOT_TOML = {
    "duplicate key": (
        "step = 5000",
        "step = 5000\nstep = 6000",
        (
            "line 16, column 12: this is not TOML: cannot overwrite a value. The same key stands twice in one "
            "table: keep one of them."
        ),
    ),
    "duplicate table": (
        "[streams.flights]\n",
        "[api]\n[streams.flights]\n",
        (
            "line 7, column 5: this is not TOML: cannot declare [api] twice. The same table stands twice: "
            "write its keys under one heading."
        ),
    ),
    "syntax": (
        'records = "rows"',
        "records = rows",
        'line 9, column 11: this is not TOML: invalid value. Text stands in quotes: get = "/items".',
    ),
    "syntax2": (
        'records = "rows"',
        'records = "rows',
        "line 9, column 16: this is not TOML: illegal character '\\n'. Close the quote on the same line.",
    ),
    "syntax3": (
        'records = "rows"',
        "records",
        (
            "line 9, column 8: this is not TOML: expected '=' after a key in a key/value pair. A key and its "
            'value are written key = "value"; a heading as [api].'
        ),
    ),
    "syntax4": (
        "step = 5000",
        "step = [1",
        "the end of the file: this is not TOML: unclosed array. Close the list with ].",
    ),
    "yaml": (
        GOOD,
        "source: flights\n",
        (
            "line 1, column 7: this is not TOML: expected '=' after a key in a key/value pair. A key and its "
            'value are written key = "value"; a heading as [api].'
        ),
    ),
    "extend": (
        IDS,
        IDS + "\n[streams.flights.pages]\nx = 1",
        (
            "line 17, column 23: this is not TOML: cannot declare [streams.flights.pages] twice. The same "
            "table stands twice: write its keys under one heading."
        ),
    ),
}


def message(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(folder)
    file = Path("flights.toml")
    file.write_text(text)
    with pytest.raises(SourceFileError) as caught:
        load_source(file, {})
    assert caught.value.file == "flights.toml"
    assert f"{caught.value.problem} {caught.value.remedy}".strip() in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_place_and_remedy(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in a source file is told in one line: file, key, what stands there, what to write."""
    before, after, expected = MISTAKES[name]
    assert before in GOOD
    assert message(tmp_path, GOOD.replace(before, after), monkeypatch) == f"flights.toml: {expected}"


@pytest.mark.parametrize("name", NOT_TOML)
def test_what_is_not_toml_is_told_with_line_and_column(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no TOML is told with line and column, and with the usual reason."""
    before, after, expected = NOT_TOML[name]
    assert before in GOOD
    assert message(tmp_path, GOOD.replace(before, after), monkeypatch) == f"flights.toml: {expected}"
