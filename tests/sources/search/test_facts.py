"""What search servers do that loses documents elsewhere: each is met here; every document comes once, or the run fails.

G1, G3, G6: the lake is compared with what the server holds, byte for byte.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from haulier.errors import HaulierError, UsageError
from haulier.testing import RunResult, run_app
from tests.harness.search_fake import Index, SearchFake, lost, serving_search
from tests.harness.search_query import Document

DAYS = ("2026-01-01", "2026-01-02")
NOW = datetime(2026, 1, 4, tzinfo=UTC)
TIME = "@timestamp"
MAPPING = {TIME: "date", "event": "keyword", "url": "keyword"}
SOURCE = """
source = "events"
[api]
url = "http://127.0.0.1:1"
[streams.clicks]
search = {{ index = "clicks-*", size = 50{more} }}
[streams.clicks.full.windows]
start = 2026-01-01T00:00:00Z
end = 2026-01-03T00:00:00Z
step = "1d"
"""
BY_TIME = ', time = "@timestamp"'
PER_DAY = 120


def clicks() -> dict[str, Index]:
    """Of each day 120, with equal times but for the first and the last moment; numbers as no parser keeps them."""
    first, second = Index(dict(MAPPING)), Index(dict(MAPPING))
    for day in DAYS:
        for number in range(PER_DAY):
            moment = {0: "00:00:00Z", 1: "23:59:59.999Z"}.get(number, "12:00:00.000Z")
            id = f"{day}/{number}"
            url = "/" + "x" * (300 if number == 60 else 3)
            source = f'{{"{TIME}":"{day}T{moment}","event":"{id}","n":1.10,"url":"{url}\\u00e9"}}'
            (first if number % 2 else second).documents[id] = source.encode()
    return {"clicks-a": first, "clicks-b": second, "other": Index({})}


def held(fake: SearchFake) -> list[bytes]:
    """The documents of the server."""
    return sorted(text for name, index in fake.indices.items() if name != "other" for text in index.documents.values())


async def run(fake: SearchFake, folder: Path, more: str = BY_TIME) -> RunResult:
    file = folder / "events.toml"
    file.write_text(SOURCE.format(more=more))
    async with serving_search(fake) as url:
        return await run_app(file, api=url, now=NOW)


SERVERS = {
    "elasticsearch": (SearchFake(), ""),
    "elasticsearch 7.10": (SearchFake(version="7.10.2"), ', tie = "event"'),
    "opensearch": (SearchFake("opensearch", "3.3.0"), ""),
    "opensearch 2": (SearchFake("opensearch", "2.11.0"), ', tie = "event"'),
    "opensearch that shows 7.10.2": (SearchFake("opensearch", "2.11.0", shown="7.10.2"), ', tie = "event"'),
    "new names": (SearchFake(ids_change=True), ""),
}


@pytest.mark.parametrize("server", SERVERS)
async def test_documents_with_equal_times_come_once_from_each_server(server: str, tmp_path: Path) -> None:
    """By a last sort key that no two documents share, whose values go back as they came: those of `_shard_doc` are
    above 2^53. The point in time is kept alive by each page, asked without an index, and given back."""
    fake, tie = copy.deepcopy(SERVERS[server])
    fake.indices = clicks()
    # The pages of a day take longer than its point in time is kept for.
    fake.step = 8.0
    result = await run(fake, tmp_path, BY_TIME + tie)
    assert sorted(result.lines) == held(fake)
    assert fake.snapshots == {}
    paged = [body for body in fake.searches if "pit" in body]
    assert len(paged) >= 3 * len(DAYS)
    assert {json.dumps(body["sort"]) for body in paged} == {'["event"]' if tie else '["_shard_doc"]'}


async def test_a_server_without_points_in_time_is_asked_by_smaller_windows(tmp_path: Path) -> None:
    """Amazon's Elasticsearch 7.10 has none. Nothing is paged there, and no scroll is opened: the day is divided."""
    fake = SearchFake(version="7.10.2", flavor="oss", indices=clicks())
    for index in fake.indices.values():
        for id, source in index.documents.items():
            day, number = id.split("/")
            moment = f"{day}T{int(number) // 5:02}:{int(number) % 5 * 12:02}:00".encode()
            index.documents[id] = source.replace(json.loads(source)[TIME].rstrip("Z").encode(), moment)
    result = await run(fake, tmp_path)
    assert sorted(result.lines) == held(fake)
    assert all(body.get("from", 0) + body["size"] <= 10_000 for body in fake.searches)


