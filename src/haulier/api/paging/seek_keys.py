"""Finds seek keys that records share: of two such records around a page's end the second never comes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

import msgspec
from msgspec import Raw

from haulier.api.errors import PagingError
from haulier.api.records.picker import ValuePicker
from haulier.api.records.slices import Bytes

_TAIL_RECORDS: Final = 2
"""Records of a later page that are looked at: rows are lost where it ends."""


def ends_with_null(key: Raw) -> bool:
    """Whether a list of sort values has null in place of the one that makes it unique."""
    if bytes(memoryview(key)[:1]) != b"[":
        return False
    values = msgspec.json.decode(key, type=list[Raw])
    return not values or bytes(values[-1]) == b"null"


class SeekKeys:
    def __init__(self, path: str) -> None:
        self._path = path
        self._picker = ValuePicker((path,))

    def check(self, records: Sequence[Bytes], *, is_first_page: bool) -> None:
        """Raise `PagingError` where neighbours have the same key, on a page with another one behind it.

        The order is free: many APIs mean a position by a key, whatever sorts it.
        """
        keys = [self._key(record) for record in (records if is_first_page else records[-_TAIL_RECORDS:])]
        for place, (one, other) in enumerate(pairwise(keys), len(records) - len(keys) + 1):
            if one is not None and one == other:
                raise PagingError(
                    f"records {place:,} and {place + 1:,} of the page have the same {self._path!r}, by which the next "
                    "page is asked for: behind a page that ends between two such, the second would never come. Page by "
                    "a key that no two records share. If the API can be asked for the records from the last key on, "
                    "and not only for those after it, do so, and write inclusive = true in `pages`."
                )

    def ties(self, records: Sequence[Bytes]) -> int:
        """Return how many last records share one key. Raises `PagingError` where all of several do."""
        last = self._key(records[-1])
        count = 1
        while last is not None and count < len(records) and self._key(records[-count - 1]) == last:
            count += 1
        if count == len(records) > 1:
            raise PagingError(
                f"all {count:,} records of the page have the same {self._path!r}, so that the page behind it cannot be "
                "asked for. Ask for larger pages, or page by a key that fewer records share."
            )
        return count

    def _key(self, record: Bytes) -> bytes | None:
        picked = self._picker.pick(record)
        value = picked[0] if picked else None
        return None if value is None else bytes(value)


@lru_cache(maxsize=64)
def seek_keys(path: str) -> SeekKeys:
    """Cached: making a reader costs more than reading a page."""
    return SeekKeys(path)
