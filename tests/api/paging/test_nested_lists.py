"""Lists inside records that an OData service has cut: their rows are missing, and a run does not pass over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from haulier.api.errors import PagingError
from haulier.api.paging.links import NextUrl, OData
from haulier.cli.main import main
from haulier.errors import UsageError
from haulier.testing.sandbox import Sandbox, SandboxSettings
from haulier.testing.sandbox.setting_groups import ODataVersion
from tests.api.paging.rig import Asked as RigAsked
from tests.api.paging.rig import Reply as RigReply
from tests.api.paging.rig import client_of, ids_of, session_with
from tests.api.paging.test_count_door import ids_in
from tests.docs.fake_server import Asked, Reply, serving

TOML = """
source = "tickets"

[api]
url = "{url}"

[streams.incidents]
get     = "/Customers"
query   = {{ "$expand" = "Orders" }}
records = "value"
pages   = {pages}

[streams.incidents.full.once]
"""


def customers(asked: Asked) -> Reply:
    """Two pages of two customers; of the orders of the last one, which are 7, three come with it."""
    start = asked.number("$skiptoken")
    found: list[dict[str, Any]] = [{"id": number, "Orders": [{"n": 1}]} for number in range(start, start + 2)]
    if start:
        found[-1] |= {
            "Orders": [{"n": n} for n in range(3)],
            "Orders@odata.nextLink": f"{asked.home}/Customers(3)/Orders",
        }
        return Reply({"value": found})
    return Reply({"value": found, "@odata.nextLink": f"{asked.home}/Customers?$expand=Orders&$skiptoken=2"})


def run(folder: Path, pages: str) -> int:
    with serving(customers) as url:
        (folder / "tickets.toml").write_text(TOML.format(url=url, pages=pages))
        return main(["run", str(folder / "tickets.toml")])


@pytest.mark.timeout(120)
def test_a_list_in_a_record_that_is_cut_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four orders would be missing without a word: the run stops and says of which list, and what to write."""
    assert run(tmp_path, '"odata"') == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "'Orders@odata.nextLink' is the next link of a list inside a record" in said
    assert 'and write nested = "cut" in `pages`' in said
    assert ids_in(tmp_path) == []


def test_what_came_may_be_enough(tmp_path: Path) -> None:
    """Declared: the records are kept as they came, their links too, so that a later reader sees where more is."""
    assert run(tmp_path, '{ odata = "v4", nested = "cut" }') == 0
    assert ids_in(tmp_path) == [0, 1, 2, 3]


async def read(body: str, records: str = "value", **options: Any) -> list[int]:
    async with session_with(lambda asked: RigReply(body.encode())) as (api, _):
        return await ids_of(api.pages("/items", pages=OData(**options), records=records))


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ('"Orders":[],"Orders@odata.nextLink":"/x"', "Orders@odata.nextLink"),
        ('"Orders@odata.nextLink" : "/x","Orders":[]', "Orders@odata.nextLink"),
        ('"Orders":[],"Orders@nextLink":"/x"', "Orders@nextLink"),
        ('"a":{"Lines":[],"Lines@odata.nextLink":"/x"}', "Lines@odata.nextLink"),
        ('"a":[{"b":{"Lines":[],"Lines@odata.nextLink":"/x"}}]', "Lines@odata.nextLink"),
        ('"Orders":{"value":[],"@odata.nextLink":"/x"}', "@odata.nextLink"),
        ('"Orders":{"value":[],"odata.nextLink":"/x"}', "odata.nextLink"),
        ('"lone":"\\ud800","Orders":[],"Orders@odata.nextLink":"/x"', "Orders@odata.nextLink"),
    ],
)
@pytest.mark.parametrize("has_more", [False, True])
async def test_every_way_to_write_a_link_in_a_record_is_seen(record: str, name: str, *, has_more: bool) -> None:
    """OData 2 to 4.01, at any depth, on the last page and on one with a link of its own."""
    link = ',"@odata.nextLink":"/items?page=2"' if has_more else ""
    with pytest.raises(PagingError, match=f"'{name}' is the next link of a list inside a record"):
        await read(f'{{"value":[{{"id":1,{record}}}]{link}}}')
    assert (await read(f'{{"value":[{{"id":1,{record}}}]}}', nested="cut")) == [1]


