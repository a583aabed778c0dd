"""Failures of a run, for people, and how long they keep items away, for workers that miss them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from haulier.api.scope.current_run import current_run

MAX_REMEMBERED_RUNS = 4
MAX_CAUSE_CHARACTERS = 300
MAX_WORDS, OTHER = 6, "other"
"""Causes that are counted apart; the rarer ones share a word."""
MAX_WORD_CHARACTERS = 40


class Failures(msgspec.Struct, frozen=True, kw_only=True):
    retries: int = 0
    """Requests repeated in place, and items that came again."""
    by_word: dict[str, int] = {}
    """The same by their causes, each in a word or two, as far as they are known."""
    newest: str = ""
    """On one line without secrets; empty if none."""
    at: float = 0.0
    """Wall time."""
    hidden_until: float = 0.0
    """Wall time until which messages are hidden, where that is longer than the longest backoff."""

    def with_more(self, more: Failures) -> Failures:
        last = more if more.at >= self.at else self
        return Failures(
            retries=self.retries + more.retries,
            by_word=_few(self.by_word, more.by_word),
            newest=last.newest,
            at=last.at,
            hidden_until=max(self.hidden_until, more.hidden_until),
        )


NO_FAILURES = Failures()


class FailureNotes:
    def __init__(self) -> None:
        self.run_id = ""
        self._news: dict[str, Failures] = {}
        self.hidden_until: dict[str, float] = {}
        """By run, what this process noted: the row remembers few runs."""
        self.on_retry: Callable[[str], None] = lambda word: None
        """Hears the cause of each retry, in a word or two."""

    def note_run(self, run_id: str) -> None:
        """What follows is of this run, but within an item of another. Before the first, nothing is kept."""
        self.run_id = run_id

    def note(self, cause: str, wall: float, *, is_retried: bool = False, word: str = "") -> None:
        """``cause`` holds no secrets; an empty one is no new cause. ``word`` is the cause in a word or two."""
        if is_retried:
            self.on_retry(word or OTHER)
        if run_id := current_run() or self.run_id:
            cause = "".join(
                sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in " ".join(cause.split())
            )
            more = Failures(
                retries=int(is_retried),
                by_word={word[:MAX_WORD_CHARACTERS]: 1} if is_retried and word else {},
                newest=_shorten(cause),
                at=wall if cause else 0.0,
            )
            self._news[run_id] = self._news.get(run_id, NO_FAILURES).with_more(more)

    def note_hidden(self, run_id: str, until: float) -> None:
        self.hidden_until[run_id] = until = max(until, self.hidden_until.get(run_id, 0.0))
        self._news[run_id] = self._news.get(run_id, NO_FAILURES).with_more(Failures(hidden_until=until))

    def take(self) -> Mapping[str, Failures]:
        news, self._news = self._news, {}
        return news

    def give_back(self, news: Mapping[str, Failures]) -> None:
        self._news = merge_failures(news, self._news)


def _few(known: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Add, and keep few words, since the row holds few bytes: the commonest, and one of the newest, which would else
    never come to be one of those. The rest share a word."""
    both = Counter(known) + Counter(more)
    if len(both) <= MAX_WORDS:
        return dict(both)
    rest = both.pop(OTHER, 0)
    kept = {word for word, _ in both.most_common(MAX_WORDS - 2)}
    left = Counter({word: count for word, count in both.items() if word not in kept})
    newest = Counter({word: count for word, count in left.items() if word in more})
    kept |= {word for word, _ in (newest or left).most_common(1)}
    rest += sum(count for word, count in left.items() if word not in kept)
    return {word: count for word, count in both.items() if word in kept} | {OTHER: rest}


def _shorten(cause: str) -> str:
    return cause if len(cause) <= MAX_CAUSE_CHARACTERS else cause[: MAX_CAUSE_CHARACTERS - 4] + " ..."


def merge_failures(known: Mapping[str, Failures], news: Mapping[str, Failures]) -> dict[str, Failures]:
    """Keeps the runs that failed last."""
    both = dict(known) | {run_id: known.get(run_id, NO_FAILURES).with_more(more) for run_id, more in news.items()}
    newest = sorted(both, key=lambda run_id: (both[run_id].at, run_id), reverse=True)[:MAX_REMEMBERED_RUNS]
    return {run_id: both[run_id] for run_id in newest}
