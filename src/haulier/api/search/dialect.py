"""Which search server answers, and what it can do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import msgspec

from haulier.api.errors import BodyError
from haulier.api.search.clusters import Clusters, require_clusters

_INDEX_SAFE: Final = "*,-_.+:"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is different between the servers."""

    name: str
    """As a person calls the server: ``OpenSearch 2.11.0``."""
    is_opensearch: bool = False
    has_points_in_time: bool = False
    """A point in time (PIT): Elasticsearch since 7.10, not in builds without X-Pack; OpenSearch since 2.4."""
    has_shard_doc: bool = False
    """A sort key that no two documents of a point in time share: Elasticsearch since 7.12, OpenSearch since 3.3."""
    hides_frozen: bool = False
    """Frozen indices are left out without a word unless they are asked for: Elasticsearch 7."""
    names_closed: bool = False
    """It tells which indices are closed: Elasticsearch since 7.9, OpenSearch."""

    def opening(self, index: str) -> str:
        """The path that makes a point in time."""
        return f"/{index_path(index)}/{'_search/point_in_time' if self.is_opensearch else '_pit'}"

    def closing(self, point: str) -> tuple[str, dict[str, Any]]:
        """Path and body of the DELETE."""
        if self.is_opensearch:
            return "/_search/point_in_time", {"pit_id": [point]}
        return "/_pit", {"id": point}

    def point_of(self, body: bytes) -> str:
        """The ID of a point in time that was made. Raises `BodyError`."""
        try:
            made = msgspec.json.decode(body, type=_Made)
        except msgspec.DecodeError as error:
            raise BodyError(f"no point in time was made: {error}") from error
        require_clusters(made.clusters)
        if made.shards is not None and made.shards.failed:
            # OpenSearch makes one of the shards that are there unless told otherwise.
            raise BodyError(f"{made.shards.failed} shards are not in the point in time", is_outage=True)
        found = made.pit_id if self.is_opensearch else made.id
        if not found:
            raise BodyError("no point in time was made: the answer has no ID of one")
        return found


UNKNOWN: Final = Dialect("a server that does not say what it is")


def read_dialect(body: bytes) -> Dialect:
    """Read the answer to ``GET /``. Raises `BodyError` where it is none of a search server."""
    try:
        root = msgspec.json.decode(body, type=_Root)
    except msgspec.DecodeError as error:
        raise BodyError(f"GET / is not answered as a search server does: {error}") from error
    number, version = root.version.number, _version_of(root.version.number)
    if root.version.distribution == "opensearch":
        name = f"OpenSearch {number}"
        return Dialect(
            name,
            True,
            has_points_in_time=version >= (2, 4),
            has_shard_doc=version >= (3, 3),
            names_closed=True,
        )
    if "opensearch" in root.tagline.lower():
        # `compatibility.override_main_response_version` shows 7.10.2 and no distribution, whatever the server is.
        return Dialect(f"an OpenSearch that calls itself {number}", True, has_points_in_time=True, names_closed=True)
    is_whole = root.version.build_flavor != "oss"
    return Dialect(
        f"Elasticsearch {number}",
        has_points_in_time=is_whole and version >= (7, 10),
        has_shard_doc=is_whole and version >= (7, 12),
        hides_frozen=version[:1] == (7,),
        names_closed=version >= (7, 9),
    )


def index_path(index: str) -> str:
    return quote(index, safe=_INDEX_SAFE)


def _version_of(number: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", number)[:2])


class _ServerVersion(msgspec.Struct, frozen=True):
    number: str
    distribution: str = ""
    build_flavor: str = ""


class _Root(msgspec.Struct, frozen=True):
    version: _ServerVersion
    tagline: str = ""


class _MadeShards(msgspec.Struct, frozen=True):
    failed: int = 0


class _Made(msgspec.Struct, frozen=True):
    id: str = ""
    pit_id: str = ""
    shards: _MadeShards | None = msgspec.field(default=None, name="_shards")
    clusters: Clusters | None = msgspec.field(default=None, name="_clusters")
