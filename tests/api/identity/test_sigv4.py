"""AWS's signatures: what is signed is what leaves, with credentials as botocore finds them."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from haulier.api.errors import Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import Request, Response, TransportError
from haulier.api.identity.shared_token import TokenFile
from haulier.api.identity.sigv4 import AwsSignature
from haulier.clock import SystemClock
from haulier.errors import UsageError
from tests.api.wire.raw_server import Answer, Seen, http, raw_server
from tests.api.wire.wire import get, transport_to
from tests.docs.fake_server import Asked, Reply, serving
from tests.harness.aws import KEY_ID, SECRET_KEY, TOKEN, Aws, only_these_credentials

ES = AwsSignature("es", region="eu-west-1")
AT_START = 2
"""Credentials that botocore asks for at first, where they end in less than a quarter of an hour."""
KEYS = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}


def answers_of(aws: Aws, good: Callable[[Seen], bytes] = lambda seen: http(b"{}")) -> Callable[[Seen], Answer]:
    def answer(seen: Seen) -> Answer:
        refusal = aws.refusal(seen.method, seen.target, dict(seen.headers), seen.body)
        if not refusal:
            return [good(seen)]
        name, _, words = refusal.partition(": ")
        body = json.dumps({"message": words}).encode()
        return [http(body, f"x-amzn-ErrorType: {name}", f"Date: {aws.date()}", status="403 Forbidden")]

    return answer


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/",
        "/clicks-*,views/_search",
        "/a%2Fb/c%20d/é/x:y",
        "/a?b=1&a=2&b=0&a",
        "/a?q=x+y&r=x%2By&s=%7e~&t=a,b;c:d&u=&=v",
        "/a?time=2026-01-01T00:00:00Z&at=@timestamp&é=ü",
        "/a?next=QUJD%2f%2BZA%3D%3D#part",
    ],
)
async def test_what_is_signed_is_what_leaves(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every address, body and header is verified as it came, by AWS's own rules and by botocore's."""
    only_these_credentials(tmp_path, monkeypatch, **KEYS)
    aws = Aws(wants_hash=True)
    async with raw_server(by=answers_of(aws)) as server, transport_to(server, auth=ES) as transport:
        headers = (("Content-Type", "application/json"), ("X-Amz-Target", "a  b"), ("Accept-Language", "en"))
        for request in (Request("GET", server.url + target), Request("POST", server.url + target, headers, b'{"a":1}')):
            assert (await transport.send(request)).status == 200


async def test_redirects_are_signed_for_the_address_that_they_lead_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each hop has a signature of its own, and the answer's address has none."""
    only_these_credentials(tmp_path, monkeypatch, **KEYS)

    def moved(seen: Seen) -> bytes:
        if seen.target.startswith("/a"):
            return http(b"", f"Location: /b{seen.target[2:]}", status="307 Temporary Redirect")
        return http(b"{}")

    async with raw_server(by=answers_of(Aws(), moved)) as server, transport_to(server, auth=ES) as transport:
        answer = await get(transport, server, "/a?x=1")
    assert (answer.status, answer.url) == (200, f"{server.url}/b?x=1")
    assert len({seen.headers["Authorization"] for seen in server.requests}) == 2


