"""Refresh tokens that rotate: one refresh at a time, the new one durable before the old one is gone, no grant lost."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from haulier.api.errors import Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import TransportError
from haulier.api.identity.auth import env
from haulier.api.identity.grant_file import GrantFile
from haulier.api.identity.grant_row import LEASE_SECONDS, GrantRow
from haulier.api.identity.grants import Grant
from haulier.api.identity.refresh_token import RefreshToken
from haulier.api.identity.shared_token import TokenFile
from haulier.api.settings import Api
from haulier.api.wire.aiohttp_transport import AiohttpTransport
from haulier.app.app import App
from haulier.app.open_source import Options, open_live
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
        assert fault.kind is Fault.ISSUER
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


@STORES
async def test_a_changed_client_secret_goes_on_with_the_newest_token(tmp_path: Path, store: Any) -> None:
    """The first token is long void, and would end the grant at a strict issuer."""
    async with scene(tmp_path, store=store and store()) as here:
        assert await here.get() == 200
        assert await here.get(client_secret="canary-changed", scope="more") == 200
        assert (here.issuer.refreshes, here.issuer.reuses) == (2, 0)


async def test_a_refresh_goes_on_however_often_the_wait_for_it_is_cancelled(tmp_path: Path) -> None:
    """A second Ctrl-C."""
    async with scene(tmp_path, thinks_seconds=0.2) as here:
        shared = here.shared()
        async with here.process(shared=shared) as transport:
            asked = asyncio.create_task(get(transport, here.server))
            while not here.issuer.refreshes:
                await asyncio.sleep(0.01)
            asked.cancel()
            waiting = asyncio.create_task(shared.settled())
            for _ in range(3):
                await asyncio.sleep(0.01)
                waiting.cancel()
            await asyncio.wait([waiting])
            assert waiting.cancelled()
        assert await here.get() == 200
        assert here.issuer.reuses == 0


async def test_a_worker_that_slept_past_its_lease_puts_no_old_token_over_a_new_one(tmp_path: Path) -> None:
    """A new one it keeps, unless another worker was given one for the same token meanwhile."""
    row, clock = GrantRow(MemoryRows(RowStore()), "grant/shop", "secret"), FakeClock()
    async with row.locked(clock) as slow:
        await slow.write("family", Grant("first", 1.0))
        clock.advance(LEASE_SECONDS + 1.0)
        async with row.locked(clock) as quick:
            await quick.write("family", Grant("first", 2.0))
            await slow.write("family", Grant("second"), "first")
            assert await quick.read("family") == Grant("second")
            await quick.write("family", Grant("third"), "first")
            await slow.write("family", Grant("first"))
            await slow.write("family", Grant("second"), "first")
            assert await quick.read("family") == Grant("third")


async def test_the_lease_counts_from_the_intent() -> None:
    row, clock = GrantRow(MemoryRows(RowStore()), "grant/shop", "secret"), FakeClock()
    async with row.locked(clock) as kept:
        clock.advance(LEASE_SECONDS - 1.0)
        await kept.write("family", Grant("first", 1.0))
        clock.advance(LEASE_SECONDS - 1.0)
        assert not await row._take("another", clock)


@pytest.mark.parametrize(
    ("answer", "more"),
    [(b"<html>", {}), (b'{"error":"x"}', {}), (b'{"access_token":"canary-a"}', {"refresh_token_at": "data.next"})],
)
async def test_an_answer_that_is_not_understood_leaves_its_trace(tmp_path: Path, answer: bytes, more: Any) -> None:
    """It may have had the next token."""
    async with raw_server([http(answer)]) as server:
        here = Scene(tmp_path, RotatingIssuer(), server)
        async with here.process(**more) as transport:
            with contextlib.suppress(TransportError):
                await get(transport, server)
        async with GrantFile(here.file).locked(here.clock) as kept:
            (stored,) = kept._read()  # type: ignore[attr-defined]
    assert stored.asked_at


async def test_a_disk_that_is_full_is_found_before_the_issuer_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a part of what is written before it refuses the rest."""
    room, write = [4096], os.write

    def write_a_part(descriptor: int, body: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(descriptor, body[: min(room[0], 100_000)])
        room[0] -= written
        return written

    async with scene(tmp_path) as here:
        with monkeypatch.context() as patched:
            patched.setattr("haulier.api.identity.grant_file.os.write", write_a_part)
            said = await here.fault()
            assert "No space left on device. The issuer was not asked" in said
            room[0] = 1 << 20
            assert await here.get() == 200
        assert await here.get() == 200
        assert (here.issuer.refreshes, here.issuer.reuses) == (2, 0)


async def test_a_file_system_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of refresh tokens; an access token is then fetched by each process."""

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    async with scene(tmp_path) as here:
        assert "No locks available. The issuer was not asked" in await here.fault()
        assert here.issuer.refreshes == 0
    async with TokenFile(tmp_path / "token").lock(SystemClock()):
        pass


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
        assert "in the shared row was changed by something else. Nothing was asked." in await here.fault()


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


async def test_a_queue_in_memory_keeps_grants_on_disk(tmp_path: Path) -> None:
    """Each run, trial and test goes on with what the one before was given, also by an issuer on this machine."""
    async with scene(tmp_path) as here:
        auth = RefreshToken(f"{here.server.url}/token", "app", "canary-first", SECRET)
        for queue in ("memory", "memory", "sqlite"):
            app = App("shop", api=Api(here.server.url, auth=auth), lake=str(tmp_path / "lake"), queue=queue)
            app.base = tmp_path
            for options in (Options(), Options().apart(app)):
                async with open_live(app, options) as source:
                    assert await source.client.session().json("/") == {}
        assert (here.issuer.refreshes, here.issuer.reuses) == (6, 0)
        assert (tmp_path / ".haulier/shop/queue.sqlite3.grant-shop").exists()


def test_where_nothing_is_kept_no_grant_is_used() -> None:
    auth = RefreshToken("https://login.example.com/token", "app", "canary-first")

    async def nobody(request: object) -> Any:
        raise AssertionError

    with pytest.raises(UsageError, match="nothing is kept here"):
        auth.open(nobody, SystemClock(), Redactor(), TokenFile())
