"""Each way of paging (docs/sandbox.md#paging) has a path, which haulier reads to its end, and the known traps."""

import asyncio
import json
from pathlib import Path as File
from typing import Any

import pytest

from haulier.config.source_file import load_source
from haulier.sources.rest import RestSource
from haulier.testing.clock import FakeClock
from haulier.testing.sandbox import Sandbox, SandboxSettings, comment_ids, record_bytes, record_ids
from haulier.testing.sandbox.answers import PATHS, REGIONS, Path, answer
from haulier.testing.sandbox.server import SandboxServer
from haulier.testing.sandbox.wire import RequestHead
from tests.sources.situation import situation
from tests.testing import wire

SETTINGS = SandboxSettings(records=1_234, page_size=100, gap_after=50, gap_ids=7, is_awkward=True)
IDS = [
    path
    for path in PATHS
    if path.pages and path.path.startswith(("/items", "/odata", "/search", "/graphql")) and path.path != "/items_csv"
]
HEAD = RequestHead(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8002")

SOURCE = """
source = "sandbox"
lake = "lake"
[api]
url = "{url}"
[streams.items]
{ask}
records = "{records}"
pages = {pages}
[streams.items.full.ids]
last = {{ get = "/items/newest", at = "id" }}
step = 450
{bounds}
"""
RANGE = 'query = { from_id = "{start}", to_id = "{end}" }'
LINES = {"/items_lines": '\nformat = "ndjson"\ntotal = { header = "X-Total-Count", is = "exact" }'}
FILTER = 'query = { "$filter" = "id ge {start} and id lt {end}" }'
SEARCH = 'post = "/search"\njson = { query = { from_id = "{start}", to_id = "{end}" }, limit = 100 }'


GRAPHQL = """post = "/graphql"
graphql = "query ($from_id: Int, $to_id: Int, $after: String) { items(from: $from_id, to: $to_id) { nodes { id } } }"
variables = { from_id = "{start}", to_id = "{end}" }"""


async def haul(file: File, text: str, stream: str = "items") -> list[bytes]:
    """Every record that haulier reads by a source file, in the order in which it came."""
    file.write_text(text)
    settings = load_source(file, {})
    source = RestSource(settings.name, settings.streams)
    records: list[bytes] = []
    async with situation(settings.api) as context:
        async for item in source.enumerate("full", (stream,), context):
            async for page in source.processors[type(item)](item, context):
                records += map(bytes, page.records)  # type: ignore[union-attr]
    return records


def kept(record: bytes) -> bytes:
    """A record as it stands in the lake: no line ends."""
    return record.replace(b"\r", b"").replace(b"\n", b"")


@pytest.mark.parametrize("path", IDS, ids=lambda path: path.path)
async def test_haulier_reads_each_kind_as_the_table_of_paths_says(path: Path, tmp_path: File) -> None:
    """G3, G6: with the line for `pages` that the table has, every record once, in order, byte by byte."""
    where = {
        "/items_link": ".",
        "/items_relative": "records",
        "/odata/items": "value",
        "/graphql": "data.items.nodes",
        "/items_lines": ".",
    }.get(path.path, "items")
    async with Sandbox(SETTINGS) as api:
        text = SOURCE.format(
            url=api.url,
            ask={"/search": SEARCH, "/graphql": GRAPHQL}[path.path]
            if path.method == "POST"
            else f'get = "{path.path}"{LINES.get(path.path, "")}',
            records=where,
            pages=path.pages,
            bounds={"/search": "", "/graphql": "", "/odata/items": FILTER}.get(path.path, RANGE),
        )
        records = await haul(tmp_path / "sandbox.toml", text)
        requests = api.counters.requests
    assert [kept(record) for record in records] == [kept(record_bytes(SETTINGS, each)) for each in record_ids(SETTINGS)]
    assert requests >= 13, "they came in pages"


async def test_a_table_has_each_record_as_a_row(tmp_path: File) -> None:
    """Its fields are texts, with the digits, quotes and line ends of the record."""
    async with Sandbox(SETTINGS) as api:
        ask = 'get = "/items_csv"\nformat = "csv"\ntotal = { header = "X-Total-Count", is = "exact" }'
        pages = '{ offset = "offset", limit = 100 }'
        text = SOURCE.format(url=api.url, ask=ask, records=".", pages=pages, bounds=RANGE)
        rows = [json.loads(record) for record in await haul(tmp_path / "sandbox.toml", text)]
        whole = [
            json.loads(record_bytes(SETTINGS, each), parse_int=str, parse_float=str) for each in record_ids(SETTINGS)
        ]
        assert rows == whole
        assert (await wire.answer(api.url, "/items_csv?limit=1")).headers["content-type"] == "text/csv; charset=utf-8"


async def test_regions_are_one_list_and_a_list_each(tmp_path: File) -> None:
    """For `once` and `values`: everything at once, and one item for each value of a list."""
    async with Sandbox(SETTINGS) as api:
        head = f'source = "s"\nlake = "lake"\n[api]\nurl = "{api.url}"\n[streams.items]\n'
        once = head + 'get = "/regions"\nrecords = "."\npages = "single"\n[streams.items.full.once]\n'
        found = [json.loads(record) for record in await haul(tmp_path / "once.toml", once)]
        assert [row["code"] for row in found] == [*REGIONS]
        assert sum(row["items"] for row in found) == SETTINGS.records
        values = head + (
            'get = "/regions/{value}/items"\nrecords = "items"\npages = { cursor = "next", query = "cursor" }\n'
            f"[streams.items.full.values]\nlist = {json.dumps(REGIONS)}\n"
        )
        records = await haul(tmp_path / "values.toml", values)
        assert [json.loads(record)["id"] for record in records] == [*record_ids(SETTINGS)]
        assert (await wire.answer(api.url, "/regions/nowhere/items")).status == 404


async def test_posts_have_comments_or_a_404() -> None:
    """``posts``, ``comments_per_post`` and ``comments_missing_every``: parents, and what stands under them."""
    settings = SandboxSettings(posts=25, page_size=10, comments_per_post=9, comments_missing_every=7)
    async with Sandbox(settings) as api:
        posts = await pages(api.url, "/posts?limit=10", "posts")
        assert [post["id"] for post in posts] == [*range(1, 26)]
        counts = {0}
        for post in posts:
            targets = f"/posts/{post['id']}/comments", f"/comments?post_id={post['id']}"
            if post["id"] % 7 == 0:
                assert [(await wire.answer(api.url, target)).status for target in targets] == [404, 404]
                continue
            assert json.loads((await wire.answer(api.url, f"/posts/{post['id']}")).body) == post
            for target in targets:
                found = [each["id"] for each in await pages(api.url, target, "comments")]
                assert found == [*comment_ids(settings, post["id"])]
                assert len(found) == post["comments"]
            counts.add(post["comments"])
        assert {0, 18} <= counts, "some have none, some have more than a page"
        for target in ("/posts/26", "/posts/26/comments", "/comments?post_id=0"):
            assert (await wire.answer(api.url, target)).status == 404


async def pages(url: str, target: str, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = json.loads((await wire.answer(url, target + cursor)).body)
        rows += page[name]
        if page["next"] is None:
            return rows
        cursor = f"{'&' if '?' in target else '?'}cursor={page['next']}"


def ask(target: str, settings: SandboxSettings = SETTINGS, head: RequestHead = HEAD) -> tuple[int, dict[str, Any]]:
    made = answer(settings, target, head)
    return made.status, json.loads(made.body)


def test_an_end_is_told_in_each_kind_by_its_own_sign() -> None:
    """No token, no link, no header, null, a flag, the number of pages: never a short page alone."""
    whole = "?from_id=1&to_id=41"
    assert "nextPageToken" not in ask(f"/items_token{whole}")[1]
    assert ask(f"/items_next_url{whole}")[1]["links"] == {"next": None}
    assert ask(f"/items_seek{whole}")[1]["has_more"] is False
    assert ask(f"/items_seek{whole}&limit=39")[1]["has_more"] is True
    last = ask(f"/items_relative{whole}")[1]
    assert (last["done"], last.get("nextRecordsUrl")) == (True, None)
    assert "@odata.nextLink" not in ask("/odata/items?$filter=id%20lt%2041")[1]
    for path in ("/items_link", "/items_header"):
        names = [[name for name, _ in answer(SETTINGS, path + rest, HEAD).headers] for rest in (whole, "")]
        sign = b"Link" if path == "/items_link" else b"X-Next-Token"
        assert (sign in names[0], sign in names[1]) == (False, True)
    assert dict(answer(SETTINGS, "/items_page?per_page=100", HEAD).headers)[b"X-Total-Pages"] == b"13"


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("/items_page?page=14", "the query has 13 pages"),
        ("/items_page?page=0", "Page 0 does not exist"),
        ("/items_relative?locator=1-0-4d2-64-00000000", "Send it unchanged"),
        ("/items_relative?locator=" + "f" * 5000, "Send it unchanged"),
        ("/items_token?pageToken=a.b", "does not belong to this query"),
        ("/odata/items?$filter=price%20gt%205", "write 'id ge 1 and id lt 1001'"),
        ("/comments", "post_id is missing"),
    ],
)
def test_what_real_apis_refuse_is_refused(target: str, says: str) -> None:
    """A page past the end, a token that is none, a filter that is not understood: 400, never an empty page."""
    status, body = ask(target)
    assert status == 400
    assert says in json.dumps(body["error"])


