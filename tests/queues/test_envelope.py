"""A message is a small ASCII envelope; nothing in it can do more than be read or be refused (G8)."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from haulier.errors import BrokenEnvelopeError, HaulierError, NewerFormatError, UnknownKindError, UsageError
from haulier.queues.envelope import MAX_ATTEMPTS, MAX_BODY_BYTES, MAX_PAYLOAD_BYTES, Envelope, decode, encode

GOLDEN = Path(__file__).with_name("golden")
NUL = "\u0000"
SHARD = f"plan/{'0a' * 16}/000003.ndjson"


def message(**changes: Any) -> bytes:
    """An envelope as anybody may write it, each field replaced by what is asked for."""
    fields = {"v": 1, "kind": "by_id", "key": "by_id-1-9", "run_id": "full-20261123T222500Z", "payload": {}}
    return json.dumps({name: value for name, value in (fields | changes).items() if value is not ...}).encode()


def envelope(payload: bytes = b"{}", **changes: Any) -> Envelope:
    fields: dict[str, Any] = {"kind": "by_id", "key": "by_id-1-9", "run_id": "full-1"} | changes
    return Envelope(**fields, payload=msgspec.Raw(payload))


names = st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True)
counts = st.integers(0, 10_000)
payloads = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(
    kind=names,
    key=st.from_regex(r"[a-z][a-z0-9_]{0,20}(-[a-z0-9_]{1,20}){0,3}", fullmatch=True),
    run_id=st.from_regex(r"(full|incremental)-[0-9]{8}T[0-9]{6}Z", fullmatch=True),
    failures=counts,
    releases=counts,
    redrives=counts,
    resent=st.booleans(),
    payload=payloads,
)
def test_round_trip(payload: Any, **fields: Any) -> None:
    """What is encoded comes back equal, and the payload as the very JSON that went in."""
    raw = json.dumps(payload).encode()
    body = encode(envelope(raw, **fields))
    found = decode(body)
    assert {name: getattr(found, name) for name in fields} == fields
    assert bytes(found.payload) == raw
    assert encode(found) == body


@given(text=st.text())
@example("\u007f\u0080\u2028\U0001f69a\ufeff\uffff")
def test_message_is_ascii(text: str) -> None:
    """Queues that carry XML refuse some characters: whatever the payload holds, the message is printable ASCII."""
    raw = json.dumps({"a": [1.50, text], "b": 1}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    body = encode(envelope(raw))
    assert body.isascii()
    assert json.loads(bytes(decode(body).payload)) == {"a": [1.50, text], "b": 1}


def test_numbers_and_order_of_a_payload_stay() -> None:
    """Making a message ASCII rewrites characters alone: numbers, escapes, key order and duplicates stay (G6)."""
    body = encode(envelope('{"z":1E400,"a":1.50,"a":"\\u0041 é 🚚"}'.encode()))
    assert bytes(decode(body).payload) == b'{"z":1E400,"a":1.50,"a":"\\u0041 \\u00e9 \\ud83d\\ude9a"}'


def test_format_is_always_written() -> None:
    """A message names its format, so that no later haulier takes it for its own."""
    assert json.loads(encode(envelope()))["v"] == 1
    assert encode(envelope()) == b'{"v":1,"kind":"by_id","key":"by_id-1-9","run_id":"full-1","payload":{}}'


def test_48_kib_are_the_limit() -> None:
    """A message of 48 KiB is encoded; one byte more is refused, with the item and a remedy named."""
    room = MAX_BODY_BYTES - len(encode(envelope(b'""')))
    assert len(encode(envelope(b'"%s"' % (b"x" * room)))) == MAX_BODY_BYTES
    with pytest.raises(UsageError, match=r"'by_id-1-9' takes 49153 bytes as a message; the limit is 49152\. Put less"):
        encode(envelope(b'"%s"' % (b"x" * (room + 1))))


def test_limit_counts_what_is_sent() -> None:
    """The limit holds for the ASCII bytes: a character may take six of them, or twelve."""
    with pytest.raises(UsageError, match="takes"):
        encode(envelope(f'"{"é" * 10_000}"'.encode()))


@pytest.mark.parametrize("name", ["kind", "key", "run_id"])
@pytest.mark.parametrize("value", ["", "../../etc", "a/b", "a.b", "a b", f"a{NUL}", "a\n", "é", "-a", "a" * 121])
def test_impossible_names(name: str, value: str) -> None:
    """Names of a message become paths in the lake: what could leave its folder is neither written nor read."""
    with pytest.raises(BrokenEnvelopeError, match="A message is not a work item: its"):
        decode(message(**{name: value}))
    with pytest.raises(UsageError, match="cannot be a message"):
        encode(msgspec.structs.replace(envelope(), **{name: value}))


BROKEN = {
    "nothing": b"",
    "no JSON": b"hello",
    "cut": message()[:-1],
    "more than one": message() + message(),
    "a list": b"[1]",
    "a number": b"1",
    "null": b"null",
    "base64": b"eyJ2IjoxfQ==",
    "pickle": b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94",
    "no UTF-8": b'{"v":1,"kind":"\xff"}',
    "nested deeply": b"[" * 40_000,
    "payload nested deeply": message(payload=...)[:-1] + b',"payload":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "no format": message(v=...),
    "format 0": message(v=0),
    "format as text": message(v="1"),
    "format as fraction": message(v=1.5),
    "format as truth": message(v=True),
    "no kind": message(kind=...),
    "no key": message(key=...),
    "no run": message(run_id=...),
    "no payload": message(payload=...),
    "kind of another type": message(kind=7),
    "failures below zero": message(failures=-1),
    "failures as text": message(failures="2"),
    "releases beyond counting": message(releases=10**30),
    "redrives as fraction": message(redrives=0.5),
    "resent as number": message(resent=1),
    "reference in format 1": message(payload=..., held_in=SHARD),
    "neither payload nor reference": message(v=2, payload=...),
    "reference to a file above": message(v=2, payload=..., held_in="plan/../../../etc/passwd"),
    "reference to a file of another kind": message(v=2, payload=..., held_in="receipts/w1-1.ndjson"),
    "reference to an absolute path": message(v=2, payload=..., held_in="/etc/passwd"),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_broken_message(body: bytes) -> None:
    """What no haulier can read is one error, with the reason: it is poisoned at once, by name and not as unknown."""
    with pytest.raises(BrokenEnvelopeError, match=r"A message is not a work item: .") as caught:
        decode(body)
    assert not isinstance(caught.value, UnknownKindError)


@given(st.binary())
def test_any_bytes(body: bytes) -> None:
    """G8: any bytes at all are a message or an error of ours."""
    with contextlib.suppress(HaulierError):
        decode(body)


@pytest.mark.parametrize(
    "body",
    [message(v=3), message(v=3, kind=..., key=..., payload=...), b'{"v":3,"items":[]}', message(v=10**30)],
    ids=["same fields", "fewer fields", "other fields", "far away"],
)
def test_newer_message(body: bytes) -> None:
    """A message of a newer format is told from a broken one, whatever its fields: it is left to a newer worker."""
    with pytest.raises(
        NewerFormatError, match=r"A message in the queue has format .*; this haulier knows formats up to 2"
    ):
        decode(body)


def test_unknown_fields_are_passed_over() -> None:
    """A field that a later haulier adds to this format is no error, so that both may work side by side."""
    assert decode(message(priority=3)).key == "by_id-1-9"


def test_format_1_decodes_for_ever() -> None:
    """A message as the first haulier wrote it: every later one reads it, and this one writes the same bytes."""
    body = (GOLDEN / "message_1.json").read_bytes()
    found = decode(body)
    assert found == Envelope(
        v=1,
        kind="flights_by_id",
        key="flights_by_id-1-5000",
        run_id="full-20261123T222500Z",
        failures=2,
        releases=7,
        redrives=1,
        resent=True,
        payload=msgspec.Raw(b'{"ids":[1,5001],"note":"caf\\u00e9 \\ud83d\\ude9a","scale":1.50}'),
    )
    assert encode(found) == body


def test_format_2_decodes_for_ever() -> None:
    """A message that refers to a file of its run, as the first haulier with it wrote it."""
    body = (GOLDEN / "message_2.json").read_bytes()
    found = decode(body)
    assert found == Envelope(
        v=2, kind="flights_by_id", key="flights_by_id-1-5000", run_id="full-20261123T222500Z", failures=2, held_in=SHARD
    )
    assert not found.is_in_full
    assert encode(found) == body


def test_a_reference_never_carries_the_payload() -> None:
    """What a worker filled in from the file is not sent: it would fit in no message."""
    found = decode(encode(envelope(b'"%s"' % (b"x" * MAX_BODY_BYTES), held_in="children/by_id-1-99.json")))
    assert (found.v, found.held_in, found.is_in_full) == (2, "children/by_id-1-99.json", False)


def failed(found: Envelope, settled: str, *, worker: str = "w1") -> Envelope:
    """The message after one more attempt."""
    at = datetime(2026, 11, 24, 20, 59, 59, 123, UTC)
    noted = found.with_attempt(ValueError("a secret"), 500, settled, at=at, worker=worker)
    counted = {"failures": found.failures + 1} if settled == "charged" else {"releases": found.releases + 1}
    return msgspec.structs.replace(noted, **counted)


def test_a_message_tells_of_its_newest_attempts_and_never_forgets_a_charged_one_for_a_release() -> None:
    """Four failures between the releases of a long outage: all four are told, with the newest releases."""
    found = envelope()
    for number in range(40):
        found = decode(encode(failed(found, "charged" if number % 10 == 3 else "released")))
    assert [(one.number, one.settled) for one in found.attempts] == [
        *((number, "charged") for number in (4, 14, 24, 34)),
        *((number, "released") for number in (37, 38, 39, 40)),
    ]
    assert len(found.attempts) == MAX_ATTEMPTS
    assert b"a secret" not in encode(found), "G7: the class alone"


def test_a_message_drops_attempts_before_it_outgrows_its_queue() -> None:
    """The largest parameters with the longest names leave less room than eight attempts need."""
    long = "k" + "x" * 119
    raw = b'"' + b"p" * (MAX_PAYLOAD_BYTES - 2) + b'"'
    trace = f"00-{'f' * 32}-{'f' * 16}-01"
    found = envelope(raw, kind=long, key=long, run_id=long, source=long, trace=trace)
    for _ in range(12):
        body = encode(failed(found, "charged", worker="w" * 300))
        assert len(body) <= MAX_BODY_BYTES
        found = decode(body)
    assert bytes(found.payload) == raw
    assert found.trace == trace
    assert found.failures == 12
    assert 0 < len(found.attempts) < MAX_ATTEMPTS
    assert found.attempts[-1].number == 12


def test_an_older_reader_works_a_message_with_attempts() -> None:
    """It ignores what it does not know: the version that is said does not change for it."""

    class OlderEnvelope(msgspec.Struct):
        v: int
        key: str
        failures: int = 0

    found = msgspec.json.decode(encode(failed(envelope(), "charged")), type=OlderEnvelope)
    assert (found.v, found.key, found.failures) == (1, "by_id-1-9", 1)
