"""`haulier try`: what a person sees of a source before they run it, and what its exit code tells a script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import Place

BLOG = """
source = "blog"

[api]
url = "{url}"

[streams.posts]
get = "/posts"
query = {{ limit = 3 }}
records = "posts"
pages = {{ cursor = "next", query = "cursor" }}

[streams.posts.full]
once = {{}}

[streams.comments]
get = "/posts/{{parent.id}}/comments"
query = {{ limit = 2 }}
records = "{records}"
pages = {{ cursor = "next", query = "cursor" }}
parent = "posts"
absent = "skip"
"""


@pytest.fixture(scope="module")
def blog() -> Iterator[SandboxProcess]:
    settings = SandboxSettings(posts=20, comments_per_post=10)
    with SandboxProcess(settings) as process:
        yield process


def written(place: Place, url: str, records: str = "comments") -> Place:
    place.name = "blog.toml"
    place.toml.write_text(BLOG.format(url=url, records=records))
    return place


def requests(err: str) -> list[str]:
    return [line.rpartition("/")[2] for line in err.splitlines() if line.startswith("GET ")]


def test_the_request_of_a_stream_with_a_parent_is_reached(place: Place, blog: SandboxProcess) -> None:
    """The parent's first page, then the children of its first parent (the second, the third, as long as there are
    none): one request each, all shown."""
    said = written(place, blog.url).run("try", "--stream", "comments")
    assert said.code == 0, said.err
    posts, *children = requests(said.err)
    assert posts == "posts?limit=3"
    assert set(children) == {"comments?limit=2"}
    assert len(children) <= 3
    assert "/posts/1/comments" in said.err
    records = [json.loads(line) for line in said.out.splitlines()]
    assert f"{len(records)} records in the first page; the first {len(records)}:" in said.err
    assert {record["post_id"] for record in records} == {len(children)}
    said = place.run("try", "--stream", "comments", "--json")
    assert (said.json["item"], said.json["records"]) == ("comments_parents", len(records))
    assert len(said.json["requests"]) == 1 + len(children)
    assert said.json["child"].startswith("comments_batch-")


def test_a_mistake_in_the_request_of_the_children_shows(place: Place, blog: SandboxProcess) -> None:
    said = written(place, blog.url, records="coments").run("try", "--stream", "comments")
    assert said.code == 2
    assert "/posts/1/comments?limit=2: no records: there is nothing at 'coments'" in said.err


def test_parents_without_children_are_passed_over(place: Place) -> None:
    """A few of them: what is looked for is a record."""
    with SandboxProcess(SandboxSettings(posts=20, comments_per_post=0)) as api:
        said = written(place, api.url).run("try", "--stream", "comments")
    assert said.code == 0, said.err
    assert requests(said.err) == ["posts?limit=3"] + ["comments?limit=2"] * 3
    assert said.err.endswith("The child has no records.\n")


def test_the_second_page_is_shown(shop: Place) -> None:
    said = shop.run("try", "--pages", "2")
    assert said.code == 0, said.err
    assert "100 records in the first page; the first 3:" in said.err
    assert "100 records in page 2; the first 3:" in said.err
    assert [json.loads(line)["id"] for line in said.out.splitlines()] == [1, 2, 3, 101, 102, 103]
    said = shop.run("try", "--pages", "3", "--json")
    assert [page["records"] for page in said.json["pages"]] == [100, 100]
    assert "The list ends after 2 pages." in said.err


@pytest.mark.parametrize(
    ("pages", "code", "told"),
    [
        ('{ offset = "ofset" }', 2, "Page 2 holds the records of page 1 again"),
        ('{ page = "pge" }', 2, "Page 2 holds the records of page 1 again"),
        ('{ cursor = "next", query = "crsr" }', 2, "Page 2 holds the records of page 1 again"),
        ('{ cursor = "nxt", query = "cursor" }', 2, "there is nothing at 'nxt'"),
    ],
)
def test_a_wrong_pages_shows_on_the_second_page(shop: Place, pages: str, code: int, told: str) -> None:
    """The first one is shown all the same, unless it was the mistake that showed first."""
    text = shop.toml.read_text()
    shop.toml.write_text(text.replace('{ cursor = "next", query = "cursor" }', pages).replace("total =", "# total ="))
    said = shop.run("try", "--pages", "2")
    assert said.code == code, said.err
    assert told in said.err
    assert said.out.count("\n") == (0 if "nxt" in pages else 3)


@pytest.mark.parametrize(
    ("key", "line", "told"),
    [
        ("get", 'get = "/itemz"', "status 404. Check the path"),
        ("records", 'records = "itms"', "no records: there is nothing at 'itms'"),
        ("records", 'records = "total"', "found a number"),
        ("last", 'last = { get = "/newest", at = "id" }', "status 404. Check the path"),
        ("last", 'last = { get = "/items/newest", at = "idd" }', "'idd'"),
    ],
)
def test_what_a_person_must_change_is_exit_2(shop: Place, key: str, line: str, told: str) -> None:
    """In the request of the item, or in one of the enumeration; for `run`, a wrong enumeration is the same."""
    text = shop.toml.read_text().splitlines()
    shop.toml.write_text("\n".join(line if known.startswith(f"{key} =") else known for known in text))
    said = shop.run("try")
    assert (said.code, told in said.err) == (2, True), said.err
    assert "Traceback" not in said.err
    assert not any(word in said.err for word in ("again later", "is retried", "begins again", "charged"))
    if key == "last":
        assert shop.run("run").code == 2


def test_a_refused_credential_is_exit_2(place: Place) -> None:
    with SandboxProcess(SandboxSettings(records=10, token="right")) as api:
        place.write(api.url)
        assert place.run("try").code == 2


def test_what_is_not_answered_now_is_exit_4(place: Place) -> None:
    place.write("http://127.0.0.1:9")
    said = place.run("try")
    assert (said.code, "127.0.0.1:9" in said.err) == (4, True)


def test_a_long_pause_is_not_waited_for(place: Place) -> None:
    """A person sits there: how long it is, and exit code 4."""
    with SandboxProcess(SandboxSettings(records=10, error_rate_429=1.0, retry_after_seconds=300)) as api:
        place.write(api.url)
        said = place.run("try")
    assert said.code == 4, said.err
    assert re.search(r"haulier: All requests pause for another (300|299) s, and this process does not wait", said.err)


RAISING = """
from collections.abc import AsyncIterator
from dataclasses import dataclass

