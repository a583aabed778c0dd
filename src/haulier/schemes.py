"""Backends by the scheme of their URL, for `queues/opening.py` and `lake/opening.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, ParamSpec, TypeVar

from haulier.errors import UsageError

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Scheme(Generic[P, T]):
    opener: Callable[P, T]
    """Imports the backend's SDK itself, if it needs one, since nobody else should have to install it."""
    examples: tuple[str, ...]
    """Ways to write it, for messages."""
    extra: str = ""
    """The extra of this package that installs the SDK."""

    def open(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises `UsageError` that names the extra if the SDK is not installed."""
        try:
            return self.opener(*args, **kwargs)
        except ModuleNotFoundError as error:
            if not self.extra:
                raise
            raise UsageError(
                f"The package {error.name} is not installed. Install haulier with its extra {self.extra!r}."
            ) from error


def examples(schemes: Iterable[Scheme[P, T]]) -> str:
    """As ``a, b or c``."""
    *others, last = [example for scheme in schemes for example in scheme.examples]
    return f"{', '.join(others)} or {last}" if others else last
