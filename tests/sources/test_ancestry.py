"""Streams below streams below streams, and records that give the address of one more record each."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest
from aiohttp import web

from haulier.api.errors import ApiError, PagingError
from haulier.api.paging.paginator import Single
from haulier.api.paging.positions import Offset, PageNumber
from haulier.api.records.page import Page
from haulier.api.settings import Api
from haulier.errors import ItemError, UsageError
from haulier.items.codec import decode_payload
from haulier.items.keys import item_key
from haulier.items.ranges import IdRange
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context
from haulier.sources.finished import Finished
from haulier.sources.recipe import IdsRecipe, OnceRecipe, ParentRecipe, StreamRecipe
from haulier.sources.rest import RestSource
from tests.harness.aiohttp_server import app_of, serving_app
from tests.items.payloads import written
from tests.sources.situation import situation

SIGNED = "sig=a%2Fb%2bc+d&X-Expires=1&&flag"
"""As a signature is made over it: no byte of it may change."""

ORGS = StreamRecipe(name="orgs", path="/orgs", records="rows", pages=Single(), full=OnceRecipe())
REPOS = StreamRecipe(
    name="repos",
    path="/orgs/{parent.login}/repos",
    records="rows",
    pages=Offset(limit=2),
    parent=ParentRecipe("orgs", batch=2),
)
ISSUES = StreamRecipe(
    name="issues",
    path="/repos/{parents.orgs.login}/{parent.name}/issues",
    records="rows",
    pages=Single(),
    parent=ParentRecipe("repos", batch=2, skips_absent=True),
)
COMMENTS = StreamRecipe(
    name="comments",
    method="POST",
    path="/comments",
    query=(("org", "{parents.orgs.login}"),),
    headers=(("X-Repo", "{parents.repos.name}"),),
    json={"org_id": "{parents.orgs.id}", "issue": "{parent.number}", "text": "{parents.repos.name}#{parent.number}"},
    records="rows",
    pages=Single(),
    add=(("org_id", "{parents.orgs.id}"), ("issue", "{parent.number}")),
    parent=ParentRecipe("issues", batch=3),
)
DETAILS = StreamRecipe(
    name="details", path="{parent.url}", records="rows", pages=Single(), parent=ParentRecipe("orgs", batch=9)
)
STREAMS = (ORGS, REPOS, ISSUES, COMMENTS, DETAILS)


@dataclass
class Tracker:
    """Three organizations; the n-th one has 2n repositories, each with two issues, each with a comment."""

    link: str = "{home}/v1/orgs/{n}?{signed}"
    url: str = ""
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.raw_path)
        path = request.path.removeprefix("/v1")
        if path == "/orgs":
            home = self.url.removesuffix("/v1")
            links = [self.link.format(home=home, n=n, signed=SIGNED) for n in range(3)]
            return _rows([{"id": 2**60 + n, "login": f"o/{n}", "url": links[n]} for n in range(3)])
        if match := re.fullmatch(r"/orgs/o/(\d)/repos", path):
            count, offset = 2 * int(match[1]), int(request.query["offset"])
            return _rows([{"name": f"r{n}"} for n in range(count)][offset : offset + 2])
        if match := re.fullmatch(r"/repos/o/(\d)/r(\d)/issues", path):
            if match.groups() == ("2", "3"):
                return web.json_response({}, status=404)
            return _rows([{"number": n} for n in (1, 2)])
        if path == "/comments":
            body = await request.json()
            return _rows([{"query": dict(request.query), "repo": request.headers["X-Repo"], "body": body}])
        if match := re.fullmatch(r"/orgs/(\d)(/more)?", path):
            return _rows([{"detail": int(match[1])}])
        return web.json_response({}, status=404)


def _rows(rows: Sequence[Mapping[str, object]]) -> web.Response:
    return web.json_response({"rows": [*rows]})


@contextlib.asynccontextmanager
async def serving(tracker: Tracker) -> AsyncIterator[Tracker]:
    async with serving_app(app_of(tracker.answer)) as url:
        tracker.url = f"{url}/v1"
        yield tracker


@dataclass
class Hauled:
    items: list[WorkItem] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)


async def hauled(source: RestSource, stream: str, context: Context) -> Hauled:
    """All records of a stream, through every item into which a run of it is divided, each divided down to its end."""
    found = Hauled()
    waiting = [item async for item in source.enumerate("full", (stream,), context)]
    while waiting:
        item = waiting.pop(0)
        found.items.append(item)
        async for piece in source.processors[type(item)](item, context):
            if isinstance(piece, Page):
                found.records += map(bytes, piece.records)
            else:
                assert isinstance(piece, WorkItem)
                assert decode_payload(type(piece), written(piece)) == piece
                waiting.append(piece)
    return found


async def test_fields_of_all_streams_above_are_there() -> None:
    """A stream four levels down is asked with fields of each level, in path, query, header and body; numbers stay
    numbers, with all their digits."""
    async with serving(Tracker()) as tracker, situation(Api(tracker.url)) as context:
        found = await hauled(RestSource("tracker", STREAMS), "comments", context)
    wanted = [
        (org, repo, issue)
        for org in range(3)
        for repo in range(2 * org)
        for issue in (1, 2)
        if (org, repo) != (2, 3)  # Its issues are a 404, which the source declares to be none.
    ]
    records = [msgspec.json.decode(record) for record in found.records]
    assert sorted((r["body"]["org_id"] - 2**60, int(r["repo"][1:]), r["body"]["issue"]) for r in records) == wanted
    for record in records:
        org, number = record["org_id"] - 2**60, record["issue"]
        assert record["query"] == {"org": f"o/{org}"}
        assert record["body"] == {"org_id": record["org_id"], "issue": number, "text": f"{record['repo']}#{number}"}
    assert found.records[0].startswith(b'{"org_id":1152921504606846977,"issue":1,')
    kinds = [item.kind for item in found.items]
    assert list(dict.fromkeys(kinds)) == ["comments_parents", "comments_batch_3", "comments_batch_2", "comments_batch"]
    assert len({item_key(item) for item in found.items}) == len(found.items)
    assert {item.stream for item in found.items} == {"comments"}


async def test_batches_of_every_level_are_halved() -> None:
    """What cannot be hauled is divided down to one record of its level (G4)."""
    source = RestSource("tracker", STREAMS)
    async with serving(Tracker()) as tracker, situation(Api(tracker.url)) as context:
        found = await hauled(source, "comments", context)
    for item in found.items[1:]:
        halves = source.halves(item)
        rows = item.parents  # type: ignore[attr-defined]
        assert [row for half in halves for row in half.parents] == (  # type: ignore[attr-defined]
            [*rows] if len(rows) > 1 else []
        )


def test_a_stream_takes_part_where_the_top_of_its_parents_does() -> None:
    source = RestSource("tracker", STREAMS)
    assert source.owner_of("comments") == "orgs"
    assert source.streams_of("full") == tuple(sorted(recipe.name for recipe in STREAMS))
    before = source.fingerprint("full", ("comments",))
    changed = replace(ORGS, query=(("state", "open"),))
    assert RestSource("tracker", [changed, *STREAMS[1:]]).fingerprint("full", ("comments",)) != before


async def test_what_is_new_at_the_top_is_read_at_every_level() -> None:
    """Incremental runs read what is below the new records of the stream at the top, and nothing else."""
    new = replace(ORGS, incremental=IdsRecipe(last=3, step=9, query=(("from", "{start}"), ("to", "{end}"))))
    source = RestSource("tracker", [new, *STREAMS[1:]])
    assert source.streams_of("incremental") == tuple(sorted(recipe.name for recipe in STREAMS))
    assert source.span_type("comments") is IdRange
    async with serving(Tracker()) as tracker, situation(Api(tracker.url)) as context:
        known = replace(context, finished=Finished({"comments": {"": (IdRange(1, 3),)}}))
        (item,) = [item async for item in source.enumerate("incremental", ("comments",), known)]
        batch, *_ = [piece async for piece in source.processors[type(item)](item, context)]
        assert tracker.asked == ["/v1/orgs?from=3&to=4"]
    assert isinstance(batch, WorkItem)
    assert (item.kind, batch.kind) == ("comments_new_parents", "comments_batch_3")


def test_what_python_code_gets_wrong_is_said() -> None:
    """Recipes that are built by hand are checked too."""
    circle = [replace(REPOS, parent=ParentRecipe("issues")), ISSUES]
    with pytest.raises(UsageError, match=r"Stream 'repos' is above itself: repos of issues of repos\. Name another"):
        RestSource("tracker", circle)
    with pytest.raises(UsageError, match="Stream 'repos' has the parent 'orgs', which is not there"):
        RestSource("tracker", [REPOS])
    lost = replace(REPOS, path="/{parents.teams.id}/{parent.login}")
    with pytest.raises(UsageError, match=r"streams.repos: \{parents.teams.id\}: no stream 'teams' is above it."):
        RestSource("tracker", [ORGS, lost])


async def test_a_field_that_is_missing_far_above_is_named() -> None:
    comments = replace(COMMENTS, query=(("org", "{parents.orgs.logn}"),))
    async with serving(Tracker()) as tracker, situation(Api(tracker.url)) as context:
        with pytest.raises(ItemError) as caught:
            await hauled(RestSource("tracker", [*STREAMS[:3], comments]), "comments", context)
    assert str(caught.value) == (
        "Record 1 of a page of 'orgs' cannot be a parent of 'comments': there is nothing at 'logn': the record is an "
        "object with the keys id, login, url. Correct {parents.orgs.logn} in streams.comments."
    )


@pytest.mark.parametrize(
    ("link", "sent"),
    [
        ("{home}/v1/orgs/{n}?{signed}", f"/v1/orgs/2?{SIGNED}"),
        ("/v1/orgs/{n}?{signed}", f"/v1/orgs/2?{SIGNED}"),
        ("orgs/{n}?{signed}", f"/v1/orgs/2?{SIGNED}"),
    ],
    ids=["whole", "to the origin", "to the API"],
)
async def test_a_link_of_a_record_is_followed_byte_for_byte(link: str, sent: str) -> None:
    """Also where its query is signed. The item's key shows nothing of it (G7)."""
    async with serving(Tracker(link)) as tracker, situation(Api(tracker.url)) as context:
        found = await hauled(RestSource("tracker", STREAMS), "details", context)
    assert [msgspec.json.decode(record)["detail"] for record in found.records] == [0, 1, 2]
    assert tracker.asked[-1] == sent
    assert all(re.fullmatch(r"details_batch-[a-z2-7]{20}", item_key(item)) for item in found.items[1:])


