"""Streams that are asked for by the records of another: batches, fields, and parents that are not there."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import msgspec
import pytest

from haulier.api.answers.judgement import Rule
from haulier.api.errors import Action, ApiError
from haulier.api.paging.paginator import Single
from haulier.api.paging.positions import Offset
from haulier.api.paging.totals import Total
from haulier.api.records.page import Page
from haulier.api.settings import Api
from haulier.errors import ItemError
from haulier.items.codec import decode_payload
from haulier.items.keys import item_key
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context
from haulier.sources.recipe import IdsRecipe, ParentRecipe, StreamRecipe
from haulier.sources.rest import RestSource
from tests.items.payloads import written
from tests.sources.blog import Blog, serving
from tests.sources.situation import situation

POSTS = StreamRecipe(
    name="posts",
    path="/posts",
    records="posts",
    pages=Single(),
    full=IdsRecipe(last=10, step=5, query=(("from", "{start}"), ("to", "{end}"))),
)
COMMENTS = StreamRecipe(
    name="comments",
    path="/posts/{parent.slug}/comments",
    query=(("by", "{parent.by.name}"),),
    records="comments",
    pages=Offset(),
    total=Total("total"),
    full=None,
    parent=ParentRecipe("posts", batch=3),
)


def blog_source(comments: StreamRecipe = COMMENTS, posts: StreamRecipe = POSTS) -> RestSource:
    return RestSource("blog", [posts, comments])


async def divided(source: RestSource, context: Context) -> list[WorkItem]:
    """The batches of a run of the comments."""
    batches = []
    async for item in source.enumerate("full", ("comments",), context):
        async for batch in source.processors[type(item)](item, context):
            assert isinstance(batch, WorkItem)
            batches.append(batch)
    return batches


async def hauled(source: RestSource, batch: WorkItem, context: Context) -> list[tuple[int, int]]:
    found = []
    async for page in source.processors[type(batch)](batch, context):
        assert isinstance(page, Page)
        for record in map(bytes, page.records):
            comment = msgspec.json.decode(record)
            found.append((comment["post"], comment["id"]))
    return found


async def test_the_children_of_every_parent_are_hauled_once() -> None:
    """Each parent is asked for its children once, also where the parent's list shows it twice."""
    source = blog_source()
    async with serving(Blog()) as blog, situation(Api(blog.url)) as context:
        batches = await divided(source, context)
        found = [pair for batch in batches for pair in await hauled(source, batch, context)]
    assert found == [(post, number) for post in range(1, 11) for number in range(post % 4)]
    assert [len(batch.parents) for batch in batches] == [3, 2, 3, 2]  # type: ignore[attr-defined]
    assert Counter(path.partition("?")[0] for path in blog.asked) == {
        # An offset walk ends at its exact total: two pages for three comments.
        f"/posts/p%2F{post}/comments": 2 if post % 4 == 3 else 1
        for post in range(1, 11)
    }
    assert all("by=a" in path for path in blog.asked)


async def test_batches_are_items_like_others() -> None:
    """A batch has a key of its own and comes back from a message as it went in (G8)."""
    source = blog_source()
    async with serving(Blog()) as blog, situation(Api(blog.url)) as context:
        batches = await divided(source, context)
    assert len({item_key(batch) for batch in batches}) == len(batches)
    for batch in batches:
        assert decode_payload(type(batch), written(batch)) == batch
    assert {item.kind for item in source.items} == {"posts_ids", "comments_parents", "comments_batch"}
    assert {item.stream for item in source.items if item.kind != "posts_ids"} == {"comments"}


async def test_a_batch_is_halved_down_to_one_parent() -> None:
    """A batch that cannot be hauled is divided, so that poison is one parent and not its neighbours (G4)."""
    source = blog_source()
    async with serving(Blog()) as blog, situation(Api(blog.url)) as context:
        batch = (await divided(source, context))[0]
    first, second = source.halves(batch)
    assert (*first.parents, *second.parents) == batch.parents  # type: ignore[attr-defined]
    assert source.halves(first) == ()


