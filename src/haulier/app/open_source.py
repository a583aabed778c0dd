from __future__ import annotations

import contextlib
import functools
import os
import platform
import random
import re
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from haulier.api.scope.process import find_process, this_process
from haulier.app.app import App
from haulier.clock import Clock, SystemClock
from haulier.errors import HaulierError, UsageError
from haulier.items.workitem import WorkItem
from haulier.lake.opening import open_lake, rows_remedy
from haulier.lake.seam import Lake
from haulier.queues.opening import own_file, queue_backend
from haulier.queues.seam import Queue, QueueOpener, ThisProcess
from haulier.rows.seam import Rows
from haulier.runs.run import Run, require_same_fingerprint
from haulier.sources.context import Context
from haulier.telemetry.messages import NO_MESSAGE_SPANS, MessageSpans
from haulier.telemetry.seam import NO_TELEMETRY, Telemetry
from haulier.telemetry.set_up import open_telemetry
from haulier.worker.deps import WorkerDeps
from haulier.worker.settings import WorkerSettings

if TYPE_CHECKING:
    from haulier.api.client import Client
    from haulier.api.http.transport import Transport
    from haulier.api.identity.grants import Grants
    from haulier.api.scope.settings import ScopeSettings
    from haulier.app.timed_transport import TimedTransport
    from haulier.runs.closing import Closer
    from haulier.runs.records import ToldRecord, VerdictRecord
    from haulier.runs.telling import Teller

GRACE_SECONDS = 10.0
"""Added to a request's deadline before the share of a dead worker is freed."""


@dataclass(frozen=True)
class Options:
    lake: str | None = None
    queue: str | None = None
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    is_fixed: bool = False
    """Keep ``in_flight`` as declared, whatever the API bears."""
    hook: Hook | None = None
    """Called when a run is closed."""
    lake_variable: str = ""
    """What named the lake, if that was a variable and no person; likewise below."""
    queue_variable: str = ""
    is_child: bool = False
    """A parent tells a person what is wrong with the machine."""
    has_children: bool = False
    kept_by: str | None = None
    """The queue beside which stands what outlives runs, where another one is used."""

    def apart(self, app: App) -> Options:
        """With a queue in memory, for who shares no limits with others and leaves nothing behind but refresh tokens: an
        issuer may have replaced one."""
        return replace(self, queue="memory", kept_by=self.queue or app.queue)


class Hook(Protocol):
    """The command of ``on_close``, and how it is called (C10)."""

    @property
    def limit_seconds(self) -> float: ...

    @property
    def flags(self) -> list[str]:
        """For the command line of another process."""
        ...

    def is_set(self, app: App) -> bool: ...

    @property
    def hears_trials(self) -> bool: ...

    async def call(self, source: OpenSource, run: Run, verdict: VerdictRecord) -> ToldRecord: ...


@dataclass(frozen=True)
class OpenSource:
    """A source without its API: enough to look at runs, and to close those that promise no count."""

    app: App
    lake: Lake
    queue: Queue
    open_queue: QueueOpener
    rows: Rows
    local_file: Path | None
    """Beside it the source's processes on this machine keep others; the queue's file, if it is one."""
    clock: Clock
    rng: random.Random
    name: str
    """Unique to this process: it names receipts, spools and shares."""
    settings: WorkerSettings
    hook: Hook | None = field(default=None, kw_only=True)
    rows_file: Path | None = field(default=None, kw_only=True)
    """To read the rows would make it. None where they stand in no file, such as in the lake."""
    telemetry: Telemetry = field(default=NO_TELEMETRY, kw_only=True)
    messages: MessageSpans = field(default=NO_MESSAGE_SPANS, kw_only=True)

    @property
    def closer(self) -> Closer:
        from haulier.runs.closing import Closer

        return Closer(self.lake, self.queue, self.clock, self.name, teller=self._teller, messages=self.messages)

    @property
    def _teller(self) -> Teller | None:
        from haulier.runs.telling import Teller

        hook = self.hook
        if hook is None or not hook.is_set(self.app):
            return None
        return Teller(
            self.lake,
            self.clock,
            self.name,
            this_process(),
            find_process,
            hook.limit_seconds,
            functools.partial(hook.call, self),
            hook.hears_trials,
        )


