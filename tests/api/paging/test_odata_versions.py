"""OData v2 and v3: they are asked for, and no other version's link is taken (G1, G3)."""

from __future__ import annotations

from typing import Any

import pytest

from haulier.api.client import Total
from haulier.api.errors import PagingError
from haulier.api.paging.links import OData
from haulier.errors import UsageError
from haulier.sources.fingerprint import canonical
from tests.api.paging.rig import Asked, Reply, ids_of, rows, session_with


def v2(asked: Asked) -> Reply:
    """SAP: the total is text, dates are not ISO 8601, and a list of each record is only a link."""
    start = asked.number("$skiptoken")
    assert start or asked.query["$inlinecount"] == "allpages"
    found = [
        {**row, "at": "/Date(1577836800000)/", "Items": {"__deferred": {"uri": "x"}}} for row in rows(start, start + 40)
    ]
    after = {"__next": f"http://{asked.headers['Host']}/svc/Orders?$inlinecount=allpages&$skiptoken={start + 40}"}
    return Reply({"d": {"__count": "120", "results": found, **(after if start < 80 else {})}})


def v3(asked: Asked) -> Reply:
    """A relative link is relative to the metadata."""
    start = asked.number("$skiptoken")
    home = f"http://{asked.headers['Host']}"
    after = {"odata.nextLink": f"Orders?$skiptoken={start + 40}"} if start < 80 else {}
    body = {"odata.metadata": f"{home}/svc/$metadata#Orders", "odata.count": "120", "value": rows(start, start + 40)}
    return Reply(body | after)


@pytest.mark.parametrize(
    ("answer", "pages", "records", "total", "headers"),
    [
        (v2, OData(version="v2"), "d.results", "d.__count", ("2.0", "application/json")),
        (v3, OData(version="v3"), "value", "odata.count", ("3.0", "application/json;odata=minimalmetadata")),
    ],
    ids=["v2", "v3"],
)
async def test_g1_g3_every_record(
    answer: Any, pages: OData, records: str, total: str, headers: tuple[str, str]
) -> None:
    async with session_with(answer) as (api, server):
        query = {"$inlinecount": "allpages"}
        found = api.pages("/svc/Orders", query, pages=pages, records=records, total=Total(total))
        assert await ids_of(found) == list(range(120))
        for asked in server.requests:
            assert (asked.headers["MaxDataServiceVersion"], asked.headers.getone("Accept")) == headers


async def test_headers_of_the_stream_stay() -> None:
    """SharePoint says version 2 to whoever asks for it verbosely."""
    async with session_with(lambda asked: Reply({"d": {"results": rows(0, 2)}})) as (api, server):
        headers = {"accept": "application/json;odata=verbose"}
        found = api.pages("/x", pages=OData(version="v2"), records="d.results", headers=headers)
        assert await ids_of(found) == [0, 1]
        assert server.requests[0].headers.getall("Accept") == ["application/json;odata=verbose"]


@pytest.mark.parametrize(
    ("version", "body"),
    [
        ("v2", {"d": {"results": rows(0, 2)}, "odata.nextLink": "Orders?p=2"}),
        ("v3", {"value": rows(0, 2), "@odata.nextLink": "Orders?p=2"}),
    ],
)
async def test_g1_a_link_of_another_version_is_no_end(version: Any, body: dict[str, Any]) -> None:
    """G1: the list goes on, by a sign that was not declared."""
    records = "d.results" if version == "v2" else "value"
    async with session_with(lambda asked: Reply(body)) as (api, _):
        with pytest.raises(PagingError, match=f"is a next link of another version than {version}"):
            await ids_of(api.pages("/x", pages=OData(version=version), records=records))


async def test_g1_a_list_in_a_record_that_was_cut_is_an_error() -> None:
    record = {"id": 1, "Items": {"results": [{"n": 1}], "__next": "http://127.0.0.1/Items?$skiptoken=1"}}
    async with session_with(lambda asked: Reply({"d": {"results": [record]}})) as (api, _):
        with pytest.raises(PagingError, match="is the next link of a list inside a record"):
            await ids_of(api.pages("/x", pages=OData(version="v2"), records="d.results"))


def test_refused() -> None:
    with pytest.raises(UsageError, match="`page_size` is a wish that services of OData v4 know"):
        OData(100, version="v2")
    with pytest.raises(UsageError, match="There is no version 'v5' of OData here"):
        OData(version="v5")  # type: ignore[arg-type]


def test_an_open_run_of_an_older_version_goes_on() -> None:
    assert canonical(OData(500)) == ["OData", {"page_size": 500}]
    assert canonical(OData(version="v2")) == ["OData", {"version": "v2"}]
