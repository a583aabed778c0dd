"""`add`: fields in front of a record's own bytes, where the API does not say whose the record is."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haulier.api.errors import ApiError, Shape
from haulier.api.paging.paginator import Single
from haulier.api.records.page import Page
from haulier.api.settings import Api
from haulier.app.app import App
from haulier.config.source_file import load_source
from haulier.errors import ItemError, SourceFileError
from haulier.items.workitem import WorkItem
from haulier.runs.manifest import read_manifest
from haulier.runs.records import ManifestEntry
from haulier.sources.context import Context
from haulier.testing.sandbox import Sandbox, SandboxSettings
from haulier.testing.sandbox.family import comment_count
from tests.api.paging.rig import Asked, Reply, serving
from tests.divide.rig import Shop, opened

HEAD = """
source = "shop"

[api]
url = "{url}"
"""
FAMILY = (
    HEAD
    + """
[streams.posts]
get = "/posts"
records = "posts"
pages = {{ cursor = "next", query = "cursor" }}

[streams.posts.full.once]

[streams.items]
get = "/posts/{{parent.id}}/comments"
records = "comments"
pages = {{ cursor = "next", query = "cursor" }}
parent = "posts"
{add}
"""
)


def app_of(folder: Path, text: str) -> App:
    path = folder / "shop.toml"
    path.write_text(text)
    return App.from_settings(load_source(path, {}))


def lines(shop: Shop) -> list[bytes]:
    folder = Path(shop.site.lake.locate(shop.run.paths.bronze("items")))
    return [line for path in sorted(folder.glob("*.gz")) for line in gzip.decompress(path.read_bytes()).splitlines()]


async def manifest_of(shop: Shop) -> list[ManifestEntry]:
    verdict = await shop.verdict()
    return [
        entry async for entries in read_manifest(shop.site.lake, shop.run.paths, verdict.number) for entry in entries
    ]


async def test_children_say_whose_they_are(tmp_path: Path) -> None:
    """G6: the parent's id in front, the record's own bytes behind it; the manifest says what was added."""
    add = (
        'add = { post_id = "{parent.id}", at = "{snapshot_time}", by = "post {parent.title}" }\nkey = ["post_id", "id"]'
    )
    settings = SandboxSettings(posts=12, comments_per_post=4, is_post_left_out=True)
    async with Sandbox(settings) as api:
        app = app_of(tmp_path, FAMILY.format(url=api.url, add=add))
        async with opened(app, tmp_path) as shop:
            assert (await shop.work())[0] == 0
            at = f"{shop.run.file.snapshot_time:%Y-%m-%dT%H:%M:%SZ}"
            assert sorted(lines(shop)) == sorted(
                b'{"post_id":%d,"at":"%s","by":"post post %d","id":%d,"text":"comment %d"}'
                % (post, at.encode(), post, number, number)
                for post in range(1, 13)
                for number in range(1, comment_count(settings, post) + 1)
            )
            entries = [entry for entry in await manifest_of(shop) if entry.state == "done"]
    added = {entry.stream: entry.added for entry in entries}
    assert added == {"posts": (), "items": ("post_id", "at", "by")}
    assert not any(entry.encoded for entry in entries)


ANSWERS: list[tuple[bytes, bytes]] = [
    (b"17", b"17"),
    (b"-0", b"-0"),
    (b"1.50", b"1.50"),
    (b"12345678901234567890123", b"12345678901234567890123"),
    (b'"a\\"b"', b'"a\\"b"'),
    (b'"17"', b'"17"'),
]


@pytest.mark.parametrize(("parent", "found"), ANSWERS)
async def test_a_field_of_the_parent_is_added_as_it_came(tmp_path: Path, parent: bytes, found: bytes) -> None:
    """Numbers keep their digits and text its escapes: nothing is decoded on the way."""

    def answer(asked: Asked) -> Reply:
        if asked.path == "/posts":
            return Reply(b'{"posts":[{"id":1,"owner":{"code":%s}}],"next":null}' % parent)
        return Reply(b'{"comments":[{ "n" : 1.0}, {}],"next":null}')

    add = 'add = { owner = "{parent.owner.code}" }'
    text = FAMILY.replace("{add}", add.replace("{", "{{").replace("}", "}}"))
    async with serving(answer) as api, opened(app_of(tmp_path, text.format(url=api.url)), tmp_path) as shop:
        assert (await shop.work())[0] == 0
        assert lines(shop) == [b'{"owner":%s, "n" : 1.0}' % found, b'{"owner":%s}' % found]


DIVIDED: list[tuple[str, str, bytes]] = [
    ('ids]\nlast = 3\nstep = 3\nquery = { a = "{start}", b = "{end}" }', "{start}", b"1"),
    ('values]\nlist = ["eu\\"x"]\nquery = { a = "{value}" }', "{value}", b'"eu\\"x"'),
    ('values]\nlist = [7]\nquery = { a = "{value}" }', "{value}", b"7"),
    ('values]\nlist = [7]\nquery = { a = "{value}" }', "no {value}", b'"no 7"'),
    ("once]", "here", b'"here"'),
]


@pytest.mark.parametrize(("division", "text", "found"), DIVIDED)
async def test_the_words_of_every_division_may_be_added(tmp_path: Path, division: str, text: str, found: bytes) -> None:
    stream = f"""
