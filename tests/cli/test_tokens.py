"""Access tokens in real runs: revoked in mid-run, one live token for each client, an issuer that is down (G4, G7)."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from haulier.testing.sandbox import SandboxProcess, SandboxSettings
from tests.cli.conftest import RECORDS, Place
from tests.cli.test_politeness import until
from tests.docs.fake_server import Asked, Reply, serving

SECRET = "canary-secret-51d0"
OAUTH = """
[api.auth]
token_url = "{url}/oauth2/token"
client_id = "sandbox"
client_secret = "${{SHOP_SECRET}}"
"""


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_SECRET", SECRET)


@pytest.fixture
def shop(place: Place, request: pytest.FixtureRequest) -> Iterator[tuple[Place, SandboxProcess]]:
    """A source whose API takes issued tokens; the test's parameter has more of its settings."""
    given: dict[str, Any] = {"records": RECORDS, "page_size": 10, **getattr(request, "param", {})}
    with SandboxProcess(SandboxSettings(token=SECRET, auth="oauth2", **given)) as api:
        place.write(api.url, in_flight="in_flight = 6")
        place.toml.write_text(
            place.toml.read_text().replace("[streams.items]", f"{OAUTH.format(url=api.url)}\n[streams.items]", 1)
        )
        yield place, api


def token_file(place: Place) -> Path:
    return place.folder / ".haulier/shop/queue.sqlite3.token-shop"


def assert_no_token_is_kept(place: Place) -> None:
    """Neither in the lake, nor in the queue, nor in the file that the processes shared it by."""
    assert token_file(place).read_bytes() == b""
    for path in place.folder.rglob("*"):
        if path.is_file() and path.suffix != ".toml":
            content = path.read_bytes()
            assert SECRET.encode() not in content, path
            assert b"access_token" not in content, path


@pytest.mark.parametrize("shop", [{"access_token_answers": 40}], indirect=True)
def test_a_token_that_is_revoked_again_and_again_costs_a_refresh_each_time(
    shop: tuple[Place, SandboxProcess],
) -> None:
    """A hundred pages and more, forty to a token: the run is complete, and the issuer was asked a few times."""
    place, api = shop
    said = place.run("run")
    assert (said.code, place.lines()) == (0, RECORDS), said.err
    assert 3 <= api.counters().access_tokens <= 5
    assert "an item failed" not in said.err
    assert_no_token_is_kept(place)


@pytest.mark.parametrize("shop", [{"is_one_access_token": True, "latency_seconds": 0.05}], indirect=True)
def test_three_workers_share_one_live_token(shop: tuple[Place, SandboxProcess]) -> None:
    """Each new token revokes the older ones: by itself each worker would end the others. All three end well, one token
    was asked for, and it is not left behind."""
    place, api = shop
    assert place.run("enqueue").code == 0
    workers = [place.start("work") for _ in range(3)]
    try:
        until(lambda: token_file(place).stat().st_size > 0)
        assert stat.S_IMODE(token_file(place).stat().st_mode) == 0o600
        assert [(worker.communicate(timeout=90)[1], worker.returncode)[1] for worker in workers] == [0, 0, 0]
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
                worker.communicate()
    assert place.lines() == RECORDS
    assert api.counters().access_tokens <= 3, "one to plan, one to work, one for who begins when the others have left"
    assert api.counters().by_status.get(401, 0) == 0
    assert_no_token_is_kept(place)


@pytest.mark.parametrize(
    "shop", [{"is_one_access_token": True, "access_token_answers": 45, "latency_seconds": 0.05}], indirect=True
)
def test_a_fleet_goes_on_where_its_one_token_is_revoked_in_mid_run(shop: tuple[Place, SandboxProcess]) -> None:
    """One of them refreshes it, the others take what it got."""
    place, api = shop
    said = place.run("run", "--workers", "3")
    assert (said.code, place.lines()) == (0, RECORDS), said.err
    assert 3 <= api.counters().access_tokens <= 6
    assert_no_token_is_kept(place)


