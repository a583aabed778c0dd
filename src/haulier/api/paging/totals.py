"""What the API promises about the number of an item's records (G3)."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from haulier.api.errors import BodyError, MovedError
from haulier.api.paging.paginator import PageAnswer, whole_number
from haulier.api.records.item_counts import MovedTotal
from haulier.api.records.paths import check_path, describe
from haulier.errors import UsageError


@dataclass(frozen=True, slots=True)
class Guard:
    """When a total is exact: ``Guard("hits.total.relation", "eq")`` wants that value at that path."""

    at: str
    equals: str | int | bool

    def __post_init__(self) -> None:
        check_path(self.at)

    def holds(self, answer: PageAnswer) -> bool:
        """Raises `BodyError` where nothing is there: a misspelt guard would make every total worthless."""
        raw = answer.body.raw(self.at)
        if raw is None:
            raise BodyError(f"nothing says whether the total is exact: {answer.body.explain_missing(self.at)}")
        found = msgspec.json.decode(raw)
        return type(found) is type(self.equals) and bool(found == self.equals)


@dataclass(frozen=True, slots=True)
class Total:
    """Where an answer says how many records there are in all: ``Total("meta.count")``.

    If the records differ from an exact total, it is asked for once more; if they still differ, the item begins again.
    An estimate is only logged.
    """

    at: str = ""
    """Path in the body."""
    is_exact: bool = True
    header: str = ""
    """Header instead, such as `X-Total-Count`; of `Content-Range` what is behind the slash."""
    may_move: bool | None = None
    """False: the records must be as many as the first page promised, and a total that moved is asked for again even if
    they are. None: False for offsets and page numbers, where a deleted row hides another one; else True."""
    divide_above: int = 0
    """Most records that the API hands out for a query: an item with more is divided at its first page. 0: no cap."""
    counts_hidden: bool = False
    """It counts hidden rows too: records may be fewer, never more. The manifest says by how many."""
    counts_skipped: bool = True
    """It counts rows that are skipped."""

    only_if: Guard | None = None
    """Condition of an exact total: search servers count to 10,000 and say that there are more. Unmet, it ends no list
    and promises nothing."""

    def __post_init__(self) -> None:
        if self.counts_hidden and not self.is_exact:
            raise UsageError("A total is an estimate, or it counts hidden rows too; not both.")
        if self.only_if is not None and not self.is_exact:
            raise UsageError('`only_if` says when a total is exact, and this one is an estimate. Write is = "exact".')
        if bool(self.at) == bool(self.header):
            raise UsageError("A total is read from one place: a path of the body, or a header. Name one.")
        if self.at:
            check_path(self.at)
        if self.divide_above < 0:
            raise UsageError(
                f"A total cannot be divided above {self.divide_above}. Write the API's cap, or 0 for none."
            )

    def of(self, answer: PageAnswer) -> int | None:
        """Return the total of an answer, or None. Raises `BodyError` for what is no number."""
        if self.header:
            # `Content-Range: 0-99/3587` (RFC 9110, 14.4), with `*` where the length is not known.
            text = (answer.header(self.header) or "").rpartition("/")[2].strip()
            return whole_number(text, self.header) if text not in ("", "*") else None
        raw = answer.body.raw(self.at)
        if raw is None or bytes(raw) == b"null":
            return None
        try:
            return whole_number(bytes(raw).decode().strip('"'), self.at)
        except BodyError:
            raise BodyError(f"expected a total at {self.at!r}, found {describe(raw)}") from None

    def binds(self, answer: PageAnswer) -> bool:
        if self.only_if is None or answer.body.is_declared_empty:
            return self.is_exact
        return self.is_exact and self.only_if.holds(answer)

    def demand(self, answer: PageAnswer) -> int:
        """Raises `BodyError` without a total, which could not be checked."""
        total = self.of(answer)
        if total is None:
            raise BodyError(
                f"no total: the header {self.header!r} is missing, or has none"
                if self.header
                else f"no total: {answer.body.explain_missing(self.at)}"
            )
        return total


class Promise:
    def __init__(self, total: Total, *, is_counting: bool = False, is_parallel: bool = False) -> None:
        self._total = total
        self._is_counting = is_counting
        self._is_parallel = is_parallel
        self.may_move = not is_counting if total.may_move is None else total.may_move
        self.first: int | None = None
        self.last: int | None = None
        self.moved: int | None = None
        self._is_said = True

    def said_by(self, answer: PageAnswer) -> int | None:
        """Read a page's total. The first page must have an exact one."""
        if self.first is None and self._total.is_exact and not answer.body.is_declared_empty:
            return self._total.demand(answer)
        return self._total.of(answer)

    def known(self, said: int | None) -> int | None:
        return self.last if said is None else said

    def note(self, said: int | None) -> None:
        # Side by side, the last page need not be the one that was answered last.
        self._is_said = said is not None and (self._is_said or not self._is_parallel)
        if said is None:
            return
        if self.first is None:
            self.first = said
        self.last = said
        if said != self.first and self.moved is None:
            self.moved = said
        self.check_stands(said)

    def check_stands(self, said: int) -> None:
        if self._is_counting and self._total.is_exact and not self.may_move and said != self.first:
            raise MovedError(
                f"the total moved from {self.first} to {said} while the item was read by counting, so that records "
                "came twice or were passed over. The item begins again. If it happens each time, ask for less at a "
                "time (a smaller step; windows that end before now), page by a cursor or a key that never changes "
                "(`seek`), or write may_move = true in `total`: it is then taken as it comes, and listed under `drift`."
            )

    def fits(self, records: int, total: int) -> bool:
        return records <= total if self._total.counts_hidden else records == total

    def is_kept(self, records: int) -> bool:
        """Whether nothing is left to ask."""
        if self.first is None:
            return True
        is_sure = self.may_move or (self.last == self.first and (self._is_said or not self._is_counting))
        return self.fits(records, self.first) and is_sure

    def drift(self, total: int) -> MovedTotal | None:
        assert self.first is not None
        moved = self.moved if self._is_counting and total == self.first else total
        return None if moved is None or moved == self.first else MovedTotal(promised=self.first, reread=moved)