[streams.items]
get = "/items"
records = "items"
pages = "single"
add = {{ of = "{text}" }}

[streams.items.full.{division}
"""
    async with serving(lambda asked: Reply({"items": [{"id": 1}]})) as api:
        app = app_of(tmp_path, HEAD.format(url=api.url) + stream)
        async with opened(app, tmp_path) as shop:
            assert (await shop.work())[0] == 0
            assert lines(shop) == [b'{"of":%s,"id": 1}' % found]


async def test_a_record_with_the_field_is_an_error(tmp_path: Path) -> None:
    """Of two equal names readers take one, and not all of them the same one."""

    def answer(asked: Asked) -> Reply:
        if asked.path == "/posts":
            return Reply({"posts": [{"id": 1}], "next": None})
        return Reply({"comments": [{"n": 1}, {"n": 2, "post_id": 4}], "next": None})

    add = 'add = { post_id = "{parent.id}" }'
    text = FAMILY.replace("{add}", add.replace("{", "{{").replace("}", "}}"))
    async with serving(answer) as api, opened(app_of(tmp_path, text.format(url=api.url)), tmp_path) as shop:
        code, reason = await shop.work()
        assert (code, lines(shop)) == (2, [])
    assert "Record 2 of a page cannot be given the field 'post_id': it has a field 'post_id' itself" in reason


REFUSED = [
    b'{"a":1}',
    b'{"x":{"a":2},"a":1}',
    rb'{"\u0061":1}',
    rb'{"t":"\ud800","a":1}',
    b"[1]",
    b"7",
    b'"text"',
    b"null",
    b"",
]


@pytest.mark.parametrize("record", REFUSED)
def test_what_cannot_take_a_field_is_refused(record: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        Page([b"{}", record]).with_fields({"a": 1})
    assert refused.value.shape is Shape.RECORD
    assert "Record 2 of a page cannot be given the field 'a'" in str(refused.value)


TAKEN: list[tuple[bytes, bytes]] = [
    (b"{}", b'{"a":1}'),
    (b"{ \r\n}", b'{"a":1 \r\n}'),
    (b'{"b":1}', b'{"a":1,"b":1}'),
    (b' {\n"b":1}', b'{"a":1,\n"b":1}'),
    (b'{"x":{"a":2}}', b'{"a":1,"x":{"a":2}}'),
    (b'{"x":"a"}', b'{"a":1,"x":"a"}'),
    (b'{"aa":1}', b'{"a":1,"aa":1}'),
    (rb'{"x":"\u0061"}', rb'{"a":1,"x":"\u0061"}'),
    (rb'{"x":"\ud800"}', rb'{"a":1,"x":"\ud800"}'),
    (b'{"b":12345678901234567890.10}', b'{"a":1,"b":12345678901234567890.10}'),
]


@pytest.mark.parametrize(("record", "found"), TAKEN)
def test_the_records_own_bytes_follow_unchanged(record: bytes, found: bytes) -> None:
    """G6: and what comes of it is JSON."""
    page = Page([record]).with_fields({"a": 1})
    assert page == Page([found], added=("a",))
    assert json.loads(found)["a"] == 1


def test_names_that_json_escapes_are_told_apart_too() -> None:
    fields = {"ä/b": msgspec.Raw(b"1")}
    assert Page([b"{}"]).with_fields(fields).records == ['{"ä/b":1}'.encode()]
    for own in ('{"ä/b":2}', r'{"\u00e4/b":2}', r'{"ä\/b":2}'):
        with pytest.raises(ApiError):
            Page([own.encode()]).with_fields(fields)
    with pytest.raises(ItemError):
        Page([b"{}"]).with_fields({"a": object()})


def test_what_is_added_shapes_records(tmp_path: Path) -> None:
    """A run that was planned without it is not gone on with."""
    before = app_of(tmp_path, FAMILY.format(url="http://127.0.0.1", add=""))
    after = app_of(tmp_path, FAMILY.format(url="http://127.0.0.1", add='add = { of = "{parent.id}" }'))
    assert before.fingerprint("full", ("items",)) != after.fingerprint("full", ("items",))


def test_words_that_stand_for_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceFileError, match=r"streams.items.add.of: \{value\} is not available here"):
        app_of(tmp_path, FAMILY.format(url="http://127.0.0.1", add='add = { of = "{value}" }'))


# -- Python sources ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Books(WorkItem, stream="items", kind="books"):
    author: int


async def test_a_python_source_adds_them_to_its_pages(tmp_path: Path) -> None:
    async with serving(lambda asked: Reply({"items": [{"id": 1}]})) as api:
        app = App("shop", api=Api(api.url))

        @app.enumerate()
        async def authors(ctx: Context) -> AsyncIterator[WorkItem]:
            yield Books(17)

        @app.processor(Books, key=["author_id", "id"])
        async def books(item: Books, ctx: Context) -> AsyncIterator[Any]:
            async for page in ctx.api.pages("/items", pages=Single(), records="items"):
                yield page.with_fields({"author_id": item.author})

        async with opened(app, tmp_path) as shop:
            assert (await shop.work())[0] == 0
            assert lines(shop) == [b'{"author_id":17,"id": 1}']
            (entry,) = await manifest_of(shop)
            assert (entry.added, entry.encoded) == (("author_id",), False)