@pytest.mark.parametrize("shop", [{"is_one_access_token": True, "latency_seconds": 0.1}], indirect=True)
def test_another_user_of_the_client_stops_nobody(shop: tuple[Place, SandboxProcess]) -> None:
    """`try` has a token of its own, which revokes the run's: that one is fetched anew."""
    place, api = shop
    process = place.start("run")
    try:
        until(lambda: api.counters().by_status.get(200, 0) >= 10)
        api.change(latency_seconds=1.0)  # A run that ends before `try` has begun would lose no token.
        assert place.run("try").code == 0
        api.change(latency_seconds=0.0)
        _, err = process.communicate(timeout=90)
        assert (process.returncode, place.lines()) == (0, RECORDS), err
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert 3 <= api.counters().access_tokens <= 8, "a few of each"


@pytest.mark.parametrize("shop", [{"is_one_access_token": True, "latency_seconds": 0.1}], indirect=True)
def test_kill_9_leaves_a_file_that_only_this_user_reads_and_the_next_run_goes_on(
    shop: tuple[Place, SandboxProcess],
) -> None:
    """Its token is used, or fetched anew where it was revoked since; then nothing is left."""
    place, _ = shop
    for revokes in (False, True):
        process = place.start("run", "--lease", "2")
        until(lambda: token_file(place).exists() and token_file(place).stat().st_size > 0)
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert token_file(place).stat().st_size > 0
        assert stat.S_IMODE(token_file(place).stat().st_mode) == 0o600
        if revokes:
            assert place.run("try").code == 0
    said = place.run("run")
    assert (said.code, place.lines()) == (0, RECORDS), said.err
    assert_no_token_is_kept(place)


def test_a_wrong_secret_is_a_persons_matter_whatever_lies_there(
    shop: tuple[Place, SandboxProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token that somebody else left behind does not hide it; the issuer is asked a few times at most."""
    place, _ = shop
    process = place.start("run", "--lease", "2")
    until(lambda: token_file(place).exists() and token_file(place).stat().st_size > 0)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    monkeypatch.setenv("SHOP_SECRET", "another")
    said = place.run("run")
    assert said.code == 2
    assert "invalid_client" in said.err


@dataclass
class Issuer:
    """Revokes its first token after twenty answers, and is down for the next twelve requests for one."""

    good: str = ""
    issued: int = 0
    refused: int = 0
    answers: int = 0

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/oauth2/token":
            if self.issued and self.refused < 12:
                self.refused += 1
                return Reply({}, 503)
            self.issued += 1
            self.good = f"Bearer t{self.issued}"
            return Reply({"access_token": f"t{self.issued}", "expires_in": 3600})
        if asked.headers.get("authorization") != self.good:
            return Reply({}, 401)
        self.answers += 1
        if self.answers == 20:
            self.good = "nobody's"
        if asked.path == "/items/newest":
            return Reply({"id": 400})
        if asked.path == "/count":
            return Reply({"count": 400})
        end, cursor = min(asked.number("to_id"), 401), asked.number("cursor")
        rows = [{"id": one} for one in range(asked.number("from_id"), end)]
        more = cursor + 10 if cursor + 10 < len(rows) else None
        return Reply({"items": rows[cursor : cursor + 10], "next": more, "total": len(rows)})


def test_an_issuer_that_is_down_is_an_outage(place: Place) -> None:
    """The token was revoked, and no other is to be had for a while: nobody stops with exit code 2, nothing is charged,
    and it goes on by itself."""
    issuer = Issuer()
    with serving(issuer.answer) as url:
        place.write(url)
        place.toml.write_text(
            place.toml.read_text().replace("[streams.items]", f"{OAUTH.format(url=url)}\n[streams.items]", 1)
        )
        process = place.start("run")
        try:
            _, err = process.communicate(timeout=100)
        except subprocess.TimeoutExpired:
            process.kill()
            _, err = process.communicate()
        assert (process.returncode, place.lines()) == (0, 400), err
        assert (issuer.issued, issuer.refused) == (2, 12)
        assert not list(place.lake.rglob("poison/*/*.json"))
