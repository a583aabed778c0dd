from __future__ import annotations

from collections.abc import Iterator

from haulier.errors import UnknownKindError, UsageError
from haulier.items.workitem import WorkItem, require_usable


class Registry:
    """Kinds of work item, in the order of registration."""

    def __init__(self) -> None:
        self._classes: dict[str, type[WorkItem]] = {}

    def add(self, cls: type[WorkItem]) -> None:
        """Raises `UsageError` for a second class of a kind."""
        require_usable(cls)
        known = self._classes.setdefault(cls.kind, cls)
        if known is not cls:
            raise UsageError(
                f"Two classes have the kind {cls.kind!r}: {_place(known)} and {_place(cls)}. "
                "Give one of them another kind."
            )

    def get(self, kind: str) -> type[WorkItem]:
        """Raises `UnknownKindError`."""
        cls = self._classes.get(kind)
        if cls is None:
            raise UnknownKindError(
                f"No processor for kind {kind!r}. Registered: {self.names}. "
                "Does the app that you passed import its module?"
            )
        return cls

    @property
    def names(self) -> str:
        """Sorted, for a message: ``assets_by_id, people``."""
        return ", ".join(sorted(self._classes)) or "none"

    def __iter__(self) -> Iterator[type[WorkItem]]:
        return iter(list(self._classes.values()))

    def __len__(self) -> int:
        return len(self._classes)

    def __contains__(self, cls: object) -> bool:
        return cls in self._classes.values()


def _place(cls: type[WorkItem]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
