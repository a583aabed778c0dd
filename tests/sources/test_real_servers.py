"""APIs that somebody else wrote are hauled whole, and counted by the records' own IDs (G1, G3)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from haulier.cli.main import main
from tests.harness.real_servers import COUNT, RealServers, start_real_servers, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "they are installed")

COUCH = """
[streams.letters]
get     = "/letters/_all_docs"
query   = { include_docs = true, limit = 100 }
records = "rows"
key     = "id"
pages   = { seek = "id", query = "startkey", template = '"{key}"', inclusive = true, size_name = "limit" }
[streams.letters.full.once]

[streams.changes]
get     = "/letters/_changes"
query   = { limit = 300 }
records = "results"
key     = "id"
pages   = { cursor = "last_seq", query = "since", end = ["empty page"] }
[streams.changes.full.once]
"""
REST = """
[streams.by_link]
get     = "/rows"
query   = { _page = 1, _limit = 100, _sort = "id" }
records = "."
key     = "id"
total   = { header = "X-Total-Count", is = "exact" }
pages   = "link"
expect  = { head = "/rows", query = { _page = 1 }, header = "X-Total-Count" }
[streams.by_link.full.once]

[streams.by_place]
get     = "/rows"
query   = { _sort = "id" }
records = "."
key     = "id"
total   = { header = "X-Total-Count", is = "exact" }
pages   = { offset = "_start", limit_name = "_limit", limit = 100 }
[streams.by_place.full.once]

[streams.by_range]
get     = "/rows"
query   = { _sort = "id" }
records = "."
key     = "id"
pages   = "single"
[streams.by_range.full.ids]
query = { id_gte = "{start}", id_lte = "{end}" }
bounds = { end = "inclusive" }
last  = 1234
step  = 200
"""
GRAPHQL = """
[streams.posts]
post    = "/graphql"
json    = { query = "query ($page: Int, $size: Int) { allPosts(page: $page, perPage: $size, sortField: \\"id\\") { id name price } _allPostsMeta { count } }", variables = {} }
records = "data.allPosts"
key     = "id"
total   = { at = "data._allPostsMeta.count", is = "exact" }
pages   = { page = "variables.page", first = 0, size = 100, size_name = "variables.size", in = "body" }
[streams.posts.full.once]
"""  # noqa: E501


@pytest.fixture(scope="module")
def servers() -> Iterator[RealServers]:
    with start_real_servers() as started:
        yield started


@pytest.mark.parametrize(("name", "streams"), [("couch", COUCH), ("rest", REST), ("graphql", GRAPHQL)])
def test_g1_g3_a_server_of_somebody_else_is_hauled_whole(
    name: str, streams: str, servers: RealServers, tmp_path: Path
) -> None:
    """G1, G3: each stream has each record once, by whatever way it is asked for."""
    file = tmp_path / "source.toml"
    url = getattr(servers, name)
    file.write_text(f'source = "{name}"\nlake = "{tmp_path}/lake"\n[api]\nurl = "{url}"\nin_flight = 4\n{streams}')
    assert main(["run", str(file)]) == 0
    found: dict[str, list[str]] = {}
    for path in (tmp_path / "lake" / name).glob("*/mode=full/*/*.ndjson.gz"):
        records = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        stream = path.relative_to(tmp_path / "lake" / name).parts[0]
        found.setdefault(stream, []).extend(str(record["id"]) for record in records)
    shape = "letter {}" if name == "couch" else "{}"
    everything = sorted(shape.format(number) for number in range(1, COUNT + 1))
    assert len(found) == streams.count("[streams.") // 2
    for stream, ids in found.items():
        assert sorted(ids) == everything, stream
