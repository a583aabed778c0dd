from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Final, NoReturn

import msgspec
from msgspec import Raw

from haulier.api.records.paths import check_path, describe, explain_missing, raw_at
from haulier.api.records.picker import ValuePicker
from haulier.api.records.slices import Bytes
from haulier.errors import UsageError

DIGEST_BYTES: Final = 16
"""Two of a billion keys have an equal digest of this length once in 10^20 runs: no good run fails so."""


_NO_KEYS: Final = (b"n", b"{", b"[")
"""How null, objects and lists begin."""


class NoKeyError(ValueError):
    """A record has no key."""


class KeyReader:
    """Reads the key at ``paths`` as bytes, 16 at most: short enough to be kept for each record.

    Texts are equal however they are escaped; numbers by the API's digits (1 and 1.0 are two keys). Text never equals a
    number.
    """

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._paths = paths
        self._picker = ValuePicker(paths)

    def read(self, record: Bytes) -> bytes:
        """Raises `NoKeyError` where a path leads nowhere, to null, or to an object or list."""
        values = self._picker.pick(record) or self._find_each(record)
        text = b",".join([_plain(value) or self._refuse(record, place) for place, value in enumerate(values)])
        # A shorter text stands for itself: no digest is as short.
        return text if len(text) < DIGEST_BYTES else hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest()

    def _find_each(self, record: Bytes) -> list[Raw | None]:
        try:
            return [raw_at(bytes(record), path) for path in self._paths]
        except (msgspec.DecodeError, RecursionError) as error:
            raise NoKeyError(f"it is not JSON: {error}") from error

    def _refuse(self, record: Bytes, place: int) -> NoReturn:
        path = self._paths[place]
        value = raw_at(bytes(record), path)
        if value is None:
            raise NoKeyError(explain_missing(bytes(record), path, "the record"))
        raise NoKeyError(f"{path!r} is {describe(value)}, which cannot be a key")


def _plain(value: Raw | None) -> bytes:
    """Bytes that are equal where values are; none for no key."""
    if value is None:
        return b""
    text = bytes(value)
    if text.startswith(_NO_KEYS):
        return b""
    if b"\\" in text:
        # Python's own reader takes halves of surrogate pairs too, which no other writes as UTF-8.
        return json.dumps(json.loads(text), ensure_ascii=False).encode(errors="surrogatepass")
    return text


def key_paths(key: str | Iterable[str]) -> tuple[str, ...]:
    """Several paths may tell a record together."""
    paths = (key,) if isinstance(key, str) else tuple(key)
    if not paths:
        raise UsageError("A key needs at least one path into a record, such as 'id'.")
    for path in paths:
        check_path(path)
        if paths.count(path) > 1:
            raise UsageError(f"The path {path!r} is given twice in one key. Write it once.")
    return paths