@dataclass(frozen=True)
class LiveSource(OpenSource):
    client: Client
    timed_transport: TimedTransport
    shared: object

    @property
    def closer(self) -> Closer:
        return replace(super().closer, expect=self.expect)

    async def items(self, mode: str, streams: tuple[str, ...], context: Context) -> AsyncGenerator[WorkItem]:
        """An exception of the user's own code becomes a `UsageError` with its traceback."""
        try:
            async with contextlib.aclosing(self.app.items(mode, streams, context)) as items:
                async for item in items:
                    yield item
        except HaulierError:
            raise
        except Exception as error:
            from haulier.worker.trace import trace_of

            trace = self.client.redactor.redact(trace_of(error)).rstrip()
            raise UsageError(f"The enumerator raised {trace.splitlines()[-1]}\n{trace}") from error

    async def expect(self, run: Run) -> Mapping[str, int]:
        """The requests count for the run, whoever closes it. Streams that declare no count are absent."""
        ask = self.app.expect_of(run.file.mode, run.file.streams)
        if ask is None:
            return {}
        with self.client.scope.working_for(run.run_id):
            return await ask(self.client.session())

    def worker_deps(self, isolate: tuple[str, ...] = ()) -> WorkerDeps:
        """``isolate`` is the command that runs one item alone."""
        return WorkerDeps(
            source=self.app.name,
            lake=self.lake,
            queue=self.queue,
            open_queue=self.open_queue,
            client=self.client,
            registry=self.app.registry,
            processors=self.app.processors,
            closer=self.closer,
            clock=self.clock,
            rng=self.rng,
            name=self.name,
            settings=self.settings,
            divide=self.app.divide,
            shared=self.shared,
            keys=self.app.keys,
            isolate=isolate,
            require_same_source=_same_source_check(self.app),
            telemetry=self.telemetry,
            messages=self.messages,
        )


@contextlib.contextmanager
def said_by(variable: str) -> Iterator[None]:
    """Begin a refusal with the variable whose value is refused, if one said it."""
    try:
        yield
    except UsageError as error:
        if not variable:
            raise
        raise UsageError(f"{variable}: {error}") from error


@contextlib.asynccontextmanager
async def open_source(
    app: App, options: Options, *, writes: bool = True, tells: bool = False
) -> AsyncIterator[OpenSource]:
    """No secret of the API is read. With ``writes`` a lake that is unfit is refused first, and a queue that cannot be
    asked; without, nothing is written. With ``tells`` there is telemetry where the environment asks for it."""
    clock = SystemClock()
    with said_by(options.lake_variable):
        lake = open_lake(options.lake or app.lake, base=app.base, clock=clock)
    name = process_name()
    with said_by(options.queue_variable):
        backend = queue_backend(
            options.queue or app.queue,
            base=app.base,
            source=app.name,
            clock=clock,
            lease_seconds=options.worker.lease_seconds,
            process=ThisProcess(name, this_process(), find_process),
            is_reader=not writes,
        )
    async with contextlib.AsyncExitStack() as stack:
        telemetry = NO_TELEMETRY
        if tells:  # The last to be closed: until then something may happen.
            opened = open_telemetry(app.name, name, clock, is_child=options.is_child, has_children=options.has_children)
            telemetry = await stack.enter_async_context(opened)
        stack.push_async_callback(lake.close)
        if writes:
            await lake.check()
        queue, own_rows = backend.open_both()
        stack.push_async_callback(queue.close)
        if writes:
            await queue.exists()  # What is refused to us there is better said before anything is written.
        rows = own_rows or _rows_of(lake, queue)
        stack.push_async_callback(rows.close)
        yield OpenSource(
            app=app,
            lake=lake,
            queue=queue,
            open_queue=backend.open_queue,
            rows=rows,
            local_file=backend.local_file,
            rows_file=None if own_rows is None else backend.local_file,
            clock=clock,
            rng=random.Random(),
            name=name,
            settings=options.worker,
            hook=options.hook,
            telemetry=telemetry,
            messages=MessageSpans(telemetry, backend.system, backend.name or app.name),
        )