async def test_more_of_a_path_may_stand_behind_a_link() -> None:
    details = replace(DETAILS, path="{parent.url}/more", query=(("full", "1"),))
    async with serving(Tracker("{home}/v1/orgs/{n}/")) as tracker, situation(Api(tracker.url)) as context:
        found = await hauled(RestSource("tracker", [ORGS, details]), "details", context)
    assert len(found.records) == 3
    assert tracker.asked[-1] == "/v1/orgs/2/more?full=1"


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("http://inner:8080/v1/orgs/{n}", {"link_origin": "own"}),
        ("/orgs/{n}", {"link_base": "api"}),
        ("orgs/{n}", {"link_base": "api"}),
        ("https://inner/orgs/{n}", {"link_origin": "own", "link_base": "api"}),
    ],
)
async def test_a_link_with_an_inner_address_is_asked_for_at_our_own(link: str, words: dict[str, Any]) -> None:
    """Where the source declares it. It shapes the records, and so the fingerprint."""
    source = RestSource("tracker", [ORGS, replace(DETAILS, **words)])
    async with serving(Tracker(link)) as tracker, situation(Api(tracker.url)) as context:
        found = await hauled(source, "details", context)
    assert [msgspec.json.decode(record)["detail"] for record in found.records] == [0, 1, 2]
    assert tracker.asked[-1] == "/v1/orgs/2"
    plain = RestSource("tracker", [ORGS, DETAILS]).fingerprint("full", ("details",))
    assert source.fingerprint("full", ("details",)) != plain


