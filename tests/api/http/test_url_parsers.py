"""What a query says arrives, whichever server reads it: parsers of today, of old, and of another language."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from haulier.api.http.urls import Encoded, with_query
from haulier.errors import UsageError
from tests.api.paging.rig import Reply, client_of, session_with

Pairs = list[tuple[str, str]]

RESERVED = ";/?:@&=+$,#[]!'()*%|\\^`{}<>\" ~"
"""What RFC 3986 reserves or forbids, and what was allowed to part parameters in HTML 4.01."""
HARD: Pairs = [
    ("status", "open;closed"),
    ("a;b", "1"),
    ("filter[name]", "O'Hara & Söhne"),
    ("$filter", "price ge 1+1 and note eq '50%;#1'"),
    ("q?x", "a=b?c/d"),
    ("in", "a|b,c"),
    ("empty", ""),
    ("literal", "%2C+%20"),
    *[(f"r{ord(character)}", f"a{character}b") for character in RESERVED],
    *[(f"a{character}b", "1") for character in RESERVED],
]

NODE = """
const targets = JSON.parse(require("fs").readFileSync(0, "utf8"));
const read = { URLSearchParams: (q) => [...new URLSearchParams(q)],
  querystring: (q) => Object.entries(require("querystring").parse(q)) };
console.log(JSON.stringify(targets.map((q) => read[process.argv[1]](q))));
"""


def python_of_today(query: str) -> Pairs:
    """`urllib.parse`, which parts at `&` alone since 3.10."""
    return parse_qsl(query, keep_blank_values=True, strict_parsing=True)


def parted_at_both(query: str) -> Pairs:
    """As `urllib.parse` did before 3.10, and Rack before 3 does: `;` parts as `&` does, as HTML 4.01 advised."""
    pieces = (piece.partition("=") for piece in re.split("[&;]", query))
    return [(unquote_plus(name), unquote_plus(value)) for name, _, value in pieces]


def go_net_url(query: str) -> Pairs:
    """As `net/url` does since Go 1.17: a parameter with a bare `;` in it is an error, and left out by `Query()`."""
    return parted_at_both("&".join(piece for piece in query.split("&") if ";" not in piece))


@pytest.mark.parametrize("parser", [python_of_today, parted_at_both, go_net_url])
def test_every_reserved_character_arrives_at_parsers(parser: Callable[[str], Pairs]) -> None:
    """No character of a name or value parts parameters, ends the query, or drops one, whatever the server's age."""
    for pair in HARD:
        url = with_query("http://api.test/items", (("before", "1"), pair, ("after", "2")))
        assert url.count("?") == 1, "a server that cuts at each of them would lose the rest"
        assert parser(urlsplit(url).query) == [("before", "1"), pair, ("after", "2")], url


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not on this machine")
@pytest.mark.parametrize("parser", ["URLSearchParams", "querystring"])
def test_every_reserved_character_arrives_at_node(parser: str) -> None:
    """The two parsers of Node.js read each name and value as it was meant."""
    queries = [with_query("", (pair, ("after", "2"))).removeprefix("?") for pair in HARD]
    ran = subprocess.run(["node", "-e", NODE, parser], input=json.dumps(queries), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == [[[*pair], ["after", "2"]] for pair in HARD]


async def test_every_reserved_character_arrives_at_a_server_of_aiohttp() -> None:
    """Over the wire nothing is quoted anew: aiohttp's server, which reads by yarl, gets each name and value."""
    seen: list[tuple[Pairs, str]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(([*request.query.items()], request.raw_path))
        return web.json_response({"id": 1})

    app = web.Application()
    app.router.add_get("/items", answer)
    async with TestServer(app) as server, client_of(str(server.make_url("/"))) as client:
        for pair in HARD:
            await client.session().json("/items", [pair])
    assert [pairs for pairs, _ in seen] == [[pair] for pair in HARD]
    assert [raw for _, raw in seen] == [with_query("/items", (pair,)) for pair in HARD]


async def test_encoded_value_goes_out_as_it_stands() -> None:
    """A value that the caller encoded is sent byte for byte, beside one that is encoded for them."""
    async with session_with(lambda asked: Reply({"id": 1})) as (api, server):
        await api.json("/items", {"tag": Encoded("a%2Cb,c%3Bd+e=f;g"), "other": "a%2Cb"})
        assert server.targets == ["/items?tag=a%2Cb,c%3Bd+e=f;g&other=a%252Cb"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a&b", "'&' .* Write %26"),
        ("a#b", "'#' .* Write %23"),
        ("a b", "' ' .* Write %20"),
        ("50%", "'%' .* Write %25"),
        ("%zz", "'%' .* Write %25"),
        ("ü", "'ü' .* Write %C3%BC"),
        ("a\nb", r"'\\n' .* Write %0A"),
        ('"', "'\"' .* Write %22"),
    ],
)
def test_encoded_value_cannot_end_itself(text: str, says: str) -> None:
    """What would end the value, or is no code, is refused, with what to write."""
    with pytest.raises(UsageError, match=says):
        Encoded(text)
