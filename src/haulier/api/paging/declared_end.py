"""Declared ends of lists with a token or link."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol, get_args

from haulier.api.errors import PagingError
from haulier.api.paging.paginator import PageAnswer
from haulier.api.paging.positions import Missing, check_flags
from haulier.errors import UsageError

End = Literal["flag", "repeated", "empty page", "zero", "null"]
"""``flag``: the flag alone counts; the token goes on past the end. ``repeated``: the token comes again. ``zero``: the
token 0 is none. ``null``: neither is the text "null", as a header has it."""
END_WORDS: Final[tuple[str, ...]] = get_args(End)
LINK_END_WORDS: Final = tuple(word for word in END_WORDS if word not in ("zero", "null"))


_CONNECTION_FLAG: Final = ".hasNextPage"
"""Of a GraphQL connection, where it is never left out."""


class EndRules(Protocol):
    @property
    def more(self) -> str: ...
    @property
    def done(self) -> str: ...
    @property
    def end(self) -> tuple[End, ...]: ...
    @property
    def missing(self) -> Missing: ...


def check_ends(kind: EndRules, missing: str, words: Sequence[str] = LINK_END_WORDS) -> None:
    check_flags(kind.more, kind.done)
    check_words(kind.end, missing, words)
    if "flag" in kind.end and not (kind.more or kind.done):
        raise UsageError('end = ["flag"] needs a flag: declare `more` or `done`.')


def check_words(end: Sequence[str], missing: str, words: Sequence[str] = LINK_END_WORDS) -> None:
    for word in end:
        if word not in words:
            raise UsageError(f"{word!r} is not available in end. Available: {', '.join(map(repr, words))}.")
    if missing not in get_args(Missing):
        raise UsageError(f"missing is {missing!r}; write 'end', or leave it out.")


def flag_of(kind: EndRules, answer: PageAnswer, *, has_token: bool) -> bool | None:
    """Whether the flag says the end; None without flag and token. Raises `PagingError` where they contradict each
    other."""
    path = kind.more or kind.done
    flag = answer.flag(path) if path else None
    if flag is None:
        # Where the flag alone counts, nothing else can say the end.
        is_needed = "flag" in kind.end and not answer.body.is_declared_empty
        if path and not kind.missing and (has_token or is_needed):
            is_connection = path.endswith(_CONNECTION_FLAG)
            advice = '; or, where the API leaves it out of the last page, write missing = "end" in `pages`'
            raise PagingError(
                f"no flag says whether there is more: {answer.body.explain_missing(path)}. Correct its "
                f"path{'' if is_connection else advice}."
            )
        return None
    says_end = flag is bool(kind.done)
    if not says_end and not has_token:
        raise PagingError(
            f"{path!r} says that there is more, but there is no token or link of a next page. Correct in `pages` where "
            "it is read from."
        )
    if says_end and has_token and "flag" not in kind.end:
        raise PagingError(
            f"{path!r} says that this was all, but there is a token or link for a next page. If that goes on past the "
            f'end, write end = ["flag"] in `pages`; if it is the flag that is wrong, leave out '
            f"`{'more' if kind.more else 'done'}`."
        )
    return says_end
