"""Keys that are text: IDs with zeros and letters in front, and prefixes of an alphabet."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest
from aiohttp import web

from haulier.api.errors import Action, ApiError
from haulier.api.paging.paginator import Single
from haulier.api.paging.totals import Total
from haulier.api.records.page import Page
from haulier.api.settings import Api
from haulier.errors import ItemError, UsageError
from haulier.items.bounds import Bounds
from haulier.items.ranges import IdRange
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context
from haulier.sources.finished import Finished
from haulier.sources.prefixes import Prefixes
from haulier.sources.recipe import IdsRecipe, Lookup, StreamRecipe, ValuesRecipe
from haulier.sources.rest import RestSource
from haulier.sources.written_ids import WrittenIds
from tests.harness.aiohttp_server import app_of, serving_app
from tests.sources.situation import situation

WRITTEN = WrittenIds("tt", digits=4)
IDS = IdsRecipe(
    last=Lookup("/newest", at="id"), step=10, query=(("from", "{start}"), ("below", "{end}")), written=WRITTEN
)
TITLES = StreamRecipe(name="titles", path="/titles", records="rows", pages=Single(), full=IDS, incremental=IDS)
PREFIXES = ValuesRecipe(Prefixes("0-2a", length=1, longest=3), query=(("starts", "{value}"),))
HASHES = StreamRecipe(
    name="hashes", path="/hashes", records="rows", pages=Single(), total=Total("total", divide_above=9), full=PREFIXES
)
KEYS = ["".join(letters) for letters in itertools.product("012a", repeat=3)]


@dataclass
class Library:
    """Compares IDs as texts. Hands out no more than nine hashes, and says how many there are."""

    newest: Any = "tt0023"
    keys: list[str] = field(default_factory=lambda: [*KEYS])
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/newest":
            return web.json_response({"id": self.newest})
        if request.path == "/titles":
            titles = [f"tt{number:04}" for number in range(1, 24)]
            return _rows([each for each in titles if request.query["from"] <= each < request.query["below"]])
        mine = [key for key in self.keys if key.startswith(request.query["starts"])]
        return _rows(mine[:9], len(mine))


def _rows(ids: list[str], total: int | None = None) -> web.Response:
    return web.json_response({"rows": [{"id": each} for each in ids], "total": total})


@contextlib.asynccontextmanager
async def serving(library: Library) -> AsyncIterator[Context]:
    async with serving_app(app_of(library.answer)) as library.url, situation(Api(library.url)) as context:
        yield context


async def planned(source: RestSource, context: Context, mode: str = "full") -> list[WorkItem]:
    return [item async for item in source.enumerate(mode, source.streams_of(mode), context)]


async def hauled(recipe: StreamRecipe, context: Context) -> list[str]:
    """IDs of the records of all items, each divided where the API hands out too much."""
    source = RestSource("library", [recipe])
    waiting = await planned(source, context)
    found = []
    while waiting:
        item = waiting.pop(0)
        try:
            async for page in source.processors[type(item)](item, context):
                assert isinstance(page, Page)
                found += [msgspec.json.decode(bytes(record))["id"] for record in page.records]
        except ApiError as error:
            parts = source.halves(item)
            if error.action is not Action.SPLIT or not parts:
                raise
            waiting += parts
    return found


async def test_ids_are_told_as_the_api_writes_them() -> None:
    """Letters and zeros in front, so that ranges are the same for an API that compares texts."""
    async with serving(Library()) as context:
        assert await hauled(TITLES, context) == [f"tt{number:04}" for number in range(1, 24)]


async def test_zeros_alone_stand_in_front_where_letters_are_written_in_the_query() -> None:
    query = (("from", "tt{start}"), ("below", "tt{end}"))
    ids = replace(IDS, last=23, written=WrittenIds(digits=4), query=query)
    async with serving(Library()) as context:
        assert len(await hauled(replace(TITLES, full=ids), context)) == 23


async def test_an_incremental_run_reads_on_behind_the_last_id() -> None:
    async with serving(Library(newest="tt0042")) as context:
        finished = Finished({"titles": {"": (IdRange(1, 24),)}})
        items = await planned(RestSource("library", [TITLES]), replace(context, finished=finished), "incremental")
    assert [item.ids for item in items] == [  # type: ignore[attr-defined]
        IdRange(24, 31),
        IdRange(31, 41),
        IdRange(41, 43),
    ]


@pytest.mark.parametrize("newest", ["tt00023", "tt23", "nm0023", 23, "tt002x"])
async def test_a_last_id_that_is_written_otherwise_is_an_error(newest: Any) -> None:
    """Of other lengths, texts do not have the order of their numbers: records would be passed over in silence."""
    async with serving(Library(newest=newest)) as context:
        with pytest.raises(UsageError) as caught:
            await hauled(TITLES, context)
    found = "a number" if isinstance(newest, int) else "text"
    assert str(caught.value) == (
        f"streams.titles.full.ids.last: GET /newest was answered, but the value at 'id' is {found}, not 'tt' and 4 "
        "digits. Correct `prefix` or `digits`, or the `at` of `last`."
    )


@pytest.mark.parametrize(
    ("newest", "what", "write"), [("0023", "zeros", ""), ("tt0023", "letters", "the letters in `prefix`, and ")]
)
async def test_a_number_with_zeros_or_letters_in_front_is_a_text(newest: str, what: str, write: str) -> None:
    """Asked for as numbers, 1 to 24 would be texts behind all that the API has."""
    ids = replace(IDS, written=WrittenIds())
    async with serving(Library(newest=newest)) as context:
        with pytest.raises(UsageError) as caught:
            await hauled(replace(TITLES, full=ids), context)
    assert str(caught.value) == (
        f"streams.titles.full.ids.last: GET /newest was answered, and the ID has {what} in front, which a number does "
        f"not keep. Write {write}how many digits each ID has: digits = 4"
    )


async def test_an_end_that_has_no_such_text_is_an_error() -> None:
    """9999 and one is no number of four digits, and as a text it comes before all others."""
    async with serving(Library(newest="tt9999")) as context:
        with pytest.raises(UsageError, match=r"The ID 10000 cannot be written as 'tt' and 4 digits, and an item is"):
            await hauled(TITLES, context)
        ids = replace(IDS, bounds=Bounds(granule=1, end="inclusive"))
        items = await planned(RestSource("library", [replace(TITLES, full=ids)]), context)
        assert len(items) == 1000
        with pytest.raises(ItemError, match="The ID 10000 cannot be written"):
            WRITTEN.of(10_000)


async def test_prefixes_cover_an_alphabet_once() -> None:
    """One item each, and one character more where there is too much, up to what each key surely has."""
    async with serving(Library()) as context:
        assert sorted(await hauled(HASHES, context)) == KEYS
        items = await planned(RestSource("library", [HASHES]), context)
        assert [item.value for item in items] == ["0", "1", "2", "a"]  # type: ignore[attr-defined]


async def test_a_prefix_that_cannot_be_longer_is_not_divided() -> None:
    recipe = replace(HASHES, full=replace(PREFIXES, values=Prefixes("0-2a", length=1)))
    async with serving(Library()) as context:
        with pytest.raises(ApiError) as caught:
            await hauled(recipe, context)
    assert caught.value.action is Action.SPLIT


def test_ids_that_are_written_otherwise_have_another_fingerprint() -> None:
    """Numbers have the one that they had in older versions."""
    before = RestSource("library", [replace(TITLES, full=replace(IDS, written=WrittenIds()))])
    assert b"written" not in before.fingerprint("full", ("titles",))
    now = RestSource("library", [TITLES])
    assert now.fingerprint("full", ("titles",)) != before.fingerprint("full", ("titles",))


def test_other_letters_have_another_fingerprint() -> None:
    of = [
        RestSource("library", [replace(HASHES, full=replace(PREFIXES, values=values))]).fingerprint("full", ("hashes",))
        for values in (Prefixes("0-9"), Prefixes("0-9a-f"), Prefixes("0-9", longest=2))
    ]
    assert len(set(of)) == 3


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (("aab",), "The alphabet has 'a' twice. Write each character, or range of them, once: \"0-9a-f\"."),
        (("0-9a-c0",), "The alphabet has '0' twice."),
        (("z-a",), "The range z-a of the alphabet goes backwards."),
        (("0-9a-z", 5), "These are 60,466,176 prefixes, and at most 1,000,000 are items of a run."),
        (("01", 999_999_999), "The `length` of prefixes is 1 to 20, not 999,999,999."),
        (("0-9", 3, 2), "The `longest` prefix is shorter than `length`."),
    ],
)
def test_prefixes_that_cannot_be_are_refused(arguments: tuple[Any, ...], refusal: str) -> None:
    with pytest.raises(UsageError) as caught:
        Prefixes(*arguments)
    assert str(caught.value).startswith(refusal)


def test_a_hyphen_at_either_end_stands_for_itself() -> None:
    assert Prefixes("a-c-").characters == "abc-"
    assert Prefixes("-a").characters == "-a"
