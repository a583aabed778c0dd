"""What enumerators and processors of this package need of the context they are handed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from haulier.api.client import ItemApi


class SourceContext(Protocol):
    """Satisfied by `haulier.worker.parts.Context`, which this package stands below."""

    @property
    def api(self) -> ItemApi: ...

    @property
    def snapshot_time(self) -> datetime: ...
