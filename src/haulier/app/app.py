from __future__ import annotations

import contextlib
import hashlib
import inspect
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from haulier.api.records.record_keys import key_paths
from haulier.app.code_shape import shape_of
from haulier.app.default_divider import divide_by, halve_ids
from haulier.errors import UsageError
from haulier.items.registry import Registry
from haulier.items.workitem import WorkItem
from haulier.plurals import count_of
from haulier.sources.context import Context
from haulier.worker.deps import Divider, Processor

if TYPE_CHECKING:
    from haulier.api.answers.judgement import Rule
    from haulier.api.settings import Api
    from haulier.config.source_file import SourceSettings
    from haulier.sources.lookup import Expect
    from haulier.sources.recipe import Lookup
    from haulier.sources.rest import RestSource

Enumerator = Callable[[Context], AsyncGenerator[WorkItem]]
Lifespan = Callable[[], contextlib.AbstractAsyncContextManager[Any]]
E = TypeVar("E", bound=Callable[..., Any])

_RUNS = {"full": "a full run", "incremental": "an incremental run"}
MODES = tuple(_RUNS)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class App:
    """A source: its API, the streams that are pulled from it, and where they go.

    ``lake`` is a folder (relative to the source file) or a URL; ``queue`` is ``sqlite``, ``memory`` or a URL. The flags
    ``--lake`` and ``--queue`` take precedence. ``rules`` say what answers mean, ahead of haulier's own table; the first
    that applies decides. ``expect`` says for each stream where the API tells how many records there are; a run with
    another number of records is partial. ``on_close`` is a command, word by word, that gets each verdict as JSON on its
    standard input. These may change while a run is open.

    Raises `UsageError` for a name that is no folder's, and for what is no rule or lookup.
    """

    def __init__(
        self,
        name: str,
        *,
        api: Api,
        lake: str = "lake",
        queue: str = "sqlite",
        rules: Iterable[Rule] = (),
        expect: Mapping[str, Lookup] | None = None,
        on_close: Iterable[str] = (),
    ) -> None:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"A source cannot be named {name!r}. Write lower-case letters, digits and underscores, a letter first, "
                "at most 40 of them: `github_issues`."
            )
        self.name = name
        self.api = api
        self.lake = lake
        self.queue = queue
        self.base = Path.cwd()
        """Folder that relative ones start from: the source file's."""
        if not isinstance(rules, Iterable):
            raise UsageError(f"rules of source {name!r}: expected a list of Rule, found {rules!r}.")
        if expect is not None and not isinstance(expect, Mapping):
            raise UsageError(f"expect of source {name!r}: expected a dict of Lookup by stream, found {expect!r}.")
        self.rules = tuple(rules)
        self.expect = dict(expect or {})
        self.on_close = _command_words(name, on_close)
        self.secrets: tuple[str, ...] = ()
        self.registry = Registry()
        self.processors: dict[type[WorkItem], Processor] = {}
        self.keys: dict[str, tuple[str, ...]] = {}
        """By stream, the paths that together tell its records apart."""
        self._dividers: dict[type[WorkItem], Divider] = {}
        self._enumerators: dict[str, list[Enumerator]] = {}
        self._recipes: RestSource | None = None
        self._lifespan: Lifespan | None = None
        if self.rules:
            _require_rules(name, self.rules)
        if self.expect:
            _require_lookups(name, self.expect)

    # -- declaring ---------------------------------------------------------------------------------------------------

    def enumerate(self, mode: str = "full") -> Callable[[E], E]:
        """Register an async generator ``(ctx) -> items``, which yields the work items of a run of ``mode``."""
        if mode not in MODES:
            raise UsageError(f"There is no mode {mode!r}. Write one of: {', '.join(MODES)}.")

        def register(enumerator: E) -> E:
            _require_async_generator(enumerator, "enumerator", 1)
            self._enumerators.setdefault(mode, []).append(enumerator)
            return enumerator

        return register

    def processor(self, item: type[WorkItem], *, key: str | Iterable[str] = ()) -> Callable[[E], E]:
        """Register the async generator ``(item, ctx) -> pages`` of a kind. It may yield items instead, which divides
        the item.

        ``key`` is the dotted path, or several together, that tells one record of the stream from another. An item that
        has a key twice begins again, and then fails. `haulier verify` compares the keys of all items.
        """
        paths = key_paths(key) if key else ()

        def register(processor: E) -> E:
            _require_async_generator(processor, "processor", 2)
            if item in self.processors:
                raise UsageError(f"Kind {item.kind!r} has two processors. Remove one: each kind has one.")
            if paths and self.keys.setdefault(item.stream, paths) != paths:
                raise UsageError(
                    f"Stream {item.stream!r} has two keys: {' and '.join(map(repr, (self.keys[item.stream], paths)))}. "
                    "Write the same one for all of its kinds: one run compares the records of all."
                )
            self.registry.add(item)
            self.processors[item] = processor
            return processor

        return register

    def divider(self, item: type[WorkItem]) -> Callable[[E], E]:
        """Register a function ``item -> items``: smaller items that together ask for the same records, or none.

        It is called before an item is poisoned, and where an item has more records than the API hands out. Without one,
        a kind with one field of type `IdRange` is halved; others are not divided. One that returns ``()`` switches that
        off. For a window: ``[Orders(half) for half in item.window.halves(timedelta(seconds=1)) or ()]``.
        """

        def register(divider: E) -> E:
            if item in self._dividers:
                raise UsageError(f"Kind {item.kind!r} has two dividers. Remove one: each kind has one.")
            if inspect.iscoroutinefunction(divider) or inspect.isasyncgenfunction(divider):
                raise UsageError(
                    f"The divider of kind {item.kind!r} is async. Write `def`: a divider sends no requests."
                )
            self._dividers[item] = divider
            return divider

        return register

    def lifespan(self, lifespan: E) -> E:
        """Register an async context manager ``()``, whose value is ``ctx.shared`` of every processor."""
        name = getattr(lifespan, "__name__", repr(lifespan))
        if self._lifespan is not None:
            raise UsageError(f"Source {self.name!r} has two lifespans. Remove {name}, or call it from the other one.")
        if inspect.isasyncgenfunction(lifespan) or inspect.iscoroutinefunction(lifespan):
            raise UsageError(f"The lifespan {name} is not an async context manager. Put @asynccontextmanager above it.")
        self._lifespan = lifespan
        return lifespan

    @classmethod
    def from_settings(cls, settings: SourceSettings) -> App:
        """Build the app of a TOML file."""
        from haulier.sources.rest import RestSource

        app = cls(
            settings.name,
            api=settings.api,
            lake=settings.lake,
            queue=settings.queue,
            rules=settings.rules,
            on_close=settings.on_close,
        )
        app.base = settings.path.parent
        app.secrets = tuple(settings.secrets)
        rest = RestSource(settings.name, settings.streams)
        app._recipes, app.keys = rest, rest.keys
        for item, processor in rest.processors.items():
            app.registry.add(item)
            app.processors[item] = processor
        return app

    # -- asked by the layers around ----------------------------------------------------------------------------------

    @property
    def streams(self) -> tuple[str, ...]:
        """All streams, sorted."""
        return tuple(sorted({item.stream for item in self.registry}))

    @property
    def is_of_file(self) -> bool:
        return self._recipes is not None

    def require_mode(self, mode: str) -> None:
        """Raises `UsageError` where this source cannot plan a run of that mode."""
        if self._recipes is None and mode not in self._enumerators:
            raise UsageError(
                f"Source {self.name!r} has no enumerator for {_RUNS[mode]}. "
                f'Decorate an async generator of work items with @app.enumerate("{mode}").'
            )
        if not self.streams_of(mode):
            raise UsageError(f"No stream of source {self.name!r} takes part in {_RUNS[mode]}. {_tables('NAME', mode)}")

    def streams_of(self, mode: str) -> tuple[str, ...]:
        """Streams that take part in runs of a mode, sorted. Only enumerators know those of Python code: all."""
        return self.streams if self._recipes is None else self._recipes.streams_of(mode)

    def selected(self, streams: Iterable[str], mode: str | None = None) -> tuple[str, ...]:
        """The streams named, or all of ``mode``. Raises `UsageError` for one that is unknown, or not of that mode."""
        wanted = tuple(sorted(set(streams)))
        if unknown := [stream for stream in wanted if stream not in self.streams]:
            raise UsageError(f"Source {self.name!r} has no stream {unknown[0]!r}. It has: {', '.join(self.streams)}.")
        known = self.streams if mode is None else self.streams_of(mode)
        if absent := [stream for stream in wanted if stream not in known]:
            owner = self._recipes.owner_of(absent[0]) if self._recipes is not None else absent[0]
            raise UsageError(
                f"Stream {absent[0]!r} of source {self.name!r} takes no part in {_RUNS[str(mode)]}. "
                f"{_tables(owner, str(mode))} Streams that do: {', '.join(known)}."
            )
        return wanted or known

    @property
    def recipes(self) -> RestSource | None:
        """None for Python code."""
        return self._recipes

    async def items(self, mode: str, streams: tuple[str, ...], context: Context) -> AsyncGenerator[WorkItem]:
        if self._recipes is not None:
            async for item in self._recipes.enumerate(mode, streams, context):
                yield item
            return
        for enumerator in self._enumerators[mode]:
            async with contextlib.aclosing(enumerator(context)) as found_items:
                async for found in found_items:
                    if not isinstance(found, WorkItem):
                        raise UsageError(
                            f"The enumerator {enumerator.__name__} yielded a {type(found).__name__}. Yield work items: "
                            "instances of your WorkItem classes."
                        )
                    if type(found) not in self.processors:
                        raise UsageError(
                            f"No processor for kind {type(found).kind!r}. Registered: {self.registry.names}. "
                            "Is its module imported by the app you passed?"
                        )
                    if found.stream in streams:
                        yield found

    def divide(self, item: WorkItem) -> tuple[WorkItem, ...]:
        """Empty where the item cannot be divided."""
        if self._recipes is not None:
            return self._recipes.halves(item)
        return divide_by(self._dividers.get(type(item), halve_ids), item, self.processors)

    def expect_of(self, mode: str, streams: tuple[str, ...]) -> Expect | None:
        """None where nothing is promised. The count is one of all records, which full runs alone have."""
        if mode != "full":
            return None
        if self._recipes is not None:
            return self._recipes.expect_of(streams)
        lookups = {name: self.expect[name] for name in streams if name in self.expect}
        if not lookups:
            return None
        from haulier.sources.lookup import expect_by

        return expect_by(lookups, 'expect["{}"]')

    def require_known_streams(self) -> None:
        if unknown := sorted(set(self.expect) - set(self.streams)):
            raise UsageError(
                f"Source {self.name!r} expects a count of stream {unknown[0]!r}, and has no such stream. "
                f"It has: {', '.join(self.streams) or 'none'}."
            )

    def fingerprint(self, mode: str, streams: tuple[str, ...]) -> str:
        """SHA-256 of all that shapes the records of these streams; a run goes on under an equal one alone. Empty,
        which equals none, where this app lacks a stream."""
        if not set(streams) <= set(self.streams):
            return ""
        parts: list[bytes] = [mode.encode(), ",".join(streams).encode(), self.api.url.encode()]
        if self._recipes is not None:
            parts.append(self._recipes.fingerprint(mode, streams))
        else:
            kinds = [item for item in self.processors if item.stream in streams]
            functions: list[Callable[..., Any]] = [
                *self._enumerators.get(mode, []),
                *(self.processors[item] for item in kinds),
            ]
            parts += [shape_of(function) for function in functions] + [shape_of(item) for item in kinds]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    @contextlib.asynccontextmanager
    async def shared(self) -> AsyncIterator[Any]:
        if self._lifespan is None:
            yield None
        else:
            async with self._lifespan() as shared:
                yield shared