@pytest.mark.parametrize(
    ("link", "path", "refusal"),
    [
        ("http://elsewhere.example/{n}?{signed}", "{parent.url}", "it leads to http://elsewhere.example, and this API"),
        ("//elsewhere.example/{n}", "{parent.url}", "it leads to http://elsewhere.example, and this API is"),
        ("", "{parent.url}", "The link at {parent.url} is empty: it would lead to the API's own url."),
        (
            "orgs/{n}?{signed}",
            "{parent.url}/more",
            "The link at {parent.url} has a query, so nothing can be put behind",
        ),
    ],
)
async def test_a_link_that_must_not_be_followed_fails_its_item(link: str, path: str, refusal: str) -> None:
    """Nothing is sent, and the message holds no signature (G5, G7)."""
    details = replace(DETAILS, path=path)
    async with serving(Tracker(link)) as tracker, situation(Api(tracker.url)) as context:
        with pytest.raises(ItemError) as caught:
            await hauled(RestSource("tracker", [ORGS, details]), "details", context)
        assert tracker.asked == ["/v1/orgs"]
    assert refusal in str(caught.value)
    assert "sig=" not in str(caught.value)


@pytest.mark.parametrize(
    ("link", "pages", "query"),
    [
        ("orgs/{n}?page=1", PageNumber("page", size=1), ()),
        ("orgs/{n}?full=1", Single(), (("full", "2"),)),
    ],
)
async def test_no_parameter_stands_twice_in_a_request(
    link: str, pages: Single | PageNumber, query: tuple[tuple[str, str], ...]
) -> None:
    """Servers do not agree which of two is meant: a page of its own might be read again and again."""
    details = replace(DETAILS, pages=pages, query=query)
    async with serving(Tracker(link)) as tracker, situation(Api(tracker.url)) as context:
        with pytest.raises(PagingError, match=r"the link of a record has the parameter '(page|full)' itself"):
            await hauled(RestSource("tracker", [ORGS, details]), "details", context)
        assert tracker.asked == ["/v1/orgs"]


async def test_a_full_page_behind_a_link_is_no_end() -> None:
    """The size that the link asks for counts as one that the source asks for."""
    async with serving(Tracker("orgs/{n}?limit=1")) as tracker, situation(Api(tracker.url)) as context:
        with pytest.raises(ApiError, match="the page is full, with the 1 records that were asked for"):
            await hauled(RestSource("tracker", STREAMS), "details", context)