async def test_without_a_key_of_its_own_an_old_opensearch_is_refused(tmp_path: Path) -> None:
    """Before 3.3 it has no `_shard_doc`, and would lose documents with equal times."""
    fake = SearchFake("opensearch", "2.11.0", indices=clicks())
    with pytest.raises(UsageError, match=r"OpenSearch 2\.11\.0 cannot sort by `_shard_doc`.*tie = "):
        await run(fake, tmp_path)


@pytest.mark.parametrize(
    ("kind", "unit", "moments"),
    [
        ("date_nanos", "", ["T00:00:00Z", "T23:59:59.999999999Z", "T23:59:59.999000001Z"]),
        ("date", "", ["T00:00:00Z", "T23:59:59.999Z", "T11:00:00.5Z"]),
        ("epoch_second", "", [0, 86_399, 86_398]),
        ("long", ', unit = "s"', [0, 86_399, 86_398]),
        ("long", ', unit = "ms"', [0, 86_399_999, 86_399_000]),
    ],
)
async def test_windows_are_half_open_in_every_kind_of_time(
    kind: str, unit: str, moments: list[Any], tmp_path: Path
) -> None:
    """The last moment of a day is in it, and the first of the next one is not. The format is said for each date."""
    index = Index({TIME: kind})
    for number, day in enumerate(DAYS):
        start = (1_767_225_600 + number * 86_400) * (1000 if "ms" in unit else 1)
        for moment in moments:
            value = f'"{day}{moment}"' if isinstance(moment, str) else str(start + moment)
            index.documents[f"{day}{moment}"] = f'{{"{TIME}":{value}}}'.encode()
    fake = SearchFake(indices={"clicks-a": index})
    result = await run(fake, tmp_path, BY_TIME + unit)
    assert sorted(result.lines) == held(fake)
    assert [len(item.lines) for item in result.items] == [3] * len(DAYS)
    for body in fake.searches:
        bounds = body["query"]["bool"]["filter"][0]["range"][TIME]
        assert set(bounds) == {"gte", "lt"} | (set() if unit else {"format"})


Effect = Callable[[Document, Document], Document | web.Response | None]


def partial(body: Document, answer: Document) -> Document:
    """A shard is away, and the answer is good otherwise: its total is that of the others."""
    kept = [hit for hit in answer["hits"]["hits"] if hit["_index"] == "clicks-a"]
    failures = [{"shard": 0, "reason": {"type": "no_shard_available_action_exception", "reason": "away"}}]
    shards = {**answer["_shards"], "failed": 3, "successful": 3, "failures": failures}
    return {**answer, "_shards": shards, "hits": {"total": {"value": len(kept), "relation": "eq"}, "hits": kept}}


def partly_lost(body: Document, answer: Document) -> Document:
    failures = [{"shard": 0, "reason": {"type": "search_context_missing_exception", "reason": "No search context"}}]
    return {**answer, "_shards": {**answer["_shards"], "failed": 1, "failures": failures}}


def late(body: Document, answer: Document) -> Document:
    return {**answer, "timed_out": True, "hits": {"total": {"value": 0, "relation": "eq"}, "hits": []}}


def nowhere(body: Document, answer: Document) -> Document:
    """What is answered where no index has the name."""
    shards = {"total": 0, "successful": 0, "skipped": 0, "failed": 0}
    return {**answer, "_shards": shards, "hits": {"total": {"value": 0, "relation": "eq"}, "hits": []}}


def short(body: Document, answer: Document) -> Document:
    return {**answer, "hits": {**answer["hits"], "hits": answer["hits"]["hits"][1:]}}


