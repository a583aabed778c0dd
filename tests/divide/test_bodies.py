"""An answer that could not be read is kept as it came: capped, redacted, create-only, named in the poison record."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from haulier.api.errors import Action, ApiError
from haulier.api.http.redactor import MASK, Redactor
from haulier.api.identity.auth import Bearer
from haulier.api.requester import MAX_KEPT_BODY_BYTES
from haulier.clock import SystemClock
from haulier.lake.local.lake import LocalLake
from haulier.runs.records import RunFile
from haulier.runs.run import Run
from haulier.worker.bodies import MAX_BODIES, keep_body
from tests.divide.api import page, serve
from tests.divide.rig import opened, shop

TOKEN = "canary-9f31-daily"
PASSWORD = "canary-täglich"


def broken(text: bytes) -> web.Response:
    return web.Response(body=text, content_type="application/json")


async def test_the_answer_of_the_bad_record_is_kept_and_named(tmp_path: Path) -> None:
    """G7: what the API sent is there to be looked at, the whole of it if it is small; the token that it echoes is not.

    The item goes its way all the same."""

    async def answer(first: int, last: int) -> web.Response:
        if first <= 3 < last:
            return broken(b'{"items":[{"id":3,"echo":"Bearer %s","text":"\xff\xfe"},]}' % TOKEN.encode())
        return page(first, last)

    async with serve(answer) as api:
        app = shop(tmp_path, api.url, step=4, last=4)
        app.api = replace(app.api, auth=Bearer(TOKEN))
        async with opened(app, tmp_path) as run:
            await run.work()
            assert (await run.verdict()).reasons == {"poison": 1}
            (record,) = run.poison.values()
            assert record.body == run.run.paths.body("items_ids-3-4", 1)
            kept = Path(run.site.lake.locate(record.body)).read_bytes()
            assert kept == b'{"items":[{"id":3,"echo":"Bearer %s","text":"\xff\xfe"},]}' % MASK.encode()
            names = sorted(path.name for path in (run.root / "bodies").iterdir())
            assert names == ["items_ids-1-5.1", "items_ids-3-4.1"], (
                "of the parts in between there is nothing new to see"
            )
            assert not any(
                TOKEN.encode() in path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file()
            )


async def test_an_error_is_no_body_to_keep(tmp_path: Path) -> None:
    """A status says what it is; its excerpt stands in the poison record."""

    async def answer(first: int, last: int) -> web.Response:
        return web.Response(status=500, text="<html>") if first <= 3 < last else page(first, last)

    async with serve(answer) as api, opened(shop(tmp_path, api.url, step=4, last=8), tmp_path) as run:
        await run.work()
        (record,) = run.poison.values()
        assert (record.body, record.excerpt) == ("", "<html>")
        assert not (run.root / "bodies").exists()


@pytest.mark.parametrize("beyond", [-1, 0, 1, 5_000, 500_000])
def test_a_kept_body_is_cut_without_half_a_secret(beyond: int) -> None:
    """G7: the first 64 KiB, masked before they are cut, whatever the cut falls on; what is no text stays as it is."""
    redactor = Redactor()
    redactor.add(PASSWORD)
    secret = PASSWORD.encode()
    body = b"\xff\x00[" + b"x" * (MAX_KEPT_BODY_BYTES + beyond) + secret + b"]" + b"y" * 100_000
    kept = redactor.head(body, MAX_KEPT_BODY_BYTES)
    assert kept == body[:MAX_KEPT_BODY_BYTES]
    early = b"\xff " + secret * 3 + b" \xe4" + b"x" * (MAX_KEPT_BODY_BYTES + beyond)
    kept = redactor.head(early, MAX_KEPT_BODY_BYTES)
    assert len(kept) == min(MAX_KEPT_BODY_BYTES, len(early) - 3 * (len(secret) - len(MASK)))
    assert kept.startswith(b"\xff ********* \xe4x")


@pytest.mark.parametrize("piece", [b"a-", b"a.b+", b"api-", b'"cookie" '], ids=repr)
def test_no_body_is_slow_to_redact(piece: bytes) -> None:
    """An API decides what it sends: a search whose time grows with the square would hold the worker for a minute."""
    body = piece * (MAX_KEPT_BODY_BYTES // len(piece))
    assert Redactor().head(body, MAX_KEPT_BODY_BYTES) == body


def a_run() -> Run:
    moment = datetime(2026, 11, 24, tzinfo=UTC)
    file = RunFile(
        run_id="full-20261124T000000Z",
        source="shop",
        mode="full",
        snapshot_time=moment,
        created_at=moment,
        fingerprint="",
        streams=("items",),
    )
    return Run.of(file)


async def test_the_first_answer_stays_and_a_run_keeps_a_hundred(tmp_path: Path) -> None:
    """Create-only, and bounded: an API that sends a web page to 20,000 items fills no lake."""
    run, lake = a_run(), LocalLake(tmp_path / "lake", SystemClock())

    async def keep(key: str, body: bytes, number: int = 1) -> str:
        return await keep_body(
            lake, run, key, number, ApiError("bad", action=Action.RETRY_LATER, status=200, body=body)
        )

    path = await keep("k-0", b"first")
    assert await keep("k-0", b"second") == path
    assert await lake.read(path) == b"first"
    assert await keep("k-0", b"after a redrive", 2) != path
    paths = [await keep(f"k-{number}", b"more") for number in range(1, MAX_BODIES + 5)]
    assert paths[-6:] == [*("" for _ in range(6))]
    assert len(await lake.names(run.paths.bodies)) == MAX_BODIES
    assert await keep("k-0", b"third") == path, "what is kept is still told"
    assert await keep_body(lake, run, "k-x", 1, ValueError("no answer at all")) == ""
    await lake.close()
