"""How the parameters of an item are written down."""

from __future__ import annotations

from haulier.items.codec import canonical, encode_canonical
from haulier.items.workitem import WorkItem


def written(item: WorkItem) -> bytes:
    return encode_canonical(canonical(item))
