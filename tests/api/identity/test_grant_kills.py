"""Workers are killed while they refresh a grant that rotates: the short form of `tests/harness/grant_kills.py`."""

from __future__ import annotations

import random
from pathlib import Path

from tests.harness.grant_kills import kill_workers


async def test_kills_lose_no_grant_where_the_issuer_forgives_a_lost_answer(tmp_path: Path) -> None:
    """Three workers refresh all the time, and are killed at any step of it; nobody has to authorise anew."""
    tally = await kill_workers(12, random.Random(7), has_grace=True, folder=tmp_path)
    assert (tally.kills, tally.losses) == (12, [])
    assert tally.refreshes >= 3


async def test_of_a_strict_issuer_only_the_answer_under_way_is_lost_and_that_is_said(tmp_path: Path) -> None:
    tally = await kill_workers(8, random.Random(8), has_grace=False, folder=tmp_path)
    assert len(tally.losses) <= tally.reuses
    assert all("was interrupted before its answer was kept" in loss for loss in tally.losses)
