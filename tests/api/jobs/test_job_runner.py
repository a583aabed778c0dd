"""Jobs whose result is fetched later, against servers on loopback."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from haulier.api.answers.judgement import Rule
from haulier.api.errors import Action, ApiError
from haulier.api.http.urls import Encoded
from haulier.api.jobs.job import Job, JobRequest
from haulier.api.paging.cursors import Cursor
from haulier.api.paging.paginator import Paginator, Single
from haulier.api.records.skipped_rows import Skip
from haulier.api.session import ItemApi
from haulier.errors import UsageError
from haulier.sources.stream_rules import with_rules
from tests.api.paging.rig import Asked, Reply, client_of, ids_of, rows, says, serving, session_with, told

SECRET = "signature-of-a-file"
QUICK = timedelta(seconds=0.01)


def job_of(**others: Any) -> Job:
    """Asked about by its ID, quickly."""
    fixed = {"id": "id", "poll": JobRequest("/jobs/{job}"), "state": "state", "done": ("done",), "failed": ("bad",)}
    return Job(**{**fixed, "every": QUICK, **others})


def api_of(told: Callable[[int], Reply], others: Callable[[Asked], Reply] | None = None) -> Callable[[Asked], Reply]:
    """Starts job 7, and answers the n-th question about it as a test says."""
    count = 0

    def answer(asked: Asked) -> Reply:
        nonlocal count
        if asked.method == "POST":
            return Reply({"id": 7}, 202, headers=(("Set-Cookie", "node=a"),))
        if asked.path == "/jobs/7":
            count += 1
            return told(count)
        assert others is not None
        return others(asked)

    return answer


async def pulled(api: ItemApi, job: Job, pages: Paginator | None = None, **others: Any) -> list[Any]:
    asked: dict[str, Any] = {"records": "items", "method": "POST", "json": {"of": "all"}, **others}
    return await ids_of(api.pages("/jobs", pages=pages or Single(), job=job, **asked))


def state(word: str, **others: Any) -> Reply:
    return Reply({"state": word, **others})


async def test_a_result_is_paged_when_its_job_is_done() -> None:
    """The words of `done` end it; its result has pages as any list."""

    def result(asked: Asked) -> Reply:
        assert asked.path == "/jobs/7/rows"
        page = asked.number("page", 1)
        return Reply({"items": rows(page * 2, page * 2 + 2), "next": page + 1 if page < 3 else None})

    answer = api_of(lambda count: state("running" if count < 3 else "done", n=6), result)
    async with session_with(answer) as (api, server):
        job = job_of(result=JobRequest("/jobs/{job}/rows"), count="n")
        assert await pulled(api, job, Cursor("next", query="page")) == [2, 3, 4, 5, 6, 7]
        methods = [asked.method for asked in server.requests]
        assert methods == ["POST", *["GET"] * 6]


async def test_a_status_of_202_means_that_a_job_goes_on() -> None:
    """Without a state: by a Location that is asked, whose last answer has the records."""
    count = 0

    def answer(asked: Asked) -> Reply:
        nonlocal count
        count += 1
        if asked.method == "POST":
            return Reply(b"", 202, headers=(("Location", "status/7"),))
        assert asked.path == "/status/7"
        return Reply({}, 202, headers=(("Retry-After", "0"),)) if count < 4 else Reply({"items": rows(1, 3)})

    async with session_with(answer) as (api, _):
        job = Job(poll_header="Location", every=QUICK)
        assert await pulled(api, job) == [1, 2]


@pytest.mark.parametrize("word", [None, ""])
async def test_a_job_whose_state_is_empty_waits_for_its_turn(word: str | None) -> None:
    """An absent state is a path that is wrong; one that is there comes yet."""
    answer = api_of(lambda count: Reply({"state": word if count < 9 else "done", "items": rows(0, 2)}))
    async with session_with(answer) as (api, server):
        assert await pulled(api, job_of()) == [0, 1]
        assert [asked.method for asked in server.requests].count("POST") == 1


async def test_relative_addresses_of_a_job_go_behind_the_url_once() -> None:
    def answer(asked: Asked) -> Reply:
        assert asked.path.startswith("/prefix/")
        if asked.method == "POST":
            return Reply({}, 202, headers=(("Location", "jobs/7"),))
        if asked.path == "/prefix/jobs/7":
            return Reply({"state": "done", "url": "files/7"})
        assert asked.path == "/prefix/files/7"
        return Reply({"items": rows(1, 3)})

    words = {"state": "state", "done": ("done",), "failed": ("bad",), "every": QUICK}
    async with session_with(answer, "/prefix") as (api, _):
        job = Job(poll_header="Location", files="url", link_base="api", **words)  # type: ignore[arg-type]
        assert await pulled(api, job) == [1, 2]


async def test_g7_files_at_another_origin_get_no_credentials() -> None:
    """They come from a declared origin alone, as gzip or not, without our headers; a signature is in no message."""
    files = {
        "/a": gzip.compress(json.dumps({"items": rows(1, 3)}).encode()),
        "/b": json.dumps({"items": rows(3, 5)}).encode(),
    }
    async with serving(lambda asked: Reply(files[asked.path])) as storage:
        links = [f"{storage.url}{path}?sig={SECRET}" for path in files]
        answer = api_of(lambda count: state("done", files=[{"url": link} for link in links], n=4))
        async with session_with(answer, headers=(("X-Tenant", "mine"),), cookies="item") as (api, server):
            job = job_of(files="files.*.url", download_origin=(storage.url,), count="n")
            assert await pulled(api, job) == [1, 2, 3, 4]
            for asked in storage.requests:
                assert not {"authorization", "cookie"} & {name.lower() for name in asked.headers}
                assert "x-tenant" not in asked.headers
            assert all(asked.headers["x-tenant"] == "mine" for asked in server.requests)
            assert server.requests[-1].headers["cookie"] == "node=a"
            files["/b"] = b"<html>gone</html>"
            with pytest.raises(ApiError) as caught:
                await pulled(api, job)
            assert SECRET not in str(caught.value)
            before = len(storage.requests)
            with pytest.raises(ApiError, match="nothing was sent there") as refused:
                await pulled(api, job_of(files="files.*.url"))
            assert f'download_origin = ["{storage.url}"]' in str(refused.value)
            assert SECRET not in str(refused.value)
            assert len(storage.requests) == before


async def test_g7_a_file_of_the_api_may_be_a_redirect_to_a_declared_storage() -> None:
    """It gets no credentials there, nor to an origin that is not declared anything at all; and it is no empty file."""

    def stored(asked: Asked) -> Reply:
        if asked.path in ("/a", "/back"):
            to = "/b" if asked.path == "/a" else homes[0] + "/file"
            return Reply(b"", 307, headers=(("Location", to),))
        return Reply({"items": rows(1, 3)})

    homes: list[str] = []
    async with serving(stored) as storage:
        moved = (("Location", f"{storage.url}/a?sig={SECRET}"),)
        answer = api_of(lambda count: state("done", url="/file"), lambda asked: Reply(b"", 302, headers=moved))
        async with session_with(answer, headers=(("X-Tenant", "mine"),)) as (api, server):
            homes.append(server.url)
            assert await pulled(api, job_of(files="url", download_origin=(storage.url,))) == [1, 2]
            assert api.usage.ended_lists == 0
            assert [asked.path for asked in storage.requests] == ["/a", "/b"]
            for asked in storage.requests:
                assert not {"authorization", "x-tenant"} & {name.lower() for name in asked.headers}
            with pytest.raises(ApiError, match=r"at another origin.*nothing was sent there") as caught:
                await pulled(api, job_of(files="url"))
            assert f'download_origin = ["{storage.url}"]' in str(caught.value)
            assert SECRET not in str(caught.value)
            assert len(storage.requests) == 2
            moved = (("Location", f"{storage.url}/back"),)
            with pytest.raises(ApiError, match="a redirect that is not followed, back to the API"):
                await pulled(api, job_of(files="url", download_origin=(storage.url,)))


async def test_addresses_with_an_inner_host_are_asked_for_at_the_api_as_declared() -> None:
    inner = "http://10.0.0.5:8080"

    def answer(asked: Asked) -> Reply:
        if asked.method == "POST":
            return Reply({}, 202, headers=(("Location", f"{inner}/jobs/7"),))
        if asked.path == "/jobs/7":
            return Reply({"state": "done", "url": f"{inner}/files/7?part=1"})
        assert asked.target == "/files/7?part=1"
        return Reply({"items": rows(1, 3)})

    words = {"state": "state", "done": ("done",), "failed": ("bad",), "every": QUICK}
    async with session_with(answer) as (api, _):
        job = Job(poll_header="Location", files="url", link_origin="own", **words)  # type: ignore[arg-type]
        assert await pulled(api, job) == [1, 2]
        with pytest.raises(ApiError, match=r'leads to http://10\.0\.0\.5:8080.*write link_origin = "own" in `job`'):
            await pulled(api, Job(poll_header="Location"))
        with pytest.raises(
            ApiError, match=r"no header 'X-Job', which `poll_header` of `job` names; there are .*Location"
        ):
            await pulled(api, Job(poll_header="X-Job"))
        with pytest.raises(ApiError, match=r"'status_url'.*Check `job` of the stream"):
            await pulled(api, Job(poll_at="status_url"))


@pytest.mark.parametrize(
    ("answered", "job", "action", "text"),
    [
        (state("bad", why="no such field"), job_of(), Action.RETRY_LATER, "ended with the state 'bad'.*no such field"),
        (
            state("odd"),
            job_of(within=timedelta(seconds=0.05)),
            Action.RETRY_LATER,
            "did not end within 0.05 s; its state is 'odd'",
        ),
        (
            state("done", items=rows(1, 3), n=3),
            job_of(count="n"),
            Action.RESTART,
            "has 3 records, as 'n' says, and 2 came",
        ),
        (state("done", files=None), job_of(files="files"), Action.POISON, "no address at 'files'"),
        (state("done", files=["/gone"]), job_of(files="files"), Action.RESTART, "not there any more"),
        (state("done"), job_of(result=JobRequest("/jobs/{job}/rows")), Action.RESTART, "not there any more"),
        (
            state("done", files=[{"url": "/a"}, {"url": None}]),
            job_of(files="files.*.url"),
            Action.POISON,
            "member of the list of files has nothing at 'url'",
        ),
        (
            state("done", files=[{"url": "/a"}, {"name": "b"}]),
            job_of(files="files.*.url"),
            Action.POISON,
            "member of the list of files has nothing at 'url'",
        ),
        (state("done", files=["/a", "/a"]), job_of(files="files"), Action.POISON, "names a file twice"),
        (state("done"), job_of(files="files.*.url"), Action.POISON, 'empty = "no files"'),
        # Not asked again for the hour that the job has.
        (state("done"), job_of(state="status"), Action.RETRY_LATER, "nothing at 'status'.*Check `job` of the stream"),
    ],
    ids=[
        "failed",
        "too late",
        "fewer records",
        "no address",
        "expired",
        "result gone",
        "null address",
        "no address in",
        "twice",
        "no files",
        "no state",
    ],
)
async def test_g1_a_job_that_did_not_end_well_has_no_records(
    answered: Reply, job: Job, action: Action, text: str
) -> None:
    async with session_with(api_of(lambda count: answered, lambda asked: Reply({}, 404))) as (api, _):
        with pytest.raises(ApiError, match=text) as caught:
            await pulled(api, job, empty=[404])
        assert caught.value.action is action
        assert "by a rule of the source" not in str(caught.value)


async def test_a_job_without_files_has_no_records_where_that_is_declared() -> None:
    async with session_with(api_of(lambda count: state("done", files=[]))) as (api, _):
        assert await pulled(api, job_of(files="files", may_lack_files=True)) == []


async def test_a_job_is_asked_about_again_after_an_outage() -> None:
    """Another job would cost as much again, for ever."""
    done = says({"state": "done", "items": rows(1, 3)})
    async with told(says({"id": 7}, 202), *[says({}, 503)] * 12, done) as (api, transport, clock, _):
        pulling = asyncio.create_task(pulled(api, job_of(every=timedelta(seconds=5))))
        await clock.run_for(300)
        assert await asyncio.wait_for(pulling, 1) == [1, 2]
        assert [request.method for request in transport.requests].count("POST") == 1


async def test_a_busy_api_is_asked_again() -> None:
    """Shopify: one operation at a time; the refusal comes under 200."""
    jobs = api_of(lambda count: state("done", items=rows(1, 2)))
    refusals = 3

    def answer(asked: Asked) -> Reply:
        nonlocal refusals
        if asked.method == "POST" and refusals:
            refusals -= 1
            return Reply({"userErrors": [{"message": "One is already in progress"}]})
        return jobs(asked)

    busy = (Rule(Action.END, text="already in progress"),)
    async with session_with(answer) as (api, _):
        assert await pulled(api, job_of(busy=busy)) == [1]
        refusals = 1000
        with pytest.raises(ApiError, match=r"busy with other jobs for 0\.05 s.*already in progress") as caught:
            await pulled(api, job_of(busy=busy, within=timedelta(seconds=0.05)))
        assert caught.value.action is Action.RETRY_LATER


async def test_what_may_be_absent_is_so_for_the_request_that_starts_a_job() -> None:
    async with session_with(lambda asked: Reply({}, 404)) as (api, _):
        assert await pulled(api, job_of(), with_rules(Single(), (), skips_absent=True)) == []
        assert api.usage.ended_lists == 1
    async with session_with(api_of(lambda count: state("done"), lambda asked: Reply({}, 410))) as (api, _):
        job = job_of(result=JobRequest("/jobs/{job}/rows"))
        with pytest.raises(ApiError, match="not there any more"):
            await pulled(api, job, with_rules(Single(), (), skips_absent=True))
        assert api.usage.ended_lists == 0


async def test_the_count_of_a_job_has_the_rows_that_are_skipped() -> None:
    items = [{"id": 1}, {"id": 2, "gone": True}]
    async with session_with(api_of(lambda count: state("done", items=items, n=2))) as (api, _):
        assert await pulled(api, job_of(count="n"), skip=[Skip("gone")]) == [1]


def test_an_encoded_value_stays_so_when_the_job_is_named() -> None:
    ((_, value),) = JobRequest("/jobs", query=(("of", Encoded("a%2C{job}")),)).of("7/8").query
    assert isinstance(value, Encoded)
    assert value == "a%2C7%2F8"


@pytest.mark.parametrize("status", [401, 403, 429, 503])
async def test_what_a_storage_answers_says_nothing_of_the_api(status: int) -> None:
    """Neither that its credentials are refused, nor that it is down, or asks everybody to wait."""
    headers = (("Retry-After", "0"),)
    async with (
        serving(lambda asked: Reply({}, status, headers=headers)) as storage,
        serving(api_of(lambda count: state("done", files=[storage.url + "/a"]))) as server,
        client_of(server.url) as client,
    ):
        job = job_of(files="files", download_origin=(storage.url,))
        with pytest.raises(ApiError) as caught:
            await pulled(client.session(), job)
        assert caught.value.action is (Action.RESTART if status < 404 else Action.RETRY_LATER)
        assert client.scope.pause_seconds_left <= 0.0
        assert client.scope.refusal is None


async def test_the_item_stands_still_while_its_job_goes_on() -> None:
    """Its deadline is about requests; a job has a time of its own."""
    seen: list[bool] = []

    async def look(api: ItemApi) -> None:
        while not seen or not seen[-1]:
            seen.append(api.is_held)
            await asyncio.sleep(0.001)

    answer = api_of(lambda count: state("done", items=rows(1, 2)) if count > 2 else state("running"))
    async with session_with(answer) as (api, _):
        looking = asyncio.create_task(look(api))
        assert await pulled(api, job_of(every=timedelta(seconds=0.05))) == [1]
        await asyncio.wait_for(looking, 1)
        assert not api.is_held


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"poll": None}, "Name one of poll, poll_at and poll_header."),
        ({"id": ""}, "{job} needs `id`"),
        ({"poll": JobRequest("/jobs")}, "Write {job} in `poll`"),
        ({"failed": ()}, "needs the words that mean `done` and `failed`"),
        ({"failed": ("done",)}, "'done' cannot mean both"),
        ({"download_origin": ("https://a.example",)}, "Only `files` come from another origin"),
        ({"files": "url", "download_origin": ("http://a.example",)}, "is not https"),
        ({"files": "url", "download_origin": ("https://a.example/x",)}, "has a path"),
        ({"every": timedelta(days=1)}, "no longer than `within`"),
    ],
)
def test_a_job_that_contradicts_itself_is_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        job_of(**arguments)
    assert text in str(caught.value)
