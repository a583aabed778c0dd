"""Lists that are asked for by a form: its fields, and those that lead to the next page."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest

from haulier.api.errors import ApiError
from haulier.api.paging.cursors import Cursor
from haulier.api.paging.paginator import Paginator, Single
from haulier.api.paging.positions import Offset, PageNumber
from haulier.errors import UsageError
from tests.api.paging.rig import Asked, Reply, ids_of, session_with


def answer(asked: Asked) -> Reply:
    """Reads a form alone, and hands out three rows at a time; the token is a number with all its digits."""
    assert (asked.method, asked.headers["Content-Type"]) == ("POST", "application/x-www-form-urlencoded")
    fields = dict(parse_qsl(asked.body.decode(), keep_blank_values=True, strict_parsing=True))
    assert fields["q"] == "a b&ü=1"
    start = int(fields.get("from", 0)) or (int(fields.get("page", 1)) - 1) * 3
    start = int(fields["token"]) - 10**20 if "token" in fields else start
    rows = [{"id": number} for number in range(start, min(start + 3, 7))]
    return Reply(b'{"rows":%s,"next":%s}' % (str(rows).replace("'", '"').encode(), token(start + 3)))


def token(start: int) -> bytes:
    return b"null" if start >= 7 else str(10**20 + start).encode()


@pytest.mark.parametrize(
    "pages",
    [
        Offset(3, place="body", offset_name="from", limit_name="size"),
        PageNumber(size=3, place="body"),
        Cursor("next", body="token"),
    ],
    ids=lambda kind: type(kind).__name__,
)
async def test_a_form_is_paged_by_its_fields(pages: Paginator) -> None:
    """Each page is asked for by the whole form, in which the field of the paging is set."""
    async with session_with(answer) as (api, server):
        form = {"q": "a b&ü=1", "tag": ["x", "y"], "deep": True}
        assert await ids_of(api.pages("/", method="POST", form=form, pages=pages, records="rows")) == [*range(7)]
        for asked in server.requests:
            assert asked.body.startswith(b"q=a+b%26%C3%BC%3D1&tag=x&tag=y&deep=true")


async def test_a_single_answer_may_be_asked_for_by_a_form() -> None:
    async with session_with(answer) as (api, _):
        assert (await api.request("POST", "/", form={"q": "a b&ü=1"})).status == 200


async def test_g1_a_full_page_of_a_form_is_no_whole_list() -> None:
    """The size in a form is one that was asked for."""
    async with session_with(answer) as (api, _):
        form = {"q": "a b&ü=1", "size": 3}
        with pytest.raises(ApiError, match="the page is full, with the 3 records that were asked for"):
            await ids_of(api.pages("/", method="POST", form=form, pages=Single(), records="rows"))


@pytest.mark.parametrize("more", [{"method": "GET"}, {"method": "POST", "json": {}}])
async def test_a_form_is_the_body_of_a_post(more: dict[str, Any]) -> None:
    async with session_with(answer) as (api, _):
        with pytest.raises(UsageError, match="A form is the body of a POST, in place of `json`"):
            api.pages("/", form={}, pages=Single(), records="rows", **more)


@pytest.mark.parametrize("token", [b"7", b'"a"'])
async def test_a_token_of_a_form_that_comes_again_is_the_end(token: bytes) -> None:
    async with session_with(lambda asked: Reply(b'{"rows":[{"id":%d}],"next":%b}' % (len(asked.body), token))) as (
        api,
        _,
    ):
        pages = Cursor("next", body="token", end=("repeated",))
        assert len(await ids_of(api.pages("/", method="POST", form={"q": "x"}, pages=pages, records="rows"))) == 2