async def test_a_parent_that_is_not_there_is_a_failure() -> None:
    """Unless something else is declared, a 404 for one parent fails its batch: its children may only be misplaced."""
    source = blog_source()
    async with serving(Blog(absent=frozenset({2}))) as blog, situation(Api(blog.url)) as context:
        batches = await divided(source, context)
        with pytest.raises(ApiError) as caught:
            await hauled(source, batches[0], context)
    assert caught.value.action is Action.POISON
    assert caught.value.status == 404


async def test_a_parent_that_is_not_there_may_be_passed_over() -> None:
    """Where it is declared, a parent that answers 404 has no children, and its neighbours lose nothing."""
    source = blog_source(replace(COMMENTS, parent=ParentRecipe("posts", batch=3, skips_absent=True)))
    async with serving(Blog(absent=frozenset({2, 10}))) as blog, situation(Api(blog.url)) as context:
        found = [pair for batch in await divided(source, context) for pair in await hauled(source, batch, context)]
    assert found == [(post, number) for post in range(1, 11) for number in range(post % 4) if post not in {2, 10}]


async def test_a_parent_that_vanishes_in_mid_walk_is_a_failure() -> None:
    """A 404 after the first page is no end: some of the children would be lost in silence."""
    source = blog_source(replace(COMMENTS, parent=ParentRecipe("posts", batch=3, skips_absent=True)))
    async with serving(Blog(vanishing=frozenset({3}))) as blog, situation(Api(blog.url)) as context:
        batches = await divided(source, context)
        with pytest.raises(ApiError) as caught:
            await hauled(source, batches[0], context)
    assert caught.value.status == 404


async def test_a_parent_without_the_field_is_an_error() -> None:
    """A field that the parent's records do not have is told with its name, not sent as an empty text."""
    source = blog_source(replace(COMMENTS, path="/posts/{parent.sulg}/comments"))
    async with serving(Blog()) as blog, situation(Api(blog.url)) as context:
        with pytest.raises(ItemError) as caught:
            await divided(source, context)
    assert str(caught.value) == (
        "Record 1 of a page of 'posts' cannot be a parent of 'comments': there is nothing at 'sulg': the record is an "
        "object with the keys id, slug, by. Correct {parent.sulg} in streams.comments."
    )


async def test_a_field_keeps_its_type_in_a_body() -> None:
    """A number of the parent is sent as a number in a JSON body."""
    echo = replace(
        COMMENTS,
        path="/echo",
        method="POST",
        query=(),
        records=".",
        pages=Single(),
        total=None,
        json={"id": "{parent.id}"},
    )
    source = blog_source(echo)
    async with serving(Blog(posts=1)) as blog, situation(Api(blog.url)) as context:
        batch = (await divided(source, context))[0]
        pages = [page async for page in source.processors[type(batch)](batch, context)]
    assert isinstance(pages[0], Page)
    assert msgspec.json.decode(bytes(pages[0].records[0]))["body"] == {"id": 1}


async def test_a_stream_has_rules_of_its_own() -> None:
    """A rule of the stream decides about an answer before haulier's own table does."""
    rules = (Rule(Action.PAUSE, status=404, text="such post"),)
    source = blog_source(replace(COMMENTS, rules=(Rule(Action.RETRY_LATER, status=404, text="such post"),)))
    async with serving(Blog(absent=frozenset({1}))) as blog, situation(Api(blog.url)) as context:
        batches = await divided(source, context)
        with pytest.raises(ApiError) as caught:
            await hauled(source, batches[0], context)
    assert caught.value.action is Action.RETRY_LATER
    before = blog_source().fingerprint("full", ("comments",))
    assert blog_source(replace(COMMENTS, rules=rules)).fingerprint("full", ("comments",)) == before


def test_what_shapes_the_parent_shapes_the_children() -> None:
    """A change of the parent's query changes which children are asked for, so it changes their fingerprint."""
    before = blog_source().fingerprint("full", ("comments",))
    changed = blog_source(posts=replace(POSTS, query=(("state", "open"),)))
    assert changed.fingerprint("full", ("comments",)) != before
