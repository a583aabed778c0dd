"""Whether the key of a seek is what a seek relies on: one that no two records share.

Where two records with one key stand on both sides of a page's end, the second of them never comes, and nothing else
would tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

from haulier.api.errors import PagingError
from haulier.api.records.picker import ValuePicker
from haulier.api.records.slices import Bytes

_TAIL_RECORDS: Final = 2
"""Records of a later page that are looked at: where its end is, rows would be lost."""


class SeekKeys:
    """SignTotals at the keys at ``path`` in the records of pages. Keeps nothing: one serves any number of walks."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._picker = ValuePicker((path,))

    def check(self, records: Sequence[Bytes], *, is_first_page: bool) -> None:
        """Raises `PagingError` where two neighbours on a page with another one behind it have the same key.

        All records of the first page are looked at, and the last ones of each later one. Nothing is asked of the order
        of keys: many APIs mean a place in the list by a key, whatever sorts it.
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
        """How many records at the end of a page share the last key. Raises `PagingError` where all of several do."""
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
    """What looks at a path. Kept, since making what reads the key costs more than reading a page."""
    return SeekKeys(path)