def test_a_link_is_followed_as_it_is() -> None:
    """What a client adds to a link with a query of its own is a 400; the whole walk is in the link."""
    target = str(ask("/items_relative?from_id=1&to_id=500&limit=30")[1]["nextRecordsUrl"])
    status, page = ask(target)
    assert (status, len(page["records"])) == (200, 30)
    assert ask(target + "&limit=30")[0] == 400
    link = str(ask("/odata/items?$filter=id%20lt%20500")[1]["@odata.nextLink"])
    assert link.startswith("http://127.0.0.1:8002/odata/items?$skiptoken=")
    path = link.removeprefix("http://127.0.0.1:8002")
    assert ask(path)[0] == 200
    assert ask(path + "&$filter=id%20lt%20500")[0] == 400


def test_links_name_the_host_that_was_asked() -> None:
    """Absolute links lead to where the client came from, and carry its query but not its key."""
    head = RequestHead(b"GET / HTTP/1.1\r\nHost: api.test:81")
    links = ask("/items_next_url?from_id=2&limit=5&api_key=hush", head=head)[1]["links"]
    assert links["next"].startswith("http://api.test:81/items_next_url?from_id=2&limit=5&cursor=")
    assert dict(answer(SETTINGS, "/items_link?limit=700", HEAD).headers)[b"Link"] == (
        b'<http://127.0.0.1:8002/items_link?limit=700&page=2>; rel="next", '
        b'<http://127.0.0.1:8002/items_link?limit=700&page=13>; rel="last"'
    )


