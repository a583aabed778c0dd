from __future__ import annotations

import dataclasses
import functools
import re
from typing import Any, ClassVar

from haulier.errors import UsageError
from haulier.items.parameters import refusal

MAX_NAME_LENGTH = 40
"""A key begins with the kind and has at most 120 characters: two thirds are left for parameters."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class WorkItem:
    """The base class of all items. A subclass is a frozen dataclass that names its stream and its kind:

    >>> @dataclass(frozen=True)
    ... class AssetsById(WorkItem, stream="assets", kind="assets_by_id"):
    ...     ids: IdRange

    Both names have at most 40 characters of a-z, 0-9 and '_', beginning with a letter. The kind stands in messages and
    files: keep it when you rename the class. While a run is open a field with a default may be added; removing one or
    changing its meaning needs a new kind. Types of fields: str, int, float, bool, aware datetime, date, `IdRange`,
    `TimeWindow`, an Enum or Literal of str or int, a frozen dataclass, a tuple of these, or one of these ``| None``.
    `UsageError` for a wrong name when the class is made, for the rest when it is first used.
    """

    __slots__ = ()
    stream: ClassVar[str]
    kind: ClassVar[str]
    is_key_hashed: ClassVar[bool] = False
    """Its key shows no parameter: they may be links that hold a secret."""
    is_asked_whole: ClassVar[bool] = False
    """One request is about all of it, so that nothing is learnt of it by a part."""

    def __init_subclass__(cls, *, stream: str | None = None, kind: str | None = None, **others: Any) -> None:
        super().__init_subclass__(**others)
        # `dataclass(slots=True)` makes the class a second time, without its keywords but with what they set.
        cls.stream = _checked_name(cls, "stream", stream if stream is not None else cls.__dict__.get("stream"))
        cls.kind = _checked_name(cls, "kind", kind if kind is not None else cls.__dict__.get("kind"))


def require_usable(cls: type) -> None:
    """`UsageError` unless this is a frozen dataclass whose parameters can be encoded and read back."""
    problem = _problem_of(cls)
    if problem is not None:
        raise UsageError(f"Work item {getattr(cls, '__qualname__', cls)}: {problem}")


@functools.lru_cache(maxsize=4096)
def _problem_of(cls: object) -> str | None:
    if not (isinstance(cls, type) and WorkItem in cls.__mro__[1:]):
        return "it is not a subclass of WorkItem."
    if "__dataclass_fields__" not in cls.__dict__:
        return "it is not a dataclass: write @dataclass(frozen=True) above it."
    for name in ("stream", "kind"):
        if any(field.name == name for field in dataclasses.fields(cls)):
            return f"its field {name!r} has the name of a class attribute of WorkItem: give it another name."
    return refusal(cls)


def _checked_name(cls: type, word: str, name: object) -> str:
    if name is None:
        raise UsageError(
            f"Work item {cls.__qualname__} has no {word}: "
            f'write class {cls.__qualname__}(WorkItem, stream="...", kind="...").'
        )
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
        raise UsageError(
            f"Work item {cls.__qualname__} has the {word} {name!r}: write at most {MAX_NAME_LENGTH} characters of "
            "a-z, 0-9 and '_', beginning with a letter."
        )
    return name