@contextlib.asynccontextmanager
async def open_live(
    app: App,
    options: Options,
    *,
    writes: bool = True,
    around: Callable[[Transport], Transport] = lambda transport: transport,
) -> AsyncIterator[LiveSource]:
    """Read the secrets and join the scope. ``around`` may wrap the transport.

    Modules for the API are imported here: they take half of the time of `haulier status`, which does not need them.
    """
    from haulier.api.client import Client
    from haulier.api.http.redactor import Redactor
    from haulier.api.identity.shared_token import TokenFile
    from haulier.api.scope.gauges import observe_scope
    from haulier.api.scope.scope import Scope
    from haulier.api.wire.aiohttp_transport import AiohttpTransport
    from haulier.app.timed_transport import TimedTransport

    async with contextlib.AsyncExitStack() as stack:
        source = await stack.enter_async_context(open_source(app, options, writes=writes, tells=writes))
        redactor = Redactor()
        for secret in app.secrets:
            redactor.add(secret)
        shared = TokenFile(_token_path(source), await _grants(source, options, stack))
        transport = AiohttpTransport(
            app.api,
            clock=source.clock,
            redactor=redactor,
            shared=shared,
            is_gated=True,
            telemetry=source.telemetry,
        )
        stack.push_async_callback(transport.close)
        stack.push_async_callback(shared.settled)
        settings = scope_settings(app, is_fixed=options.is_fixed, is_guest=not writes)
        scope = Scope(settings, source.name, source.rows, source.clock, source.rng)
        stack.callback(lambda: shared.clear() if scope.was_last else None)
        await stack.enter_async_context(scope.joined())
        observe_scope(source.telemetry, scope, settings, source.clock)
        timed_transport = TimedTransport(around(transport))
        client = Client(app.api, timed_transport, scope, source.clock, source.rng, redactor, app.rules)
        lifespan = await stack.enter_async_context(app.shared())
        yield LiveSource(**vars(source), client=client, timed_transport=timed_transport, shared=lifespan)


def _rows_of(lake: Lake, queue: Queue) -> Rows:
    rows = lake.rows()
    if rows is None:
        name = queue.capabilities.name
        raise UsageError(
            f"With a queue of kind {name!r} the lake keeps what workers tell each other of the API. This one cannot. "
            f"{rows_remedy()}"
        )
    return rows


def _token_path(source: OpenSource) -> Path | None:
    """A file that all processes of the source share; None for a queue in memory."""
    file = source.local_file
    return None if file is None else file.with_name(f"{file.name}.token-{source.app.name}")


async def _grants(
    source: OpenSource, options: Options, stack: contextlib.AsyncExitStack
) -> Callable[[str], Grants] | None:
    """Where refresh tokens outlive a run: beside the queue's file; in the rows where workers share no disk. A queue in
    memory says neither: in the lake's rows, or beside the file that a queue of this machine would have."""
    from haulier.api.identity.grant_file import GrantFile
    from haulier.api.identity.grant_row import GrantRow
    from haulier.api.identity.refresh_token import RefreshToken

    if not isinstance(source.app.api.auth, RefreshToken):
        return None
    app, file, rows, has_file = source.app, source.local_file, source.rows, source.rows_file is not None
    if options.kept_by is not None:
        backend = queue_backend(
            options.kept_by,
            base=app.base,
            source=app.name,
            clock=source.clock,
            lease_seconds=options.worker.lease_seconds,
            is_reader=True,
        )
        queue, own_rows = backend.open_both()
        stack.push_async_callback(queue.close)
        file, has_file = backend.local_file, own_rows is not None
        rows = own_rows or _rows_of(source.lake, queue)
        stack.push_async_callback(rows.close)
    if file is None:
        file, own_rows = own_file(app.base, app.name), source.lake.rows()
        has_file = own_rows is None
        if own_rows is not None:
            rows = own_rows
            stack.push_async_callback(rows.close)
    if has_file:
        return lambda _: GrantFile(file.with_name(f"{file.name}.grant-{app.name}"))
    return lambda secret: GrantRow(rows, f"grant/{app.name}", secret)


def _same_source_check(app: App) -> Callable[[Run], None]:
    """Raises `UsageError` for a run whose records this source would shape otherwise."""
    fingerprint = functools.cache(app.fingerprint)

    def require_same_source(run: Run) -> None:
        require_same_fingerprint(run, fingerprint(run.plans, run.file.streams))

    return require_same_source


def scope_name(app: App) -> str:
    return f"scope/{app.name}"


def scope_settings(app: App, *, is_fixed: bool = False, is_guest: bool = False) -> ScopeSettings:
    """One scope for a source: its credential is one, and so is the limit behind it."""
    from haulier.api.scope.credential_mark import credential_mark
    from haulier.api.scope.settings import ScopeSettings

    return ScopeSettings(
        name=scope_name(app),
        in_flight=app.api.schedule,
        request_deadline_seconds=app.api.request_timeout_seconds + GRACE_SECONDS,
        is_fixed=is_fixed,
        is_guest=is_guest,
        rates=app.api.rates,
        max_requests=app.api.max_requests,
        mark=credential_mark(app.api),
        process=this_process(),
    )


def process_name() -> str:
    """``<host>-<pid>-<random>``, of characters that are safe in a path."""
    host = re.sub(r"[^A-Za-z0-9]+", "-", platform.node().partition(".")[0])[:40].strip("-") or "host"
    return f"{host}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