def doubled(body: Document, answer: Document) -> Document:
    """One document in the place of another: the count is right."""
    hits = answer["hits"]["hits"]
    return {**answer, "hits": {**answer["hits"], "hits": [{**hits[1], "sort": hits[0].get("sort")}, *hits[1:]]}}


def uncounted(body: Document, answer: Document) -> Document:
    """What stands in it is the least that there may be, though all were to be counted."""
    least = {"value": len(answer["hits"]["hits"]), "relation": "gte"}
    return {**answer, "hits": {**answer["hits"], "total": least}}


def gone(body: Document, answer: Document) -> web.Response:
    refused = lost()
    return web.json_response(refused.body, status=refused.status)


def busy(body: Document, answer: Document) -> web.Response:
    cause = {
        "type": "es_rejected_execution_exception",
        "reason": "rejected execution of ... on QueueResizingEsThreadPool",
    }
    return web.json_response({"error": {"root_cause": [cause], **cause}, "status": 429}, status=429)


def gateway(status: int) -> Effect:
    """The page was made, and its answer is lost on the way."""
    return lambda body, answer: web.Response(status=status, text="<html>Gateway</html>", content_type="text/html")


def cut(body: Document, answer: Document) -> web.Response:
    text = json.dumps({"took": 1, "hits": {"hits": []}})
    return web.Response(body=text[:-9], content_type="application/json")


ONCE: dict[str, Effect] = {
    "shards away": partial,
    "timed out": late,
    "a document is not sent": short,
    "a document comes twice": doubled,
    "the total is not counted": uncounted,
    "the point in time is gone": gone,
    "a part of the point in time is gone": partly_lost,
    "429": busy,
    "502": gateway(502),
    "504, and the page was made": gateway(504),
    "cut": cut,
}


def at_search(number: int, effect: Effect, *, then: bool = False) -> Callable[[SearchFake, Document, Document], Any]:
    """The effect on the n-th search that finds documents, and on those after it if ``then``."""
    seen = 0

    def see(fake: SearchFake, body: Document, answer: Document) -> Document | web.Response | None:
        nonlocal seen
        if len(answer["hits"]["hits"]) < 2 or body["size"] < 2:
            return None
        seen += 1
        return effect(body, answer) if seen == number or (then and seen > number) else None

    return see


@pytest.mark.parametrize("effect", ONCE)
async def test_what_happens_once_loses_nothing(effect: str, tmp_path: Path) -> None:
    """On a page of a point in time: it is asked again, or its day begins again."""
    seen: list[str] = []

    def note(body: Document, answer: Document) -> Document | web.Response | None:
        seen.append(effect)
        return ONCE[effect](body, answer)

    fake = SearchFake(indices=clicks(), effect=at_search(4, note))
    result = await run(fake, tmp_path)
    assert seen == [effect]
    assert sorted(result.lines) == held(fake)
    assert fake.snapshots == {}


async def test_what_happens_once_to_a_day_of_one_page_loses_nothing(tmp_path: Path) -> None:
    """Such a day is read by one search without a point in time. Each of its first answers is bad in another way."""
    for name, effect in ONCE.items():
        if "point in time" not in name:
            fake = SearchFake(indices=clicks(), effect=at_search(1, effect))
            for index in fake.indices.values():
                index.documents = dict(list(index.documents.items())[:20])
            result = await run(fake, tmp_path)
            assert sorted(result.lines) == held(fake), name


@pytest.mark.parametrize(
    "effect",
    ["timed out", "a document is not sent", "a document comes twice", "the total is not counted"],
)
async def test_what_stays_so_is_no_success(effect: str, tmp_path: Path) -> None:
    """Never an empty day, and never one that lacks something: the run fails in words. (Shards that stay away are an
    outage, which a run waits for.)"""
    fake = SearchFake(indices=clicks(), effect=at_search(1, ONCE[effect], then=True))
    with pytest.raises(HaulierError):
        await run(fake, tmp_path)
    assert fake.snapshots == {}


