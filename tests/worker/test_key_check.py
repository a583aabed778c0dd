"""`key`: a count that fits is no proof of the right rows. Keys are distinct, or the item begins again and fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haulier.api.errors import PagingError
from haulier.api.paging.paginator import Single
from haulier.api.records.record_keys import KeyReader, NoKeyError
from haulier.api.settings import Api
from haulier.app.app import App
from haulier.cli.main import main
from haulier.config.source_file import load_source
from haulier.errors import UsageError
from haulier.items.workitem import WorkItem
from haulier.runs import distinct_keys
from haulier.runs.distinct_keys import DistinctKeys, Doubled
from haulier.runs.verify import verify_run
from haulier.sources.context import Context
from haulier.testing.sandbox import Sandbox, SandboxSettings
from haulier.worker.key_check import KeyCheck
from tests.api.paging.rig import Asked, Reply, serving
from tests.divide.rig import Shop, opened
from tests.docs import fake_server as serving_in_threads

TOML = """
source = "shop"

[api]
url = "{url}"

[streams.items]
get = "/items"
records = "items"
pages = {{ offset = "offset", limit = 10 }}
total = {{ at = "total", is = "exact" }}
key = {key}

{division}
"""
ONCE = "[streams.items.full.once]"
HALVES = """
[streams.items.full.values]
list = ["a", "b"]
query = { half = "{value}" }
"""
ITEMS = [{"id": number, "time": number // 25} for number in range(60)]


def shop(folder: Path, url: str, key: str = '"id"', division: str = ONCE) -> App:
    path = folder / "shop.toml"
    path.write_text(TOML.format(url=url, key=key, division=division))
    return App.from_settings(load_source(path, {}))


def by_time(asked: Asked) -> Reply:
    """Sorted by a time that is not unique: which of its equals stand on a page is another matter with each request."""
    offset = asked.number("offset")
    items = sorted(ITEMS, key=lambda item: (item["time"], item["id"] * (offset + 3) % 25))
    return Reply({"items": items[offset : offset + 10], "total": len(items)})


def by_id(asked: Asked) -> Reply:
    offset = asked.number("offset")
    return Reply({"items": ITEMS[offset : offset + 10], "total": len(ITEMS)})


async def stopped(shop: Shop) -> str:
    """The one item there is fails each time, so that the source is to blame: no record of it is kept."""
    code, reason = await shop.work()
    assert (code, shop.records, shop.poison, shop.divided) == (2, [], {}, {})
    return reason


async def test_rows_that_come_twice_though_the_total_fits_are_an_error(tmp_path: Path) -> None:
    """As many as were promised, and not those: the item begins again, and then fails, with the places of two."""
    async with serving(by_time) as api, opened(shop(tmp_path, api.url), tmp_path) as run:
        said = await stopped(run)
    assert "of the item's 60 records have a key ('id') that an earlier one has too" in said
    assert "Sort the list by a key that is unique" in said
    assert len(api.requests) >= 2 * 6, "the item begins once again"


async def test_distinct_keys_pass(tmp_path: Path) -> None:
    async with serving(by_id) as api, opened(shop(tmp_path, api.url), tmp_path) as run:
        await run.work()
        assert (run.ids, (await run.verdict()).verdict) == ([*range(60)], "complete")


async def test_a_key_may_have_several_parts(tmp_path: Path) -> None:
    async with serving(by_time) as api, opened(shop(tmp_path, api.url, key='["id", "time"]'), tmp_path) as run:
        assert "'id' and 'time'" in await stopped(run)


async def test_a_record_without_the_key_is_an_error_in_words(tmp_path: Path) -> None:
    """A misspelt path would else compare nothing, and say that all is well."""
    async with serving(by_id) as api, opened(shop(tmp_path, api.url, key='"item.id"'), tmp_path) as run:
        said = await stopped(run)
    assert (
        "Record 1 of the item has no key: there is nothing at 'item.id': the record is an object with the keys" in said
    )


def in_two(asked: Asked) -> Reply:
    """Two windows, of which the second begins with the last record of the first."""
    first = {"a": 0, "b": 9}[asked.query["half"]]
    return Reply({"items": ITEMS[first : first + 10], "total": 10})


async def test_verify_compares_the_records_of_the_whole_run(tmp_path: Path) -> None:
    """Each item is sound, and two of them overlap: the closing reads no records and cannot know it, verify does."""
    async with serving(in_two) as api:
        app = shop(tmp_path, api.url, division=HALVES)
        async with opened(app, tmp_path) as run:
            await run.work()
            verdict = await run.verdict()
            assert verdict.verdict == "complete"
            seen = await verify_run(run.site.lake, run.run, verdict, app.keys)
            assert (seen.is_sound, seen.doubled, seen.damaged, seen.records) == (False, {"items": 1}, 0, 20)
            (said,) = seen.findings
            assert "such as line 10 of" in said
            assert "items_values-a" in said
            assert "line 1 of" in said
            # Without the key there is nothing to compare.
            assert (await verify_run(run.site.lake, run.run, verdict)).is_sound
            seen = await verify_run(run.site.lake, run.run, verdict, {"items": ("no",)})
            assert (seen.is_sound, seen.lacking) == (False, 20)


def test_verify_ends_with_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The run is complete and stays so; its records are not."""

    def answer(asked: serving_in_threads.Asked) -> serving_in_threads.Reply:
        first = {"a": 0, "b": 9}[asked.query["half"]]
        return serving_in_threads.Reply({"items": ITEMS[first : first + 10], "total": 10})

    with serving_in_threads.serving(answer) as url:
        shop(tmp_path, url, division=HALVES)
        source = str(tmp_path / "shop.toml")
        assert main(["run", source]) == 0
    capsys.readouterr()
    assert main(["verify", source, "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["verified"]["doubled"] == {"items": 1}
    assert "1 record of items has the key of an earlier record." in said.err
    assert "line 10 of shop/items/" in said.err
    (tmp_path / "shop.toml").write_text((tmp_path / "shop.toml").read_text().replace('"id"', '["time", "id", "half"]'))
    assert main(["verify", source]) == 1
    assert "20 records have no key, though the source declares one." in capsys.readouterr().err
    (tmp_path / "shop.toml").write_text((tmp_path / "shop.toml").read_text().replace("key =", "# key ="))
    assert main(["verify", source]) == 0


async def test_the_sandbox_sorts_by_what_is_not_unique(tmp_path: Path) -> None:
    """``is_sort_unstable``: the total fits, and rows come twice."""
    settings = SandboxSettings(records=60, page_size=10, events_per_step=25, is_sort_unstable=True)
    async with Sandbox(settings) as api:
        file = tmp_path / "shop.toml"
        file.write_text(TOML.replace("/items", "/events").format(url=api.url, key='"id"', division=ONCE))
        async with opened(App.from_settings(load_source(file, {})), tmp_path) as run:
            assert "of the item's 60 records have a key ('id')" in await stopped(run)


KEYS: list[tuple[tuple[str, ...], str, str, bool]] = [
    (("id",), '{"id":1}', '{"x":0,"id": 1 }', True),
    (("id",), '{"id":1}', '{"id":"1"}', False),
    (("id",), '{"id":"a"}', r'{"id":"\u0061"}', True),
    (("id",), '{"id":"ä"}', r'{"id":"\u00e4"}', True),
    (("id",), r'{"id":"\ud800"}', r'{"id":"\uD800"}', True),
    (("id",), r'{"id":"a\/b"}', '{"id":"a/b"}', True),
    (("id",), r'{"id":"a\"b"}', r'{"id":"a\u0022b"}', True),
    (("id",), '{"id":1}', '{"id":1.0}', False),
    (("id",), '{"id":123456789012345678901}', '{"id":123456789012345678902}', False),
    (("id",), '{"id":true}', '{"id":"true"}', False),
    (("a.b",), '{"a":{"b":1}}', '{"a.b":1}', True),
    (("a", "b"), '{"a":1,"b":2}', '{"b":2,"a":1}', True),
    (("a", "b"), '{"a":"1","b":"2"}', '{"a":"1,","b":"2"}', False),
    (("a", "b"), '{"a":"1\\",\\"","b":"2"}', '{"a":"1","b":"\\",\\"2"}', False),
    ((".",), "17", " 17", True),
    ((".",), '"a"', '"b"', False),
    (("a.0",), '{"a":[1]}', '{"a":[1,2]}', True),
    (("id",), json.dumps({"id": "x" * 100}), json.dumps({"id": "x" * 99 + "y"}), False),
    (("id",), json.dumps({"id": "x" * 100}), json.dumps({"z": 1, "id": "x" * 100}), True),
]


@pytest.mark.parametrize(("paths", "one", "other", "are_equal"), KEYS)
def test_keys_are_equal_as_json_values_are(paths: tuple[str, ...], one: str, other: str, are_equal: bool) -> None:
    """Text as it reads, numbers by their digits, and never text and number."""
    reader = KeyReader(paths)
    found = [
        reader.read(msgspec.Raw(text.encode()) if text[0] != " " else text.strip().encode()) for text in (one, other)
    ]
    assert (found[0] == found[1]) is are_equal
    assert all(len(key) <= 16 for key in found)


@pytest.mark.parametrize("record", ['{"no":1}', '{"id":null}', '{"id":{}}', '{"id":[1]}', "[]", "7", "{"])
def test_what_has_no_key_is_said(record: str) -> None:
    with pytest.raises(NoKeyError):
        KeyReader(("id",)).read(record.encode())


async def test_many_keys_go_to_disk_and_none_is_lost_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """G9: no more than a named number waits in memory, however many there are."""
    monkeypatch.setattr(distinct_keys, "MAX_KEYS_IN_MEMORY", 100)
    keys = DistinctKeys()
    try:
        for start in range(0, 5_000, 50):
            await keys.add((b"%d" % number, number) for number in range(start, start + 50))
        assert await keys.doubled() is None
        await keys.add([(b"17", 5_000), (b"3101", 5_001), (b"17", 5_002)])
        assert await keys.doubled() == Doubled(3, 17, 5_002)
    finally:
        keys.close()


async def test_the_numbers_are_those_in_which_the_records_came() -> None:
    check = KeyCheck(("id",))
    await check.add([b'{"id":%d}' % number for number in (5, 6, 7)])
    await check.add([b'{"id":%d}' % number for number in (8, 6, 9)])
    with pytest.raises(PagingError, match=r"1 of the item's 6 records .* records 2 and 5"):
        await check.finish()
    check.close()


# -- Python sources ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Half(WorkItem, stream="items", kind="halves"):
    half: str


@dataclass(frozen=True)
class Whole(WorkItem, stream="items", kind="wholes"):
    pass


async def processor(item: Half, ctx: Context) -> AsyncIterator[Any]:
    async for page in ctx.api.pages("/items", {"half": item.half}, pages=Single(), records="items"):
        yield page
        yield page


def python_app(url: str) -> App:
    app = App("shop", api=Api(url))

    @app.enumerate()
    async def halves(ctx: Context) -> AsyncIterator[WorkItem]:
        yield Half("a")

    app.processor(Half, key="id")(processor)
    return app


async def test_a_python_source_declares_it_with_its_processor(tmp_path: Path) -> None:
    """Whatever the processor yields is compared, from however many lists."""
    async with serving(in_two) as api, opened(python_app(api.url), tmp_path) as run:
        assert "10 of the item's 20 records" in await stopped(run)


def test_a_stream_has_one_key() -> None:
    app = App("shop", api=Api("http://127.0.0.1"))
    app.processor(Half, key="id")(processor)
    with pytest.raises(UsageError, match="Stream 'items' has two keys"):
        app.processor(Whole, key=("id", "half"))(processor)
    with pytest.raises(UsageError, match="is no path into JSON"):
        app.processor(Whole, key="a..b")


async def test_a_large_page_is_compared_in_parts() -> None:
    """Others are heard between them; the places in the message go on over all parts."""
    records = [b'{"id":%d}' % number for number in range(25_000)]
    others = asyncio.create_task(asyncio.sleep(0))
    check = KeyCheck(("id",))
    try:
        await check.add([*records, b'{"id":7}'])
        assert others.done()
        with pytest.raises(PagingError, match=r"1 of the item's 25,001 records .* such as records 8 and 25,001 in"):
            await check.finish()
    finally:
        check.close()
