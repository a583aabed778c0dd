"""What the API promises about the number of an item's records, and whether it was kept (G3)."""

from __future__ import annotations

from dataclasses import dataclass

from haulier.api.page import BodyError
from haulier.api.paginator import PageAnswer, whole_number
from haulier.api.paths import check_path, describe
from haulier.errors import UsageError


@dataclass(frozen=True, slots=True)
class Total:
    """Where an answer says how many records there are in all: ``Total("meta.count")``.

    An exact one must be kept: where there are not as many records, the total is asked for once more, and where it
    differs again, the item begins again. An estimate is only logged.
    """

    at: str = ""
    """Path in the body."""
    is_exact: bool = True
    header: str = ""
    """Or the name of a header, such as `X-Total-Count`."""
    may_move: bool = True
    """False: the records must be as many as the first page promised, whatever is promised later; a row that was deleted
    behind an offset hides another one. And a total that moved is asked for again, even if the records add up."""
    divide_above: int = 0
    """The API hands out no more than so many records for one query: an item that has more is divided, before its
    first page is kept. 0: no such cap."""

    def __post_init__(self) -> None:
        if bool(self.at) == bool(self.header):
            raise UsageError("A total is read from one place: a path of the body, or a header. Name one.")
        if self.at:
            check_path(self.at)
        if self.divide_above < 0:
            raise UsageError(
                f"A total cannot be divided above {self.divide_above}. Write the API's cap, or 0 for none."
            )

    def of(self, answer: PageAnswer) -> int | None:
        """What an answer says; None where it says nothing. Raises `BodyError` for what is no number."""
        if self.header:
            text = answer.header(self.header)
            return None if text is None else whole_number(text, self.header)
        raw = answer.body.raw(self.at)
        if raw is None or bytes(raw) == b"null":
            return None
        try:
            return whole_number(bytes(raw).decode().strip('"'), self.at)
        except BodyError:
            raise BodyError(f"at {self.at!r} stands {describe(raw)}, and a total was expected") from None

    def demand(self, answer: PageAnswer) -> int:
        """As `of`; `BodyError` where the answer says nothing, since a promise that is not there cannot be checked."""
        total = self.of(answer)
        if total is None:
            raise BodyError(
                f"no total: the header {self.header!r} is not there"
                if self.header
                else f"no total: {answer.body.lacks(self.at)}"
            )
        return total


@dataclass(frozen=True, slots=True)
class Drift:
    """A total that moved while the item was read. The records equal the one read last."""

    promised: int
    reread: int


class Promise:
    """The total of one walk: what the first page promised, and what the pages after it said."""

    def __init__(self, total: Total) -> None:
        self._total = total
        self.first: int | None = None
        self.last: int | None = None

    def of(self, answer: PageAnswer) -> int | None:
        """What a page says, or the one before it where it says nothing. The first page must say it, if it is exact."""
        if self.first is None and self._total.is_exact and not answer.body.is_declared_empty:
            return self._total.demand(answer)
        found = self._total.of(answer)
        return self.last if found is None else found

    def note(self, total: int | None) -> None:
        """A page that said ``total`` counts."""
        if self.first is None:
            self.first = total
        self.last = total

    def is_kept(self, records: int) -> bool:
        """Whether nothing is left to ask."""
        return records == self.first and (self._total.may_move or self.last == self.first)
