"""More APIs of docs/apis, with the habits that those pages warn of."""

from __future__ import annotations

from collections.abc import Callable

from tests.docs.fake_paging import FakeApi, Made, Record, things
from tests.docs.fake_server import Asked, Reply


def forum(asked: Asked, records: list[Record]) -> Reply:
    """Knows its total on each page, and refuses a page that is far behind the last."""
    assert (asked.path, asked.query["order"]) == ("/api/posts", "id")
    size, page = asked.number("per_page"), asked.number("page")
    if (page - 1) * size > len(records):
        return Reply({"error": "no such page"}, 404)
    return Reply({"posts": records[(page - 1) * size : page * size], "meta": {"total": len(records)}})


ASKING: dict[str, Callable[[], FakeApi]] = {
    "forum": lambda: Made(things(410), forum),
}
