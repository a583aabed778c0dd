"""Clusters that an answer is about, where an index is named as ``cluster:index``."""

from __future__ import annotations

import msgspec

from haulier.api.errors import BodyError, Shape


class Clusters(msgspec.Struct, frozen=True):
    skipped: int = 0
    partial: int = 0
    failed: int = 0
    running: int = 0


def require_clusters(clusters: Clusters | None) -> None:
    """A cluster that is away is passed over under 200, since `skip_unavailable` is true by default."""
    if clusters is None:
        return
    missing = {name: count for name in Clusters.__struct_fields__ if (count := getattr(clusters, name))}
    if missing:
        words = ", ".join(f"{count} {name}" for name, count in missing.items())
        raise BodyError(f"not all clusters have answered: {words} (_clusters)", Shape.NONE, is_outage=True)
