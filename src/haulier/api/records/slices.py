from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

Bytes = bytes | bytearray | memoryview


class Records(Sequence[bytes]):
    """Cuts ``bytes`` out when they are looked at.

    A run writes ``slices``, uncopied parts of the body: bytes of all records would cost a page of 20 KB a twelfth more.
    """

    __slots__ = ("slices",)

    def __init__(self, slices: Sequence[Bytes]) -> None:
        self.slices = slices

    def __len__(self) -> int:
        return len(self.slices)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...
    def __getitem__(self, index: int | slice) -> bytes | Records:
        if isinstance(index, slice):
            return Records(self.slices[index])
        return bytes(self.slices[index])

    def __iter__(self) -> Iterator[bytes]:
        return map(bytes, self.slices)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Records({list(self)!r})"
