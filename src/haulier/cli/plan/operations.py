"""Operations of queue and lake that a run takes on Azure.

Counted on Azurite for 1,000 items of one request each: likely is what three workers with 12 in flight took
(docs/azure.md#what-it-costs), low what one worker did, whose messages and receipts come in groups
(`benchmarks/azure_run.py --operations 1000`), high what items that come seldom take.
"""

from __future__ import annotations

import math

import msgspec

from haulier.cli.plan.uncertain import NOTHING, Uncertain, exactly
from haulier.runs.plan import SHARD_ITEMS

SENT, DELETED = 1.0, 1.0
RECEIVED = Uncertain(low=1 / 32, likely=0.6, high=1.5)
"""Up to 32 messages come at once; a worker that has one free slot asks for one."""
RENEWAL_SECONDS = 20.0
"""A lease of a minute is renewed each third of it."""
PUT = 1.0
BLOCK_BYTES = 4 << 20
WHOLE_BYTES = 1 << 20
"""An object up to this size is put at once, a larger one in blocks and one operation more."""
ACCOUNTED = Uncertain(low=0.02, likely=0.2, high=1.0)
"""Receipts, a file for a group of items: each alone where items come seldom."""
LISTED = Uncertain(low=0.04, likely=0.2, high=1.0)
READ = Uncertain(low=0.1, likely=0.6, high=1.5)
SHARD_WRITES = 4.0
"""The shard, and the files that say that it is being sent and was."""
RUN_WRITES = 12.0
"""The run's own files: its claim, seal, closing, manifest, verdict and signs."""
ROW_WRITES_A_SECOND = Uncertain(low=1.0, likely=2.0, high=2.5)
"""The row of the API's limits that all workers share, read and written."""


class Operations(msgspec.Struct, frozen=True, kw_only=True):
    queue: Uncertain = NOTHING
    lake_writes: Uncertain = NOTHING
    lake_lists: Uncertain = NOTHING
    lake_reads: Uncertain = NOTHING


def operations_of(
    *, items: Uncertain, planned: int, stored_bytes: Uncertain, item_seconds: float, run_seconds: Uncertain
) -> Operations:
    """``items`` are those that end, the children of divided ones among them; ``item_seconds`` one of them takes."""
    mean_bytes = stored_bytes.likely / items.likely if items.likely else 0.0
    puts = PUT if mean_bytes <= WHOLE_BYTES else 1 + math.ceil(mean_bytes / BLOCK_BYTES)
    shards = math.ceil(planned / SHARD_ITEMS)
    row = run_seconds * ROW_WRITES_A_SECOND
    renewals = math.floor(item_seconds / RENEWAL_SECONDS)
    return Operations(
        queue=items * (exactly(SENT + DELETED + renewals) + RECEIVED),
        lake_writes=items * (exactly(puts) + ACCOUNTED) + exactly(SHARD_WRITES * shards + RUN_WRITES) + row,
        lake_lists=items * LISTED,
        lake_reads=items * READ,
    )