async def test_a_point_in_time_that_a_node_has_lost_is_not_asked_again(tmp_path: Path) -> None:
    """The others answer under 200: shards fail, as in an outage, and would for as long as it is asked."""
    lost_ones: set[str] = set()

    def lose(fake: SearchFake, body: Document, answer: Document) -> Document | None:
        name = body.get("pit", {}).get("id", "")
        if name and len(lost_ones) < len(DAYS):
            lost_ones.add(name)
        return partly_lost(body, answer) if name in lost_ones else None

    fake = SearchFake(indices=clicks(), effect=lose)
    result = await run(fake, tmp_path)
    assert len(lost_ones) == len(DAYS)
    assert sorted(result.lines) == held(fake)


async def test_an_index_that_goes_away_in_mid_run_is_no_empty_day(tmp_path: Path) -> None:
    """200, no hits, `_shards.total` 0: a person's matter."""
    fake = SearchFake(indices=clicks(), effect=at_search(1, nowhere, then=True))
    with pytest.raises(UsageError, match=r"_shards\.total is 0"):
        await run(fake, tmp_path)


async def test_a_key_that_a_document_lacks_is_an_error_and_no_end(tmp_path: Path) -> None:
    """A keyword above 256 characters sorts as null, behind which nothing can be asked for."""
    fake = SearchFake("opensearch", "2.11.0", indices=clicks())
    for index in fake.indices.values():
        index.documents = {id: text.replace(b"/xxx", b"/" + b"y" * 300) for id, text in index.documents.items()}
    with pytest.raises(HaulierError, match=r"has no 'url' \(`tie`\).*ignore_above"):
        await run(fake, tmp_path, BY_TIME + ', tie = "url"')
    assert fake.snapshots == {}


async def test_too_many_points_in_time_are_waited_for(tmp_path: Path) -> None:
    """OpenSearch allows 300 on a node, those of others among them."""
    fake = SearchFake("opensearch", "3.3.0", indices=clicks(), refuses=2)
    result = await run(fake, tmp_path)
    assert sorted(result.lines) == held(fake)
    assert fake.refuses < 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda fake: fake.indices.clear(), r"No index is called 'clicks-\*', or none that the credentials may read"),
        (lambda fake: fake.indices["clicks-b"].mapping.pop(TIME), r"The field '@timestamp' is missing in 'clicks-b'"),
        (
            lambda fake: [index.mapping.pop(TIME, None) for index in fake.indices.values()],
            r"No index of 'clicks-\*' has a field '@timestamp', so that every window would be empty",
        ),
        (
            lambda fake: fake.indices["clicks-a"].documents.update(x=b'{"event":"x"}'),
            r"1 document of 'clicks-\*' would be in no window: they have no '@timestamp'",
        ),
    ],
)
async def test_what_would_make_every_day_empty_is_an_error_of_the_plan(
    change: Callable[[SearchFake], Any], words: str, tmp_path: Path
) -> None:
    """These servers answer each of it with 200 and no hits."""
    fake = SearchFake(indices=clicks())
    change(fake)
    with pytest.raises(UsageError, match=words):
        await run(fake, tmp_path)


async def test_id_and_index_stand_in_front_of_the_documents_own_bytes(tmp_path: Path) -> None:
    """Asked for by `add`; else the lake has the document and nothing else."""
    fake = SearchFake(indices=clicks())
    result = await run(fake, tmp_path, BY_TIME + ', add = ["_id", "_index"]')
    wanted = [
        b'{"_id":"%b","_index":"%b",%b' % (id.encode(), name.encode(), text[1:])
        for name, index in fake.indices.items()
        for id, text in index.documents.items()
    ]
    assert sorted(result.lines) == sorted(wanted)


@pytest.mark.parametrize("server", ["elasticsearch", "opensearch"])
async def test_slices_of_one_point_in_time_are_whole(server: str, tmp_path: Path) -> None:
    """Read at once, of a day that is too large for one."""
    fake, _ = copy.deepcopy(SERVERS[server])
    fake.indices = clicks()
    result = await run(fake, tmp_path, BY_TIME + ", slices = 3")
    assert sorted(result.lines) == held(fake)
    assert fake.snapshots == {}
