"""Values that are joined into one parameter: `ids=1|2|3`. What comes back is compared with what was asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from haulier.api.errors import Action, ApiError, Shape
from haulier.api.records.page import Page
from haulier.api.records.paths import check_path, describe, explain_missing, raw_at
from haulier.errors import UsageError
from haulier.sources.scalars import scalar_text

MAX_JOINED_BYTES = 6_000
"""Of one request's values, encoded. Many a server takes no more than 8 KiB of an address, and a path, tokens and other
parameters stand there too."""
_SHOWN_VALUES = 3


@dataclass(frozen=True)
class Join:
    """How several values are asked for at once, and how a record tells to which of them it belongs."""

    separator: str
    at: str
    """Path of the value in a record."""
    may_miss: bool = False
    """A value without a record is one that the API does not have. Else it is a failure."""

    def __post_init__(self) -> None:
        if not self.separator:
            raise UsageError("The text between joined values is empty: nobody could tell them apart.")
        check_path(self.at)

    def problem_of(self, value: str) -> str:
        """ "" where a value can be joined."""
        if not value:
            return "a value is empty, and nobody could tell that it was asked for."
        if self.separator in value:
            return f"the value {value!r} holds {self.separator!r}, which stands between joined values."
        if (value + self.separator).find(self.separator) < len(value) or (self.separator + value).rfind(self.separator):
            return f"the value {value!r} runs into {self.separator!r}, which stands between joined values."
        return ""

    def bytes_of(self, value: str) -> int:
        return len(quote(value + self.separator, safe="", errors="surrogatepass"))

    def of_record(self, record: bytes) -> str:
        """The value that a record belongs to."""
        found = raw_at(record, self.at)
        text = None if found is None else scalar_text(found)
        if text is None:
            reason = explain_missing(record, self.at, "it") if found is None else f"it has {describe(found)} there"
            raise _refusal(
                f"a record does not tell at {self.at!r} for which value it is: {reason}. Correct `at` in `join`.",
                Shape.RECORD,
            )
        return text


class JoinedText(str):
    """Joined values, for places where each is encoded by itself and the text between them stays."""

    __slots__ = ("separator", "values")
    values: tuple[str, ...]
    separator: str

    def __new__(cls, values: Sequence[str], separator: str) -> JoinedText:
        self = super().__new__(cls, separator.join(values))
        self.values, self.separator = tuple(values), separator
        return self


@dataclass(frozen=True)
class Asked:
    """What one request asks for."""

    join: Join
    values: tuple[str, ...]

    @property
    def text(self) -> JoinedText:
        return JoinedText(self.values, self.join.separator)

    @property
    def skips_absent(self) -> bool:
        """A 404 is about one value only where one was asked for."""
        return self.join.may_miss and len(self.values) == 1

    async def compared(
        self,
        pages: AsyncIterator[Page],
        note: Callable[[int, int], None],
        most_pages: int | None,
        again: Callable[[Asked], AsyncIterator[Page]],
    ) -> AsyncGenerator[Page, None]:
        """Pages, whose records all belong to what was asked for. Raises `ApiError` for one that does not, and at the
        end for values without a record, unless they may be missing. ``note`` is told how many came, and how many not.
        ``most_pages``: so many are read, and nothing is concluded from what did not come.

        Values that may be missing are asked for ``again``, without the others: an API that takes only so many values
        at once passes over the rest.
        """
        asked, left, read = frozenset(self.values), set(self.values), 0
        async for page in pages:
            read += 1
            for record in page.records:
                value = self.join.of_record(bytes(record))
                if value not in asked:
                    raise _refusal(
                        f"a record belongs to {value!r} by {self.join.at!r}, and that was not asked for. Does the API "
                        "know the parameter, and this text between the values?"
                    )
                left.discard(value)
            yield page
            del page  # As in `haulier.sources.rest`.
        if read == most_pages:
            return
        if left and not self.join.may_miss:
            shown = ", ".join(sorted(left)[:_SHOWN_VALUES]) + (", ..." if len(left) > _SHOWN_VALUES else "")
            raise _refusal(
                f"no record came for {len(left):,} of the {len(asked):,} that were asked for: {shown}. If the API "
                'leaves out what it does not have, write missing = "skip" in `join`.'
            )
        if left:
            await self._require_missing(left, again)
        note(len(asked) - len(left), len(left))

    async def _require_missing(self, left: set[str], again: Callable[[Asked], AsyncIterator[Page]]) -> None:
        values = tuple(value for value in self.values if value in left)
        if len(values) == len(self.values):
            values = values[: len(values) // 2]
        if not values:
            return
        async for page in again(replace(self, values=values)):
            for record in page.records:
                if (value := self.join.of_record(bytes(record))) in left:
                    raise _refusal(
                        f"no record came for {value!r} among the {len(self.values):,} that were asked for, and one did "
                        f"when {len(values):,} were. The API takes fewer at once: write a smaller `batch`."
                    )
            del page  # As in `haulier.sources.rest`.


class Packing:
    """Values that go into one request, as long as there is room."""

    def __init__(self, join: Join, most: int) -> None:
        self._join = join
        self._most = most
        self._count = 0
        self._bytes = 0

    def takes(self, value: str) -> bool:
        """Whether there is room for one more, which then counts as taken. One alone always has room."""
        size = self._join.bytes_of(value)
        if self._count and (self._count == self._most or self._bytes + size > MAX_JOINED_BYTES):
            return False
        self._count, self._bytes = self._count + 1, self._bytes + size
        return True

    def clear(self) -> None:
        self._count = self._bytes = 0


def _refusal(text: str, shape: Shape = Shape.VALUES) -> ApiError:
    return ApiError(f"Of joined values: {text}", action=Action.RETRY_LATER, shape=shape)
