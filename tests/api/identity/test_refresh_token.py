"""Refresh tokens that rotate: one refresh at a time, the new one durable before the old one is gone, no grant lost."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from haulier.api.errors import Fault
from haulier.api.http.redactor import Redactor
from haulier.api.identity.auth import env
from haulier.api.identity.grant_file import GrantFile
from haulier.api.identity.grant_row import LEASE_SECONDS, GrantRow
from haulier.api.identity.refresh_token import RefreshToken
from haulier.api.identity.shared_token import TokenFile
from haulier.api.wire.aiohttp_transport import AiohttpTransport
from haulier.clock import SystemClock
from haulier.errors import UsageError
from haulier.rows.memory import MemoryRows, RowStore
from haulier.testing.clock import FakeClock
from tests.api.identity.rotating_issuer import RotatingIssuer
from tests.api.wire.raw_server import RawServer, http, raw_server
from tests.api.wire.wire import fault_of, get, transport_to

SECRET = "canary-secret"


@dataclass
class Scene:
    folder: Path
    issuer: RotatingIssuer
    server: RawServer
    clock: Any = field(default_factory=SystemClock)
    store: RowStore | None = None
    """For a row instead of a file."""
    redactor: Redactor = field(default_factory=Redactor)

    @property
    def file(self) -> Path:
        return self.folder / "queue.grant"

    def shared(self) -> TokenFile:
        """Access tokens are not shared, so that each process refreshes."""
        if self.store is None:
            return TokenFile(None, lambda _: GrantFile(self.file))
        rows = MemoryRows(self.store)
        return TokenFile(None, lambda secret: GrantRow(rows, "grant/shop", secret))

    @contextlib.asynccontextmanager
    async def process(
        self, first: Any = "canary-first", shared: TokenFile | None = None, **more: Any
    ) -> AsyncIterator[AiohttpTransport]:
        auth = RefreshToken(f"{self.server.url}/token", "app", first, **{"client_secret": SECRET, **more})
        opened = shared or self.shared()
        async with transport_to(
            self.server, auth=auth, clock=self.clock, shared=opened, redactor=self.redactor
        ) as transport:
            yield transport
            await opened.settled()

    async def get(self, first: Any = "canary-first", **more: Any) -> int:
        async with self.process(first, **more) as transport:
            return (await get(transport, self.server)).status

    async def fault(self, first: Any = "canary-first") -> str:
        async with self.process(first) as transport:
            fault = await fault_of(transport, self.server)
        assert fault.kind is Fault.AUTH
        assert "canary" not in fault.text
        return fault.text


@contextlib.asynccontextmanager
async def scene(folder: Path, **given: Any) -> AsyncIterator[Scene]:
    where = {name: given.pop(name) for name in ("clock", "store") if name in given}
    issuer = RotatingIssuer(**given)
    async with raw_server(by=issuer.answer) as server:
        yield Scene(folder, issuer, server, **where)


STORES = pytest.mark.parametrize("store", [None, RowStore], ids=["file", "row"])


@STORES
async def test_each_process_goes_on_with_the_token_that_the_last_one_was_given(tmp_path: Path, store: Any) -> None:
    """The variable has the first token for ever; it is void after the first refresh."""
    async with scene(tmp_path, store=store and store()) as here:
        for _ in range(4):
            assert await here.get() == 200
        assert (here.issuer.refreshes, here.issuer.reuses) == (4, 0)


@STORES
async def test_twelve_at_once_refresh_one_after_the_other(tmp_path: Path, store: Any) -> None:
    """Two at once would end the family of a strict issuer."""
    async with scene(tmp_path, store=store and store(), clock=QuickClock(), thinks_seconds=0.01) as here:
        assert await asyncio.gather(*(here.get() for _ in range(12))) == [200] * 12
        assert (here.issuer.refreshes, here.issuer.reuses, here.issuer.most_under_way) == (12, 0, 1)


class QuickClock(SystemClock):
    """Waits a hundredth of the time."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 100)


@STORES
async def test_a_new_token_of_a_person_goes_before_what_is_kept(tmp_path: Path, store: Any) -> None:
    """Each has a family of its own, so that a worker with the old variable does not spoil the new one."""
    async with scene(tmp_path, store=store and store()) as here:
        assert await here.get() == 200
        new = here.issuer.authorise()
        assert await here.get(new) == 200
        assert await here.get(new) == 200
        assert "refused the refresh token" in await here.fault()
        here.issuer.is_revoked = False
        assert await here.get(new) == 200


@STORES
async def test_a_lost_answer_is_made_good_where_the_issuer_allows_it(tmp_path: Path, store: Any) -> None:
    """The old token is tried again: many issuers give another one for it."""
    async with scene(tmp_path, store=store and store(), has_grace=True, loses_answers=1) as here:
        async with here.process() as transport:
            fault = await fault_of(transport, here.server)
        assert fault.kind is Fault.CONNECT
        assert await here.get() == 200
        assert await here.get() == 200
        assert here.issuer.reuses == 1