async def test_another_clock_is_believed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose clock is an hour late asks again with the time of the answer, and is right from then on."""
    only_these_credentials(tmp_path, monkeypatch, **KEYS)
    aws = Aws(ahead=timedelta(hours=1))
    async with raw_server(by=answers_of(aws)) as server, transport_to(server, auth=ES) as transport:
        assert (await get(transport, server)).status == 200
        assert (await get(transport, server)).status == 200
        assert len(server.requests) == 3
        # A server that shows another time with each refusal is not followed for ever.
        aws.ahead = timedelta(hours=-1)
        aws.keys = {KEY_ID: ("another", None)}
        with pytest.raises(TransportError) as caught:
            await get(transport, server)
    assert caught.value.kind is Fault.AUTH
    assert len(server.requests) == 5


async def test_container_credentials_are_renewed_in_mid_run_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short ones are asked for anew at their end; requests that need none of it go on, and others wait."""
    aws, granted, asked, may_grant = Aws(keys={}), 0, threading.Event(), threading.Event()

    def grant(request: Asked) -> Reply:
        nonlocal granted
        granted += 1
        if granted > AT_START:
            asked.set()
            assert may_grant.wait(5)
        key_id, ends = (
            f"AKIDSHORT{granted}",
            datetime.now(UTC) + timedelta(seconds=0.6 if granted <= AT_START else 3600),
        )
        aws.keys[key_id] = SECRET_KEY, f"{TOKEN}{granted}"
        shown = {"AccessKeyId": key_id, "SecretAccessKey": SECRET_KEY, "Token": f"{TOKEN}{granted}"}
        return Reply({**shown, "Expiration": ends.isoformat()})

    with serving(grant) as url:
        only_these_credentials(tmp_path, monkeypatch, AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{url}/role")
        redactor = Redactor()
        async with (
            raw_server(by=answers_of(aws)) as server,
            transport_to(server, auth=ES, redactor=redactor) as transport,
        ):
            assert (await get(transport, server)).status == 200
            await asyncio.sleep(0.7)
            waiting = [asyncio.create_task(get(transport, server)) for _ in range(3)]
            while not asked.is_set():
                await asyncio.sleep(0.01)
            may_grant.set()  # Never reached if the renewal blocked this loop.
            assert [answer.status for answer in await asyncio.gather(*waiting)] == [200] * 3
    assert granted == AT_START + 1
    assert {seen.headers["X-Amz-Security-Token"] for seen in server.requests} == {f"{TOKEN}2", f"{TOKEN}3"}
    assert redactor.redact(f"{TOKEN}3 {SECRET_KEY}") == "*** ***"


async def test_container_credentials_that_cannot_be_renewed_are_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent with credentials whose end has come, and nothing is charged: it comes back by itself."""
    granted = 0

    def grant(request: Asked) -> Reply:
        nonlocal granted
        granted += 1
        if granted > AT_START:
            return Reply({"message": f"canary {SECRET_KEY}"}, 503)
        ends = datetime.now(UTC) + timedelta(seconds=0.3)
        shown = {"AccessKeyId": KEY_ID, "SecretAccessKey": SECRET_KEY, "Token": TOKEN}
        return Reply({**shown, "Expiration": ends.isoformat()})

    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0.01)
    with serving(grant) as url:
        only_these_credentials(tmp_path, monkeypatch, AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{url}/role")
        async with raw_server([http(b"{}")]) as server, transport_to(server, auth=ES) as transport:
            await asyncio.sleep(0.4)
            for _ in range(2):
                with pytest.raises(TransportError) as caught:
                    await get(transport, server)
                assert caught.value.kind is Fault.ISSUER
                assert caught.value.text.startswith("the credentials for AWS: ")
                assert SECRET_KEY not in caught.value.text
        assert server.requests == []
    assert granted == AT_START + 3, "three tries of botocore's own, once for both requests"


async def test_an_expired_token_is_looked_for_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool has written a new one into the shared file meanwhile. Where there is none, nothing is repeated."""
    write = only_these_credentials(tmp_path, monkeypatch)
    write("AKIDOLD", SECRET_KEY, TOKEN)
    aws = Aws(keys={"AKIDOLD": (SECRET_KEY, TOKEN), "AKIDNEW": (SECRET_KEY, f"{TOKEN}2")})
    async with raw_server(by=answers_of(aws)) as server, transport_to(server, auth=ES) as transport:
        assert (await get(transport, server)).status == 200
        aws.expired.add("AKIDOLD")
        write("AKIDNEW", SECRET_KEY, f"{TOKEN}2")
        assert (await get(transport, server)).status == 200
        assert len(server.requests) == 3
        aws.expired.add("AKIDNEW")
        with pytest.raises(TransportError) as caught:
            await get(transport, server)
    assert len(server.requests) == 4
    assert caught.value.kind is Fault.AUTH
    assert caught.value.text == (
        "status 403, AWS refuses the signature (expiredtoken). Check the credentials, the service es, the region "
        "eu-west-1 and this machine's clock"
    )


async def test_a_refused_signature_is_a_persons_matter_and_a_refused_right_is_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G7: AWS repeats what was signed in its refusal, the token too; none of that is in our words."""
    only_these_credentials(tmp_path, monkeypatch, **KEYS, AWS_SESSION_TOKEN=TOKEN)
    aws = Aws(keys={KEY_ID: ("wrong", TOKEN)})
    async with raw_server(by=answers_of(aws)) as server, transport_to(server, auth=ES) as transport:
        with pytest.raises(TransportError) as caught:
            await get(transport, server)
    assert caught.value.kind is Fault.AUTH
    assert "canary" not in caught.value.text.lower()
    denied = b'{"Message":"User: arn:aws:iam::1:user/x is not authorized to perform: es:ESHttpPost"}'
    async with (
        raw_server([http(denied, status="403 Forbidden")]) as server,
        transport_to(server, auth=ES) as transport,
    ):
        assert (await get(transport, server)).status == 403
    assert len(server.requests) == 1


def open_it(auth: AwsSignature) -> None:
    async def nobody(request: Request) -> Response:
        raise AssertionError("nothing is fetched here")

    auth.open(nobody, SystemClock(), Redactor(), TokenFile())


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (
            "keys",
            "There are no credentials for AWS. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or ",
        ),
        ("region", 'There is no region for AWS. Write it beside `aws`, such as region = "eu-west-1", or set '),
        (
            "half",
            "The credentials for AWS cannot be read: Partial credentials found in env, missing: AWS_SECRET_ACCESS",
        ),
        ("profile", "The settings for AWS cannot be read: The config profile (nobody) could not be found."),
        (
            "package",
            "The package botocore is not installed. In a checkout of haulier, type: pip install '.[aws]'",
        ),
    ],
)
def test_what_is_missing_is_said_when_the_api_is_opened(
    missing: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One clear error, with what to do, and no request."""
    only_these_credentials(tmp_path, monkeypatch)
    auth = ES
    if missing == "half":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    if missing == "region":
        auth = AwsSignature("es")
    if missing == "profile":
        auth = AwsSignature("es")
        monkeypatch.setenv("AWS_PROFILE", "nobody")
    if missing == "package":
        monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(UsageError) as caught:
        open_it(auth)
    assert str(caught.value).startswith(words)
    assert KEY_ID not in str(caught.value)


def test_the_region_is_found_as_boto3_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It need not be written twice."""
    only_these_credentials(tmp_path, monkeypatch, **KEYS, AWS_DEFAULT_REGION="eu-west-1")
    open_it(AwsSignature("es"))


@pytest.mark.parametrize("words", [("ES", ""), ("", ""), ("es", "eu west"), ("s3", "eu-west-1")])
def test_no_other_word_is_a_service_or_a_region(words: tuple[str, str]) -> None:
    """S3 signs in another way."""
    with pytest.raises(UsageError):
        AwsSignature(words[0], region=words[1])