def _tables(stream: str, mode: str) -> str:
    kinds = {"full": ("ids", "windows", "values", "once"), "incremental": ("windows", "ids", "feed")}[mode]
    *others, last = (f"[streams.{stream}.{mode}.{kind}]" for kind in kinds)
    return f"Write a table {', '.join(others)} or {last}."


def _command_words(source: str, words: Iterable[str]) -> tuple[str, ...]:
    found: tuple[object, ...] = ("",) if isinstance(words, str) else tuple(words)
    texts = tuple(word for word in found if isinstance(word, str) and word)
    if len(texts) < len(found):
        raise UsageError(
            f"on_close of source {source!r}: expected a list of words, found {words!r}. "
            'Write the command and its arguments one by one: on_close=["./alert.sh", "nightly"].'
        )
    return texts


def _require_rules(source: str, rules: tuple[object, ...]) -> None:
    from haulier.api.answers.judgement import Rule

    for rule in rules:
        if not isinstance(rule, Rule):
            raise UsageError(
                f"rules of source {source!r}: expected a Rule, found {rule!r}. "
                "Write, for example: rules=[Rule(Action.PAUSE, status=403)]."
            )


def _require_lookups(source: str, expect: Mapping[str, object]) -> None:
    from haulier.sources.recipe import Lookup

    for stream, lookup in expect.items():
        if not isinstance(lookup, Lookup):
            raise UsageError(
                f'expect["{stream}"] of source {source!r}: expected a Lookup, found {lookup!r}. Write where the API '
                f'tells the number: expect={{"{stream}": Lookup("/count", at="count")}}.'
            )


def _require_async_generator(function: Callable[..., Any], what: str, parameters: int) -> None:
    name = getattr(function, "__name__", repr(function))
    if not inspect.isasyncgenfunction(function):
        raise UsageError(f"The {what} {name} is not an async generator. Write `async def {name}(...)` with a `yield`.")
    taken = len(inspect.signature(function).parameters)
    if taken != parameters:
        wanted = "(ctx)" if parameters == 1 else "(item, ctx)"
        raise UsageError(f"The {what} {name} takes {count_of(taken, 'parameter')}. Write `async def {name}{wanted}`.")
