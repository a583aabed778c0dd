"""Bodies that some client takes for right (docs/sandbox.md#faults): each is wrong in the way that its name says."""

import gzip
import json
import zlib
from collections.abc import Callable

import pytest

from haulier.testing.sandbox import Sandbox, SandboxSettings
from haulier.testing.sandbox.corruption import CORRUPTION_KINDS, corrupt_wire
from haulier.testing.sandbox.setting_groups import CorruptionKind
from haulier.testing.sandbox.wire import Answer
from tests.testing.wire import Reply, answer, connected

WHOLE = SandboxSettings(records=10)


def does_not_decompress(body: bytes) -> bool:
    try:
        gzip.decompress(body)
    except (OSError, EOFError, zlib.error):
        return True
    return False


def is_json(body: bytes) -> bool:
    try:
        json.loads(body, parse_constant=refused)
    except ValueError:
        return False
    return True


def refused(text: str) -> object:
    raise ValueError(text)


Look = Callable[[Reply, bytes], bool]
LOOKS: dict[CorruptionKind, Look] = {
    "length_short": lambda reply, whole: reply.is_whole and reply.body == whole[: len(whole) // 2],
    "length_long": lambda reply, whole: not reply.is_whole and reply.body == whole,
    "gzip_cut": lambda reply, whole: reply.is_whole and does_not_decompress(reply.body),
    "gzip_crc": lambda reply, whole: (
        reply.is_whole
        and does_not_decompress(reply.body)
        and zlib.decompress(reply.body[10:-8], wbits=-zlib.MAX_WBITS) == whole
    ),
    "chunked_cut": lambda reply, whole: not reply.is_whole and reply.body == whole[: len(whole) // 2],
    "json_stops": lambda reply, whole: reply.is_whole and reply.body == whole[: len(whole) // 2],
    "html": lambda reply, whole: (
        reply.is_whole and reply.headers["content-type"] == "text/html" and b"<html>" in reply.body
    ),
    "bom": lambda reply, whole: reply.is_whole and reply.body == b"\xef\xbb\xbf" + whole,
    "nan": lambda reply, whole: (
        reply.is_whole and not is_json(reply.body) and reply.body.replace(b'"score":NaN', b'"score":1e2') == whole
    ),
}


@pytest.mark.parametrize("kind", CORRUPTION_KINDS)
async def test_a_body_is_wrong_in_its_own_way(kind: CorruptionKind) -> None:
    """``corrupt_kinds``: under status 200, counted by kind, and no answer after it is harmed."""
    async with Sandbox(SandboxSettings(records=10, corrupt_rate=1.0, corrupt_kinds=(kind,))) as api:
        broken = await answer(api.url, "/items", Accept_Encoding="gzip")
        assert api.counters.corrupt == {kind: 1}
        api.change(corrupt_rate=0.0)
        whole = await answer(api.url, "/items")
        assert broken.status == 200
        assert is_json(whole.body)
        assert LOOKS[kind](broken, whole.body)
        assert ("content-encoding" in broken.headers) is kind.startswith("gzip")


@pytest.mark.parametrize("kind", CORRUPTION_KINDS)
async def test_a_connection_ends_where_its_framing_is_broken(kind: CorruptionKind) -> None:
    """What is wrong within the body leaves the connection good for the next request."""
    settings = SandboxSettings(records=10, corrupt_rate=1.0, corrupt_kinds=(kind,))
    async with Sandbox(settings) as api, connected(api.url) as wire:
        wire.get("/items", Accept_Encoding="gzip")
        assert await wire.reply() is not None
        api.change(corrupt_rate=0.0)
        if kind in ("length_short", "length_long", "chunked_cut"):
            await wire.reader.read()
            assert await wire.ended()
        else:
            wire.get("/count")
            reply = await wire.reply()
            assert reply is not None
            assert reply.body == b'{"count":10}'


async def test_kinds_come_in_turn() -> None:
    """Without names all of them; for a client that takes no gzip, JSON that stops in place of those."""
    async with Sandbox(SandboxSettings(corrupt_rate=1.0)) as api:
        for _ in CORRUPTION_KINDS * 2:
            await answer(api.url, "/items", Accept_Encoding="gzip")
        assert api.counters.corrupt == dict.fromkeys(CORRUPTION_KINDS, 2)
        api.change(corrupt_kinds=["gzip_cut", "gzip_crc", "bom"])
        for _ in range(3):
            await answer(api.url, "/items")
        assert api.counters.corrupt["json_stops"] == 4
        assert api.counters.corrupt["bom"] == 3
        assert api.counters.corrupt["gzip_cut"] == 2


def test_a_body_without_a_score_has_its_first_number_spoilt() -> None:
    """NaN gets into any answer that holds a number."""
    assert corrupt_wire(Answer(200, b'{"count":10}'), "nan").endswith(b'{"count":NaN}')
    awkward = Answer(200, b'{"items":[{\r\n"id" : 1,"score":1E+2,"note":"x"}]}')
    assert corrupt_wire(awkward, "nan").endswith(b'"score":NaN,"note":"x"}]}')


async def test_a_corrupt_answer_takes_its_time() -> None:
    """It is an answer like others: by chance, in its turn, and after its latency."""
    settings = SandboxSettings(corrupt_rate=0.5, corrupt_kinds=("html",), latency_seconds=0.001, knee=1)

    async def run() -> list[str]:
        async with Sandbox(settings) as api:
            return [(await answer(api.url, "/count")).headers["content-type"] for _ in range(40)]

    first = await run()
    assert first == await run()
    assert 8 < first.count("text/html") < 32
