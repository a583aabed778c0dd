"""What all peers are told, and the quickest way known from a page to lines of NDJSON: slices of its own bytes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

TIMEOUT_SECONDS = 10
ATTEMPTS = 10


class Body(msgspec.Struct):
    records: list[msgspec.Raw]


DECODER = msgspec.json.Decoder(Body)


@dataclass(frozen=True)
class Order:
    url: str
    pages: int
    in_flight: int
    size: int

    def page_url(self, n: int) -> str:
        return f"{self.url}/blob?bytes={self.size}&n={n}"


def read_order() -> Order:
    """The command line of every peer: URL PAGES IN_FLIGHT BYTES. It writes below the current folder."""
    url, *numbers = sys.argv[1:]
    return Order(url, *map(int, numbers))


def lines_of(body: bytes) -> bytes:
    return b"\n".join(DECODER.decode(body).records) + b"\n"


def store(n: int, body: bytes) -> None:
    """A file a page, as one object an item."""
    Path(f"{n}.ndjson").write_bytes(lines_of(body))