@STORES
async def test_a_grant_that_is_lost_is_said_with_what_to_do(
    tmp_path: Path, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one gap that no client can close: the strict issuer rotated, and its answer was lost."""
    monkeypatch.setenv("SHOP_REFRESH_TOKEN", "canary-first")
    async with scene(tmp_path, store=store and store(), loses_answers=1) as here:
        async with here.process() as transport:
            await fault_of(transport, here.server)
        said = await here.fault(env("SHOP_REFRESH_TOKEN"))
        assert "the issuer of the access token: it refused the refresh token with 400 invalid_grant (unknown)" in said
        assert "Authorise anew, and put the new refresh token into the variable SHOP_REFRESH_TOKEN" in said
        assert ". A refresh at 2" in said
        assert "was interrupted before its answer was kept: the issuer may have replaced the token then" in said
        assert await here.get(here.issuer.authorise()) == 200


async def test_a_refusal_without_an_interruption_does_not_speak_of_one(tmp_path: Path) -> None:
    async with scene(tmp_path, is_revoked=True) as here:
        assert "interrupted" not in await here.fault()
        assert "interrupted" not in await here.fault()


async def test_an_issuer_that_does_not_rotate_is_asked_with_the_same_token(tmp_path: Path) -> None:
    async with scene(tmp_path, rotates=False) as here:
        assert [await here.get() for _ in range(3)] == [200] * 3
        assert here.issuer.used == []


async def test_the_next_token_may_stand_elsewhere(tmp_path: Path) -> None:
    """One that is overlooked would cost the grant; a client without a secret tells its id in the form."""
    async with raw_server([http(b'{"data":{"t":"canary-a","next":"canary-second"}}', status="201 Created")]) as server:
        here = Scene(tmp_path, RotatingIssuer(), server)
        for _ in range(2):
            await here.get(client_secret="", token_at="data.t", refresh_token_at="data.next")
        asked = [seen.body.decode() for seen in server.requests if seen.target == "/token"]
    assert asked == [
        "grant_type=refresh_token&refresh_token=canary-first&client_id=app",
        "grant_type=refresh_token&refresh_token=canary-second&client_id=app",
    ]


async def test_a_refresh_goes_on_when_its_request_is_given_up(tmp_path: Path) -> None:
    """Ctrl-C, a time-out, a closing run: the answer has the next token, and is waited for."""
    async with scene(tmp_path, thinks_seconds=0.2) as here:
        async with here.process() as transport:
            asked = asyncio.create_task(get(transport, here.server))
            while not here.issuer.refreshes:
                await asyncio.sleep(0.01)
            asked.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asked
        assert await here.get() == 200
        assert here.issuer.reuses == 0


async def test_what_cannot_be_kept_is_not_asked_for(tmp_path: Path) -> None:
    """A folder that nobody may write, and a file that something else has changed: said before the grant is spent."""
    async with scene(tmp_path) as here:
        here.file.mkdir()
        said = await here.fault()
        assert f"the refresh token cannot be kept in {here.file}: " in said
        assert "The issuer was not asked; mend that first" in said
        here.file.rmdir()
        for spoilt in ("{", '[{"family":"f","token":"t","proof":"x"}]'):
            here.file.write_text(spoilt)
            assert f"the refresh tokens in {here.file} were changed by something else" in await here.fault()
        assert here.issuer.refreshes == 0


async def test_the_file_is_for_this_user_alone(tmp_path: Path) -> None:
    """G7: mode 0600 also where a dead process left half of one; neither the client's secret nor the first token is in
    it."""
    async with scene(tmp_path) as here:
        (tmp_path / "queue.grant.new").touch(mode=0o644)
        assert await here.get() == 200
        assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {
            "queue.grant": 0o600,
            "queue.grant.lock": 0o600,
        }
        text = here.file.read_text()
        assert here.issuer.newest in text
        assert SECRET not in text
        assert "canary-first" not in text
        assert here.issuer.newest not in here.redactor.redact(text)


async def test_the_row_shows_no_token_and_is_opened_by_the_same_secrets_alone(tmp_path: Path) -> None:
    """G7: whoever reads the lake reads the row."""
    store = RowStore()
    async with scene(tmp_path, store=store) as here:
        assert await here.get() == 200
        row = await MemoryRows(store).read("grant/shop")
        assert row is not None
        assert b"canary" not in row
        broken = row.replace(b'"token":"gAAAA', b'"token":"gAAAB')
        await MemoryRows(store).update("grant/shop", lambda _: broken)
        assert "was sealed with another client_secret. Nothing was asked." in await here.fault()


async def test_the_lease_of_a_dead_worker_ends(tmp_path: Path) -> None:
    """Others wait for it, and ask nothing before."""
    store, clock = RowStore(), FakeClock()
    async with scene(tmp_path, store=store, clock=clock) as here:
        stuck = GrantRow(MemoryRows(store), "grant/shop", "")
        await stuck._take("a dead one", clock)
        asked = asyncio.create_task(here.get())
        for _ in range(int(LEASE_SECONDS) - 2):
            await asyncio.sleep(0.001)
            clock.advance(1.0)
        assert here.issuer.refreshes == 0
        while not asked.done():
            await asyncio.sleep(0.001)
            clock.advance(1.0)
        assert await asked == 200


def test_a_queue_in_memory_keeps_no_grant() -> None:
    """The next run would begin with a void token. An issuer on this machine is a test's."""
    auth = RefreshToken("https://login.example.com/token", "app", "canary-first")

    async def nobody(request: object) -> Any:
        raise AssertionError

    with pytest.raises(
        UsageError, match=r'With a queue in memory a refresh token cannot be kept.* Write queue = "sqlite"'
    ):
        auth.open(nobody, SystemClock(), Redactor(), TokenFile())


async def test_an_issuer_on_this_machine_needs_no_place(tmp_path: Path) -> None:
    async with scene(tmp_path) as here, here.process(shared=TokenFile()) as transport:
        assert (await get(transport, here.server)).status == 200
