"""The same pull as the contestants', as a haulier source: one item a page."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

from haulier import Api, App, Context, Page, Single, WorkItem

PAGES = int(os.environ["BENCH_PAGES"])
SIZE = int(os.environ["BENCH_BYTES"])

app = App("bench", api=Api(os.environ["BENCH_URL"], in_flight=int(os.environ["BENCH_IN_FLIGHT"])))


@dataclass(frozen=True)
class Blob(WorkItem, stream="blobs", kind="blob"):
    n: int


@app.enumerate("full")
async def blobs(ctx: Context) -> AsyncIterator[WorkItem]:
    for n in range(PAGES):
        yield Blob(n)


@app.processor(Blob)
async def blob(item: Blob, ctx: Context) -> AsyncIterator[Page]:
    async for page in ctx.api.pages("/blob", {"bytes": SIZE, "n": item.n}, pages=Single(), records="records"):
        yield page