async def test_version_2_writes_its_links_in_a_way_of_its_own() -> None:
    """`results` and `__next`, in the page as in the list inside a record."""
    body = '{"d":{"results":[{"id":1,"Orders":{"results":[],"__next":"/x"}}]}}'
    with pytest.raises(PagingError, match="'__next' is the next link of a list inside a record"):
        await read(body, records="d.results")


@pytest.mark.parametrize(
    "record",
    [
        '"Orders":[],"Orders@odata.nextLink":null',
        '"Orders":[],"Orders@odata.nextLink":""',
        '"Orders":[],"Orders@odata.navigationLink":"/x"',
        '"text":"Orders@odata.nextLink"',
        '"text":"see \\"Orders@odata.nextLink\\":\\"/x\\""',
        '"nextLink":"/x"',
        '"my_nextLink":"/x"',
        '"Orders@odata.count":7',
    ],
)
async def test_what_only_looks_like_a_link_is_no_doubt(record: str) -> None:
    """A text, a field of the record's own, and a link that leads nowhere."""
    assert await read(f'{{"value":[{{"id":1,{record}}}],"@odata.count":1}}') == [1]


async def test_links_of_pages_are_no_links_of_records() -> None:
    """Several spellings of the same next link in one answer are one."""

    def answer(asked: RigAsked) -> RigReply:
        link = "" if "page" in asked.query else ',"@odata.nextLink":"/items?page=2","@nextLink":"/items?page=2"'
        return RigReply(f'{{"value":[{{"id":{len(asked.query)}}}]{link}}}'.encode())

    async with session_with(answer) as (api, _):
        assert await ids_of(api.pages("/items", pages=OData(), records="value")) == [0, 1]


@pytest.mark.parametrize("has_more", [False, True])
async def test_a_link_by_its_path_is_of_the_same_service(*, has_more: bool) -> None:
    """Who pages by the path of OData's link reads the same records, and loses the same rows."""
    link = ',"@odata.nextLink":"/items?page=2"' if has_more else ""
    body = f'{{"value":[{{"id":1,"Orders":[],"Orders@odata.nextLink":"/x"}}]{link}}}'
    async with session_with(lambda asked: RigReply(body.encode())) as (api, _):
        with pytest.raises(PagingError, match="page by the kind `odata`"):
            await ids_of(api.pages("/items", pages=NextUrl("@odata.nextLink"), records="value"))


async def test_a_link_by_its_path_without_lists_in_records_is_read() -> None:
    """The page's own link is none of a record's."""

    def answer(asked: RigAsked) -> RigReply:
        link = "" if "page" in asked.query else ',"@odata.nextLink":"/items?page=2"'
        return RigReply(f'{{"value":[{{"id":{len(asked.query)}}}]{link}}}'.encode())

    async with session_with(answer) as (api, _):
        assert await ids_of(api.pages("/items", pages=NextUrl("@odata.nextLink"), records="value")) == [0, 1]


async def test_version_2_has_its_own_link() -> None:
    """`d.__next` of the page, and none inside its records."""

    def answer(asked: RigAsked) -> RigReply:
        link = "" if "page" in asked.query else ',"__next":"/items?page=2"'
        return RigReply(f'{{"d":{{"results":[{{"id":{len(asked.query)}}}]{link}}}}}'.encode())

    async with session_with(answer) as (api, _):
        assert await ids_of(api.pages("/items", pages=OData(), records="d.results")) == [0, 1]


@pytest.mark.parametrize(
    ("version", "name"),
    [("4.0", "parts@odata.nextLink"), ("4.01", "parts@nextLink"), ("3.0", "parts@odata.nextLink")],
)
async def test_the_sandbox_can_cut_lists(version: ODataVersion, name: str) -> None:
    """Users can test their source against it; every record comes where what came of its list is enough."""
    settings = SandboxSettings(records=30, page_size=20, odata_version=version, is_expand_cut=True)
    async with Sandbox(settings) as sandbox, client_of(sandbox.url) as client:
        api = client.session()
        with pytest.raises(PagingError, match=name):
            await ids_of(api.pages("/odata/items", pages=OData(), records="value"))
        cut = api.pages("/odata/items", pages=OData(nested="cut"), records="value")
        assert await ids_of(cut) == [*range(1, 31)]


def test_a_word_that_means_nothing_is_refused() -> None:
    """In Python as in the file."""
    with pytest.raises(UsageError, match="nested is 'yes'; write 'cut', or leave it out"):
        OData(nested="yes")  # type: ignore[arg-type]