async def test_kept_pages_do_not_mix_up_hosts_and_tokens() -> None:
    """What varies by a header of the request is kept apart from the rest."""
    async with Sandbox(SandboxSettings(records=30, page_size=10)) as api:
        for host in ("one.test", "two.test", "one.test"):
            async with wire.connected(api.url) as connection:
                connection.send(b"GET /items_next_url HTTP/1.1\r\nHost: %s\r\n\r\n" % host.encode())
                reply = await connection.reply()
                assert reply is not None
                assert f"http://{host}/" in json.loads(reply.body)["links"]["next"]
        first = await wire.answer(api.url, "/items_header")
        second = await wire.answer(api.url, "/items_header", X_Next_Token=first.headers["x-next-token"])
        assert json.loads(second.body)["items"][0]["id"] == 11
        assert (await wire.answer(api.url, f"/items_header?token={first.headers['x-next-token']}")).body == second.body
        assert (await wire.answer(api.url, "/items_header")).body == first.body


def test_odata_counts_and_tops_and_is_sized() -> None:
    """`$count`, `$top` as a number of rows over all pages, and `Prefer: odata.maxpagesize`."""
    head = RequestHead(HEAD.raw + b"\r\nPrefer: odata.maxpagesize=40")
    page = ask("/odata/items?$count=true&$top=90", head=head)[1]
    sizes = [len(page["value"])]
    while "@odata.nextLink" in page:
        assert page["@odata.count"] == 1_234
        page = ask(str(page["@odata.nextLink"]).removeprefix("http://127.0.0.1:8002"))[1]
        sizes.append(len(page["value"]))
    assert sizes == [40, 40, 10]
    assert "@odata.count" not in ask("/odata/items")[1]


