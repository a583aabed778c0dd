"""What the story of an item shows of its last request: what helps a person, and no secret (G7)."""

from __future__ import annotations

import json
import time

import pytest

from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request
from haulier.worker.last_request import request_note

SECRET = "hunter2-96f1c0"
NAMES = [
    *("token", "session", "sig", "signature", "key", "pass", "jwt", "auth", "code", "Passphrase", "userPwd", "sid"),
    *("X-Amz-Credential", "filter[token]", "access.key"),
]


def noted(body: bytes = b"", query: str = "") -> str:
    headers = (("X-Trace", "7"), ("X-Jwt", SECRET))
    note = request_note(Request("POST", f"http://api.test/things?{query}", headers, body), Redactor())
    assert note.headers == {"X-Trace": "7", "X-Jwt": "***"}
    return f"{note.url} {note.body}"


@pytest.mark.parametrize("name", NAMES)
def test_g7_what_a_name_tells_of_is_masked(name: str) -> None:
    """In a query, in JSON at any depth, whole or cut off, in a form, in XML; the name stays."""
    secret = {name: SECRET}
    bodies = [
        json.dumps(secret),
        json.dumps({"a": [{"b": secret | {"n": 1}}], name: {"value": SECRET}}),
        json.dumps(secret)[:-1] + ', "more": ',
        json.dumps(secret | {"x": "y" * 1_100_000}),
        f"a=1&{name}={SECRET}&b=2",
        f"a={{}}\n{name}={SECRET}",
    ]
    if name.isalpha():
        bodies += [f'{{"{name}":1,"a":2}}{{"{name}":"{SECRET}"}}', f"<a:{name} x='1'>{SECRET}</a:{name}>"]
        bodies += [f'{{"\\u{ord(name[0]):04x}{name[1:]}": "{SECRET}"}}']
    for body in bodies:
        found = noted(body.encode())
        assert SECRET not in found, body[:100]
        assert "***" in found, body[:100]
    assert SECRET not in noted(f'{{"a": {{"{name}": "{SECRET}"}}, "a": 1}}'.encode())
    for query in (f"page=2&{name}={SECRET}&n=1", f"{name.replace('e', '%65')}={SECRET}"):
        assert SECRET not in noted(query=query)
    assert f"page=2&{name}=***&n=1" in noted(query=f"page=2&{name}={SECRET}&n=1")


@pytest.mark.parametrize(
    "body",
    [
        b'{"ids":[1,2],"price":1.10,"design":"x","country_code":"de"}',
        b"ids=1,2&passenger=x",
        b'{"auth":true,"token":null,"session":""}',
        b"\xff\x00",
    ],
)
def test_all_else_stays_as_it_was_sent(body: bytes) -> None:
    query = "ids=1,2&passenger=x&from=2026-01-01"
    assert noted(body, query) == f"http://api.test/things?{query} {Redactor().excerpt(body)}"


@pytest.mark.parametrize("piece", [b"a-", b"token", b'"a":', b"<a ", b"=", b"[", b'{"a":'])
def test_a_body_that_is_made_to_be_slow_is_not(piece: bytes) -> None:
    began = time.process_time()
    noted(piece * (8_000_000 // len(piece)))
    noted(piece * (500_000 // len(piece)))
    assert time.process_time() - began < 2
