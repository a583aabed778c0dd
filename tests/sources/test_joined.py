"""Several values in one request: what is asked for, what comes back, and what is missing."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest
from aiohttp import web

from haulier.api.errors import Action, ApiError, Shape
from haulier.api.http.urls import Encoded
from haulier.api.paging.paginator import Single
from haulier.api.paging.positions import Offset
from haulier.api.records.page import Page
from haulier.api.settings import Api
from haulier.errors import ItemError, UsageError
from haulier.items.codec import decode_payload
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context
from haulier.sources.joined import MAX_JOINED_BYTES, Join
from haulier.sources.recipe import ListLookup, OnceRecipe, ParentRecipe, StreamRecipe, ValuesRecipe
from haulier.sources.rest import RestSource
from tests.harness.aiohttp_server import app_of, serving_app
from tests.items.payloads import written
from tests.sources.situation import situation

JOIN = Join("|", at="id")
VALUES = ValuesRecipe(tuple(str(n) for n in range(1, 8)), query=(("ids", "{value}"),), join=JOIN, batch=3)
THINGS = StreamRecipe(name="things", path="/things", records="rows", pages=Offset(limit=2), full=VALUES)
TEAMS = StreamRecipe(name="teams", path="/teams", records="rows", pages=Single(), full=OnceRecipe())
PEOPLE = StreamRecipe(
    name="people", path="/teams/{parent.name}/people", records="rows", pages=Single(), parent=ParentRecipe("teams")
)
NOTES = StreamRecipe(
    name="notes",
    method="POST",
    path="/notes",
    json={"team": "{parents.teams.name}", "people": "{parent.id}"},
    records="rows",
    pages=Single(),
    add=(("team", "{parents.teams.name}"),),
    parent=ParentRecipe("people", batch=2, join=Join(",", at="of", may_miss=True)),
)
MARKS = StreamRecipe(
    name="marks",
    path="/marks/{parent.of}",
    records="rows",
    pages=Single(),
    parent=ParentRecipe("notes", batch=10, join=Join(";", at="of")),
)


@dataclass
class Directory:
    """Things by their IDs; teams of three people, who have notes but for the second of each."""

    absent: frozenset[str] = frozenset()
    extra: tuple[dict[str, Any], ...] = ()
    """Records that nobody asked for."""
    names: tuple[str, ...] = ("a", "b")
    cap: int | None = None
    """So many of several values it answers, and says nothing of the others."""
    is_strict: bool = False
    """It takes one value at a time."""
    url: str = ""
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.raw_path)
        match request.path.strip("/").split("/"):
            case ["things"]:
                wanted = request.query["ids"].split("|")
                if self.is_strict and len(wanted) > 1:
                    return web.Response(status=414)
                if self.cap is not None and len(wanted) > 1:
                    wanted = wanted[: self.cap]
                rows = [{"id": int(each) if each.isdigit() else each} for each in wanted if each not in self.absent]
                if self.absent and not rows:
                    return web.json_response({"error": "none of them"}, status=404)
                start = int(request.query.get("offset", 0))
                return _rows([*rows, *self.extra][start : start + 2])
            case ["names"]:
                return _rows([{"name": name} for name in (*self.names, self.names[0])])
            case ["teams"]:
                return _rows([{"name": name} for name in self.names])
            case ["teams", name, "people"]:
                return _rows([{"id": f"{name}{n}"} for n in range(3)])
            case ["notes"]:
                body = await request.json()
                people = body["people"].split(",")
                assert all(person.startswith(body["team"]) for person in people)
                return _rows([{"of": person, "n": n} for person in people for n in (1, 2) if person[1] != "1"])
            case ["marks", joined]:
                return _rows([{"of": person} for person in joined.split(";")])
            case _:
                return web.json_response({}, status=404)


def _rows(rows: list[Any]) -> web.Response:
    return web.json_response({"rows": rows})


@contextlib.asynccontextmanager
async def serving(directory: Directory) -> AsyncIterator[Context]:
    async with serving_app(app_of(directory.answer)) as directory.url, situation(Api(directory.url)) as context:
        yield context


async def hauled(source: RestSource, stream: str, context: Context) -> tuple[list[WorkItem], list[dict[str, Any]]]:
    waiting = [item async for item in source.enumerate("full", (stream,), context)]
    items, records = [], []
    while waiting:
        item = waiting.pop(0)
        items.append(item)
        async for piece in source.processors[type(item)](item, context):
            if isinstance(piece, Page):
                records += [msgspec.json.decode(bytes(record)) for record in piece.records]
            else:
                assert isinstance(piece, WorkItem)
                assert decode_payload(type(piece), written(piece)) == piece
                waiting.append(piece)
    return items, records


async def test_one_request_asks_for_several_values() -> None:
    directory = Directory()
    source = RestSource("directory", [THINGS])
    async with serving(directory) as context:
        items, records = await hauled(source, "things", context)
    assert [record["id"] for record in records] == [1, 2, 3, 4, 5, 6, 7]
    assert [len(item.values) for item in items] == [3, 3, 1]  # type: ignore[attr-defined]
    assert [item.kind for item in items] == ["things_joined"] * 3
    assert directory.asked[0] == "/things?ids=1%7C2%7C3&limit=2&offset=0"
    halves = source.halves(items[0])
    assert [value for half in halves for value in half.values] == ["1", "2", "3"]  # type: ignore[attr-defined]
    assert source.halves(items[2]) == ()


async def test_values_that_are_asked_for_are_joined_too() -> None:
    """A value that the list shows twice is asked for once."""
    values = replace(VALUES, values=ListLookup("/names", "rows", Single(), at="name"), batch=2)
    directory = Directory(names=("x", "y", "z"))
    async with serving(directory) as context:
        _, records = await hauled(RestSource("directory", [replace(THINGS, full=values)]), "things", context)
    assert [record["id"] for record in records] == ["x", "y", "z"]


async def test_values_are_asked_for_in_a_path_or_in_a_text_that_is_encoded() -> None:
    """The text between them stays as it is, and each value is encoded by itself."""
    values = replace(VALUES, values=("a/b", "c d"), join=Join(",", at="id"), query=(("ids", Encoded("{value}")),))
    directory = Directory()
    async with serving(directory) as context:
        with pytest.raises(ApiError):  # This API parts them otherwise.
            await hauled(RestSource("directory", [replace(THINGS, full=values)]), "things", context)
    assert directory.asked[0].startswith("/things?ids=a%2Fb,c%20d&")


async def test_a_value_without_a_record_is_a_failure() -> None:
    """A server that passes over what it does not know, or takes only so many, loses nothing in silence. The item is
    divided down to that value."""
    source = RestSource("directory", [THINGS])
    async with serving(Directory(absent=frozenset({"2"}))) as context:
        with pytest.raises(ApiError) as caught:
            await hauled(source, "things", context)
    assert str(caught.value) == (
        "Of joined values: no record came for 1 of the 3 that were asked for: 2. If the API leaves out what it does "
        'not have, write missing = "skip" in `join`.'
    )
    assert (caught.value.action, caught.value.shape) == (Action.RETRY_LATER, Shape.VALUES)
    assert caught.value.shape.may_be_of_data


async def test_values_that_may_be_missing_are_counted() -> None:
    """Also where the API has a 404 for the only one. For one of several that would say nothing of the others."""
    source = RestSource("directory", [replace(THINGS, full=replace(VALUES, join=replace(JOIN, may_miss=True)))])
    async with serving(Directory(absent=frozenset({"2", "7"}))) as context:
        _, records = await hauled(source, "things", context)
        assert [record["id"] for record in records] == [1, 3, 4, 5, 6]
        assert (context.api.usage.counts.present, context.api.usage.counts.absent) == (5, 2)
    async with serving(Directory(absent=frozenset({"1", "2", "3"}))) as context:
        with pytest.raises(ApiError) as caught:
            await hauled(source, "things", context)
    assert caught.value.status == 404


async def test_values_that_a_cap_cuts_are_not_missing() -> None:
    """They are asked for once more, without the others; where none came, the half of them is."""
    join = replace(JOIN, may_miss=True)
    for cap, shown, first, again in [(2, "3", "1%7C2%7C3", "3"), (0, "1", "1%7C2%7C3", "1")]:
        directory = Directory(cap=cap)
        async with serving(directory) as context:
            with pytest.raises(ApiError) as caught:
                await hauled(
                    RestSource("directory", [replace(THINGS, full=replace(VALUES, join=join))]), "things", context
                )
        assert str(caught.value) == (
            f"Of joined values: no record came for '{shown}' among the 3 that were asked for, and one did when 1 were. "
            "The API takes fewer at once: write a smaller `batch`."
        )
        asked = [path.split("ids=")[1].split("&")[0] for path in directory.asked]
        assert asked[0] == first
        assert asked[-1] == again


@pytest.mark.parametrize(
    ("extra", "refusal"),
    [
        (
            {"id": 77},
            "Of joined values: a record belongs to '77' by 'id', and that was not asked for. Does the API know the "
            "parameter, and this text between the values?",
        ),
        (
            {"name": "x"},
            "Of joined values: a record does not tell at 'id' for which value it is: there is nothing at 'id': it is "
            "an object with the keys name. Correct `at` in `join`.",
        ),
        (
            {"id": None},
            "Of joined values: a record does not tell at 'id' for which value it is: it has null there. Correct "
            "`at` in `join`.",
        ),
    ],
)
async def test_a_record_that_nobody_asked_for_is_a_failure(extra: dict[str, Any], refusal: str) -> None:
    """An API that does not know the parameter sends all that it has."""
    async with serving(Directory(extra=(extra,))) as context:
        with pytest.raises(ApiError) as caught:
            await hauled(RestSource("directory", [THINGS]), "things", context)
    assert str(caught.value) == refusal


async def test_an_address_that_is_too_long_all_the_same_has_half_the_values() -> None:
    """The item is divided at once, and nothing is charged."""
    async with serving(Directory(is_strict=True)) as context:
        with pytest.raises(ApiError) as caught:
            await hauled(RestSource("directory", [THINGS]), "things", context)
    assert (caught.value.action, caught.value.status) == (Action.SPLIT, 414)


async def test_an_address_stays_short() -> None:
    """Long values make fewer of them one request; one alone is always sent."""
    long = [f"{n}" + "é" * 200 for n in range(20)]
    values = replace(VALUES, values=(*long, "x" * MAX_JOINED_BYTES), batch=1000)
    async with serving(Directory()) as context:
        source = RestSource("directory", [replace(THINGS, full=values)])
        items = [item async for item in source.enumerate("full", ("things",), context)]
    assert [len(item.values) for item in items] == [4, 4, 4, 4, 4, 1]  # type: ignore[attr-defined]


async def test_parents_are_joined_within_what_else_is_asked() -> None:
    """Those of another team are another request. Records without a note are counted as missing, and a level below goes
    on from what came."""
    directory = Directory(names=("a", "b"))
    streams = [TEAMS, PEOPLE, NOTES, MARKS]
    source = RestSource("directory", streams)
    async with serving(directory) as context:
        items, records = await hauled(source, "notes", context)
        assert context.api.usage.counts.absent == 2
    found = [(record["team"], record["of"], record["n"]) for record in records]
    assert found == [(team, f"{team}{n}", note) for team in "ab" for n in (0, 2) for note in (1, 2)]
    batches = [item for item in items if item.kind == "notes_batch"]
    assert [len(batch.parents) for batch in batches] == [2, 1, 2, 1]  # type: ignore[attr-defined]
    async with serving(directory) as context:
        _, records = await hauled(source, "marks", context)
    assert [record["of"] for record in records] == ["a0", "a2", "b0", "b2"]
    assert directory.asked[-1].startswith("/marks/")


async def test_what_cannot_be_joined_is_said() -> None:
    values = replace(VALUES, values=ListLookup("/names", "rows", Single(), at="name"))
    async with serving(Directory(names=("a|b",))) as context:
        with pytest.raises(UsageError, match=r"the value 'a\|b' holds '\|', which stands between joined"):
            await hauled(RestSource("directory", [replace(THINGS, full=values)]), "things", context)
    people = replace(PEOPLE, path="/people/{parent.name}", parent=ParentRecipe("teams", join=JOIN))
    async with serving(Directory(names=("a|b",))) as context:
        with pytest.raises(ItemError, match=r"A record of 'teams' cannot be a parent of 'people': the value 'a\|b'"):
            await hauled(RestSource("directory", [TEAMS, people]), "people", context)
    with pytest.raises(UsageError, match=r"streams.people: `join` is about one field of the parent, and there are 2\."):
        RestSource("directory", [TEAMS, replace(people, path="/{parent.id}/{parent.name}")])
    with pytest.raises(UsageError, match="The text between joined values is empty"):
        Join("", at="id")


def test_how_values_are_joined_shapes_the_records() -> None:
    """The fingerprint of streams that join nothing stays as it was in older versions."""
    plain = replace(THINGS, full=replace(VALUES, join=None, batch=50))
    before = RestSource("directory", [plain]).fingerprint("full", ("things",))
    joined = RestSource("directory", [THINGS]).fingerprint("full", ("things",))
    assert b"join" not in before
    assert before != joined
    other = replace(THINGS, full=replace(VALUES, batch=9))
    assert RestSource("directory", [other]).fingerprint("full", ("things",)) == joined


@pytest.mark.parametrize(
    ("separator", "value", "problem"),
    [
        ("||", "a|", "the value 'a|' runs into '||', which stands between joined values."),
        ("||", "|a", "the value '|a' runs into '||', which stands between joined values."),
        ("|", "a|b", "the value 'a|b' holds '|', which stands between joined values."),
        ("|", "", "a value is empty, and nobody could tell that it was asked for."),
        ("||", "a", ""),
        (" OR ", "OR", ""),
    ],
)
def test_a_value_that_meets_the_text_between_is_refused(separator: str, value: str, problem: str) -> None:
    """`a|` and `b` joined by `||` are read as `a` and `|b`."""
    assert Join(separator, at="id").problem_of(value) == problem
