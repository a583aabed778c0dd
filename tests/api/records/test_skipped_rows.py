"""`skip`: rows among the records that are none, passed over by rule, and counted wherever a person looks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from haulier.api.errors import ApiError, PagingError
from haulier.api.paging.paginator import Single
from haulier.api.paging.positions import Offset
from haulier.api.paging.totals import Total
from haulier.api.records.skipped_rows import Skip, Skipper
from haulier.cli.main import main
from tests.api.paging.rig import Asked, Reply, ids_of, session_with
from tests.docs import fake_server

GONE = Skip("doc.missing")
DELETED = Skip("state", "deleted")
NO: list[Any] = ["false", "0", "N", "no", "", 0.0, -0.0, [], {}]


@pytest.mark.parametrize(
    ("rule", "row", "is_skipped"),
    [
        (GONE, {"doc": {"missing": True}}, True),
        (GONE, {"doc": {"missing": "yes"}}, True),
        (GONE, {"doc": {"missing": False}}, False),
        (GONE, {"doc": {"missing": None}}, False),
        (GONE, {"doc": []}, False),
        (GONE, "missing", False),
        *((GONE, {"doc": {"missing": no}}, False) for no in NO),
        (GONE, {"doc": {"missing": 0.5}}, True),
        (GONE, {"doc": {"missing": "gone"}}, True),
        (DELETED, {"state": "\ud800"}, False),
        (DELETED, {"state": "deleted"}, True),
        (DELETED, {"state": "Deleted"}, False),
        (Skip("n", 0), {"n": 0}, True),
        (Skip("n", 0), {"n": False}, False),
        (Skip("found", False), {"found": False, "text": "\ud800"}, True),
        (Skip(".", is_null=True), None, True),
        (Skip(".", is_null=True), "null", False),
        (Skip("node", is_null=True), {"node": None}, True),
        (Skip("node", is_null=True), {"node": {}}, False),
        (Skip("node", is_null=True), {}, False),
        (GONE, None, False),
    ],
)
async def test_a_rule_takes_what_it_names(rule: Skip, row: Any, is_skipped: bool) -> None:
    """Also rows of half a pair of surrogates, and rows that are no objects."""
    async with session_with(lambda asked: Reply({"rows": [{"id": 1}, row, {"id": 2}]})) as (api, _):
        found = [
            record
            async for page in api.pages("/", pages=Single(), records="rows", skip=[rule])
            for record in page.records
        ]
        assert (len(found), api.usage.counts.skipped) == ((2, 1) if is_skipped else (3, 0))


@pytest.mark.parametrize(("row", "is_skipped"), [(b'{"gone":[ ]}', 0), (b'{"gone":{ }}', 0), (b'{"gone":{ "a":1}}', 1)])
def test_empty_values_may_have_spaces(row: bytes, is_skipped: int) -> None:
    assert Skipper([Skip("gone")]).count([row]) == is_skipped


@pytest.mark.parametrize("text", [" ", "none", "F", "0000-00-00", "0001-01-01T00:00:00Z", "-"])
async def test_a_text_that_may_mean_either_is_an_error(text: str) -> None:
    """Neither is a record lost, nor a row that is none kept."""
    async with session_with(lambda asked: Reply({"rows": [{"gone": text}]})) as (api, _):
        with pytest.raises(ApiError, match=r'Say in `skip` which value is meant: \{ at = "gone", is = "..." \}'):
            await ids_of(api.pages("/", pages=Single(), records="rows", skip=[Skip("gone")]))


def answer(asked: Asked) -> Reply:
    """Rows 3 to 7 are none: a whole page among them."""
    start = asked.number("offset")
    rows = [{"id": n, "state": "deleted" if 3 <= n <= 7 else ""} for n in range(start, min(start + 2, 10))]
    return Reply({"rows": rows, "total": 10, "kept": 5})


async def test_paging_goes_by_the_rows_that_came() -> None:
    """G3: the total counts skipped rows, or it is declared that it does not; else the two disagree."""
    async with session_with(answer) as (api, _):
        options: Any = {"pages": Offset(2), "records": "rows", "skip": [DELETED]}
        kept = [0, 1, 2, 8, 9]
        for total in (None, Total("total"), Total("kept", counts_skipped=False)):
            assert await ids_of(api.pages("/", **options, total=total)) == kept
        for total, words in (
            (Total("kept"), "leaves out the rows that `skip` passes over, write"),
            (Total("total", counts_skipped=False), "counts the rows that `skip` passes over, leave out"),
        ):
            with pytest.raises(ApiError, match=f"the API promised .* If it {words} counts_skipped = false in `total`"):
                await ids_of(api.pages("/", **options, total=total))


@pytest.mark.parametrize("total", [Total("kept"), Total("kept", divide_above=100)])
async def test_a_total_without_skipped_rows_ends_no_list_early(total: Total) -> None:
    """G1: 6 rows came, as the total says; two of them are none, and two records are missing."""

    def answer(asked: Asked) -> Reply:
        start = asked.number("offset")
        rows = [{"id": n, "state": "deleted" if n < 2 else ""} for n in range(start, min(start + 2, 8))]
        return Reply({"rows": rows, "kept": 6})

    async with session_with(answer) as (api, _):
        with pytest.raises(PagingError, match=r"leaves out rows that `skip` passes over: counts_skipped = false"):
            await ids_of(api.pages("/", pages=Offset(2), records="rows", skip=[DELETED], total=total))


def test_g3_a_run_tells_what_it_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In its closing words and its manifest, also of an item of which nothing is left; and so does a trial of it."""

    def serve(asked: fake_server.Asked) -> fake_server.Reply:
        numbers = range(asked.number("from"), asked.number("to"))
        return fake_server.Reply({"items": [{"id": n, "missing": n > 2} for n in numbers]})

    with fake_server.serving(serve) as url:
        source = tmp_path / "shop.toml"
        source.write_text(
            f'source = "shop"\n[api]\nurl = "{url}"\n[streams.items]\nget = "/items"\nrecords = "items"\n'
            'pages = "single"\nskip = [{ at = "missing" }]\n[streams.items.full.ids]\nlast = 8\nstep = 4\n'
            'query = { from = "{start}", to = "{end}" }\n'
        )
        assert main(["try", str(source)]) == 0
        assert "2 rows were skipped, as `skip` or `allowed_errors` says" in capsys.readouterr().err
        assert main(["run", str(source)]) == 0
    assert "6 rows were skipped, as `skip` or `allowed_errors` says" in capsys.readouterr().err
    (verdict,) = tmp_path.glob("lake/shop/items/mode=full/*/_SUCCESS.json")
    text = verdict.read_text()
    assert json.loads(text)["totals"]["skipped"] == 6, text


async def test_a_null_among_values_is_skipped_where_that_is_declared() -> None:
    body = {"rows": {"a": {"id": 1}, "b": None, "c": {"id": 3}}}
    async with session_with(lambda _: Reply(body)) as (api, _):
        found = api.pages("/", records="rows", shape="values", pages=Single(), skip=(Skip(".", is_null=True),))
        assert await ids_of(found) == [1, 3]
        assert api.usage.counts.skipped == 1
        with pytest.raises(ApiError, match=r"at 'rows.b', found null.* write skip = \[\{ at = \".\", null = true \}\]"):
            await ids_of(api.pages("/", records="rows", shape="values", pages=Single()))