async def test_a_search_says_what_is_wrong_with_its_body() -> None:
    """A field that is not known is no empty answer, and GET is not POST."""
    async with Sandbox() as api:
        for body in (b'{"qeury":{}}', b"[]", b'{"limit":"x"}', b'{"cursor":"5"}', b'{"query":{"from_id":-1}}'):
            reply = await wire.posted(api.url, "/search", body)
            assert reply.status == 400, body
        assert (await wire.answer(api.url, "/search")).status == 405
        assert (await wire.posted(api.url, "/items", b"{}")).status == 405
        assert (await wire.posted(api.url, "/search", b"{}")).status == 200


@pytest.mark.parametrize("path", ["/items", "/items_token", "/items_next_url", "/items_relative", "/items_header"])
async def test_page_tokens_expire(path: str) -> None:
    """``token_ttl_seconds`` and ``token_expired_status``: too old is an error; a fresh walk gives good ones again."""
    clock = FakeClock()
    settings = SandboxSettings(records=30, page_size=10, token_ttl_seconds=60, token_expired_status=410)
    server = SandboxServer(settings, asyncio.get_running_loop(), clock)
    head = RequestHead(b"GET / HTTP/1.1\r\nHost: h")

    def get(target: str) -> tuple[int, str]:
        made = server.answer(head, b"GET", target.encode(), b"").answer
        token = made.gave_token.decode()
        name = {"/items_token": "pageToken", "/items_relative": "locator", "/items_header": "token"}.get(path, "cursor")
        return made.status, f"{path}?{name}={token}"

    status, second = get(path)
    assert status == 200
    clock.advance(60)
    assert get(second)[0] == 200
    clock.advance(1)
    assert get(second)[0] == 410
    assert server.counters.expired == 1
    assert get(path) == (200, second)
    assert get(second)[0] == 200
    server.use(SandboxSettings(records=30, page_size=10))
    clock.advance(3_600)
    assert get(second)[0] == 200


def test_a_query_over_the_cap_is_an_error_of_the_apis_own() -> None:
    """``cap_rows``, in every kind of paging; within it all is well."""
    settings = SandboxSettings(records=500, cap_rows=100)
    for path in ("/items", "/items_offset", "/items_link", "/items_page", "/items_relative", "/odata/items", "/events"):
        status, body = ask(path, settings)
        assert (status, body["error"]["code"]) == (400, "RESULT_WINDOW_TOO_LARGE")
    assert ask("/items?from_id=101&to_id=201", settings)[0] == 200
    assert ask("/items?from_id=101&to_id=202", settings)[0] == 400


def test_a_silent_cap_gives_the_first_rows_and_the_true_total() -> None:
    """``is_cap_silent``: the walk ends at the cap as if that were all, and only the total tells."""
    settings = SandboxSettings(records=500, page_size=60, cap_rows=100, is_cap_silent=True)
    first = ask("/items?from_id=11", settings)[1]
    second = ask(f"/items?from_id=11&cursor={first['next']}", settings)[1]
    ids = [record["id"] for page in (first, second) for record in page["items"]]
    assert (ids, second["next"], second["total"]) == ([*range(11, 111)], None, 490)
    assert ask("/items_offset?offset=100", settings)[1]["items"] == []
    assert ask("/items_page?page=3", settings)[0] == 400


def test_a_limit_that_asks_too_much_is_a_413() -> None:
    """``max_limit_413``; below it a limit over ``page_size`` is lowered without a word."""
    settings = SandboxSettings(records=500, page_size=50, max_limit_413=200)
    assert len(ask("/items?limit=200", settings)[1]["items"]) == 50
    assert ask("/items?limit=201", settings)[0] == 413
    assert ask("/items_page?per_page=201", settings)[0] == 413


async def test_another_query_has_errors_under_status_200() -> None:
    """As GraphQL servers answer; what is no request of GraphQL is a 400."""
    async with Sandbox(SETTINGS) as api:
        reply = await wire.posted(api.url, "/graphql", b'{"query":"{ orders { id } }"}')
        assert (reply.status, json.loads(reply.body)["errors"][0]["extensions"]["code"]) == (
            200,
            "GRAPHQL_VALIDATION_FAILED",
        )
        assert (await wire.posted(api.url, "/graphql", b'{"query":"{ items }","variables":{"limit":1}}')).status == 400
        found = json.loads((await wire.posted(api.url, "/graphql", b'{"query":"{ items }"}')).body)["data"]["items"]
        assert (len(found["nodes"]), found["totalCount"], found["pageInfo"]["hasNextPage"]) == (100, 1_234, True)