from haulier import Api, App, Context, WorkItem

app = App("mine", api=Api("http://127.0.0.1:9"))


@dataclass(frozen=True)
class Number(WorkItem, stream="numbers", kind="number"):
    n: int


@app.enumerate("full")
async def numbers(ctx: Context) -> AsyncIterator[WorkItem]:
    yield Number(1)


@app.processor(Number)
async def number(item: Number, ctx: Context) -> AsyncIterator[list[dict[str, int]]]:
    yield [{"n": {}["customer"]}]
"""


@pytest.mark.parametrize("command", ["try", "run", "enqueue"])
def test_what_an_enumerator_raises_is_shown_with_its_own_lines(place: Place, command: str) -> None:
    """For every command that enumerates."""
    place.name = "mine.py"
    place.toml.write_text(RAISING.replace("    yield Number(1)", '    yield Number({}["first"])'))
    said = place.run(command)
    assert said.code == 2
    assert "haulier: The enumerator raised KeyError: 'first'\nTraceback (most recent call last):\n" in said.err
    assert 'yield Number({}["first"])' in said.err
    assert "/haulier/" not in said.err


def test_what_a_processor_raises_is_shown_with_its_own_lines(place: Place) -> None:
    """A mistake in a person's code: where, what, exit code 2; and nothing of haulier's insides."""
    place.name = "mine.py"
    place.toml.write_text(RAISING)
    said = place.run("try")
    assert said.code == 2
    assert 'yield [{"n": {}["customer"]}]' in said.err
    assert said.err.endswith("haulier: The processor of kind 'number' raised KeyError: 'customer'\n")
    assert "/haulier/" not in said.err


def test_an_item_that_is_divided_into_itself_ends(place: Place) -> None:
    place.name = "mine.py"
    place.toml.write_text(
        RAISING.replace('yield [{"n": {}["customer"]}]', "yield item").replace("list[dict[str, int]]", "WorkItem")
    )
    said = place.run("try")
    assert said.code == 2
    assert said.err.endswith(
        "haulier: The item number-1 is divided into itself. Yield smaller items, or its records.\n"
    )


@pytest.mark.parametrize(("key", "code"), [('["post_id", "id"]', 0), ('"post_id"', 2), ('"comment_id"', 2)])
def test_a_key_that_tells_no_records_apart_shows(place: Place, blog: SandboxProcess, key: str, code: int) -> None:
    """Behind the pages that were asked for, and as a run would say it."""
    written(place, blog.url)
    place.toml.write_text(place.toml.read_text() + f"key = {key}\n")
    said = place.run("try", "--stream", "comments", "--pages", "2")
    assert said.code == code, said.err
    assert "records in the first page" in said.err
    if key == '"post_id"':
        assert "records have a key ('post_id') that an earlier one has too, such as records 1 and 2" in said.err
    if key == '"comment_id"':
        assert "Record 1 of the item has no key: there is nothing at 'comment_id'" in said.err
