"""How a source says where lists with a token or link end, beyond the token that is not there any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol, get_args

from haulier.api.errors import PagingError
from haulier.api.paging.paginator import PageAnswer
from haulier.api.paging.positions import check_flags
from haulier.errors import UsageError

End = Literal["flag", "repeated", "empty page"]
"""``flag``: the flag alone counts, since the token goes on past the end; ``repeated``: the token or link of the page
before comes again; ``empty page``: a page without records."""
END_WORDS: Final[tuple[str, ...]] = get_args(End)

Missing = Literal["", "end"]
"""``end``: the sign of a next page is left out of the last one, and a page without it is never suspicious."""


CHECKS_ONLY: Final = {"shapes_records": False}
"""Of a field that decides what is suspicious and not which records there are: an open run goes on when it changes."""


class EndRules(Protocol):
    """What kinds with a token or link have in common."""

    @property
    def more(self) -> str: ...
    @property
    def done(self) -> str: ...
    @property
    def end(self) -> tuple[End, ...]: ...


def check_ends(kind: EndRules, missing: str) -> None:
    """`UsageError` for rules that mean nothing."""
    check_flags(kind.more, kind.done)
    check_words(kind.end, missing)
    if "flag" in kind.end and not (kind.more or kind.done):
        raise UsageError('end = ["flag"] needs a flag: declare `more` or `done`.')


def check_words(end: Sequence[str], missing: str) -> None:
    """`UsageError` for words that are none of these."""
    for word in end:
        if word not in END_WORDS:
            raise UsageError(f"end has {word!r}; there are: {', '.join(map(repr, END_WORDS))}.")
    if missing not in get_args(Missing):
        raise UsageError(f"missing is {missing!r}; write 'end', or leave it out.")


def flag_of(kind: EndRules, answer: PageAnswer, *, has_token: bool) -> bool | None:
    """Whether the declared flag says that this was all; None where neither it nor a token is there.

    Raises `PagingError` where flag and token contradict each other, unless the flag is declared to rule.
    """
    path = kind.more or kind.done
    flag = answer.flag(path) if path else None
    if flag is None:
        if path and has_token:
            raise PagingError(
                f"no flag says whether there is more: {answer.body.explain_missing(path)}. Correct its path."
            )
        return None
    says_end = flag is bool(kind.done)
    if not says_end and not has_token:
        raise PagingError(
            f"the API says that there is more, and not how to ask for it: {path!r} stands there without the token or "
            "link of a next page. Correct the place of that in `pages`."
        )
    if says_end and has_token and "flag" not in kind.end:
        raise PagingError(
            f"{path!r} says that this was all, and there is a token or link for a next page. If that goes on past the "
            f'end, write end = ["flag"] in `pages`; if it is the flag that is wrong, leave out '
            f"`{'more' if kind.more else 'done'}`."
        )
    return says_end
