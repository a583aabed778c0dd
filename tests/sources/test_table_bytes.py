"""Each row of the table Bytes: what JSON libraries change, from a server's bytes through
`haulier run` to the lines of the lake (G6)."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from haulier.app.app import App
from haulier.config.source_file import load_source
from tests.api.paging.rig import Asked, Reply, serving
from tests.divide.rig import opened

TOML = """
source = "odd"

[api]
url = "{url}"

[streams.records]
get = "/records"
records = "rows"
pages = {{ cursor = "next", query = "page" }}

[streams.records.full.ids]
query = {{ from = "{{start}}", to = "{{end}}" }}
last = {last}
step = {step}
"""

KEPT = {
    "2^63": b'{"n":9223372036854775808}',
    "2^64, 30 digits": b'{"n":[18446744073709551616,123456789012345678901234567890]}',
    "1e2, 1.10, 17+ digits, -0": b'{"n":[1e2,1.10,0.12345678901234567890,-0,-0.0,1E+2,100.000]}',
    "1E400": b'{"n":[1E400,-1e400,1e-400]}',
    "duplicate keys": b'{"a":1,"a":{"b":2},"a":[3]}',
    "lone surrogate \\ud800": b'{"s":"\\ud800","t":"a\\udfffb","\\ud801":1}',
    "escapes as they were": b'{"s":"\\u00e9\\/\\u0000\\n","t":"\xc3\xa9/\xf0\x9f\x98\x80","z":1,"a":2}',
    "pretty-printed": b'{\n  "a": 1,\r\n  "b": [\n    "x y",\t"\\n"\n  ]\r}',
    "nothing in it": b"{}",
    "no object": b"[ 1 , null ]",
    "BOM": b'{"page":"with a byte order mark"}',
}
PAGE = 40
MARK = b"\xef\xbb\xbf"


def records() -> list[bytes]:
    """200 records: the odd ones first, and columns that change where readers have stopped looking."""
    found = [*KEPT.values()]
    for number in range(len(found), 200):
        if number == 150:
            found.append(b'{"id":150,"new column after row 100":true}')
        elif number == 160:
            found.append(b'{"id":"type change after row 100"}')
        else:
            found.append(b'{"id":%d}' % number)
    return found


class Handler(BaseHTTPRequestHandler):
    """Serves the records in pages, every one with a byte order mark and over several lines."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        query = {name: int(values[0]) for name, values in parse_qs(urlsplit(self.path).query).items()}
        first = query["from"] - 1 + query.get("page", 0) * PAGE
        rows = records()[first : min(first + PAGE, query["to"] - 1)]
        following = b"null" if first + PAGE >= query["to"] - 1 else b"%d" % (query.get("page", 0) + 1)
        body = MARK + b'{\n "rows": [\n  ' + b",\r\n  ".join(rows) + b'\n ],\n "next": ' + following + b"\n}\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on the tests' standard error."""


@contextmanager
def odd_api() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_every_record_comes_out_byte_for_byte_on_one_line(tmp_path: Path) -> None:
    """Bytes, G6: 2^63; 2^64, 30 digits; 1e2, 1.10, 17+ digits, -0; 1E400; duplicate keys; lone surrogate; BOM; new
    column after row 100; type change after row 100. All as the API sent it, save CR and LF between tokens."""
    source = tmp_path / "odd.toml"
    with odd_api() as url:
        source.write_text(TOML.format(url=url, last=200, step=100))
        said = subprocess.run([sys.executable, "-m", "haulier", "run", str(source)], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    paths = sorted((tmp_path / "lake/odd/records/mode=full").glob("*/*.ndjson.gz"))
    assert [path.name.partition(".")[0] for path in paths] == ["records_ids-1-101", "records_ids-101-201"]
    lines = b"".join(gzip.decompress(path.read_bytes()) for path in paths).split(b"\n")
    assert lines.pop() == b""
    assert lines == [record.replace(b"\r", b"").replace(b"\n", b"") for record in records()]


REFUSED = {
    "NaN, Infinity": [b'{"rows":[{"n":NaN}]}', b'{"rows":[{"n":Infinity}]}', b'{"rows":[{"n":-Infinity}]}'],
    "invalid UTF-8, Latin-1": [b'{"rows":[{"s":"\xe9"}]}', b'{"rows":[{"s":"\xed\xa0\x80"}]}'],
    "two documents, trailing comma, control chars": [
        b'{"rows":[{"a":1}]}\n{"rows":[{"a":2}]}',
        b'{"rows":[{"a":1},]}',
        b'{"rows":[{"a":"\x01"}]}',
        b'{"rows":[{"a":"\n"}]}',
    ],
}


@pytest.mark.parametrize("row", REFUSED)
async def test_what_is_no_json_is_kept_raw_and_its_neighbours_are_in_the_lake(row: str, tmp_path: Path) -> None:
    """Bytes: refused, not repaired and not dropped: the answer's bytes stand beside the poison record (G4, G6)."""
    bodies = dict(enumerate(REFUSED[row], 2))

    def answer(asked: Asked) -> Reply:
        id = asked.number("from")
        return Reply(bodies.get(id, {"rows": [{"id": id}], "next": None}))

    async with serving(answer) as api:
        source = tmp_path / "odd.toml"
        last = len(bodies) + 2
        source.write_text(TOML.format(url=api.url, last=last, step=1))
        async with opened(App.from_settings(load_source(source, {})), tmp_path) as run:
            await run.work()
            assert (await run.verdict()).reasons == {"poison": len(bodies)}
            assert sorted(run.poison) == sorted(f"records_ids-{id}-{id + 1}" for id in bodies)
            for id, body in bodies.items():
                kept = run.poison[f"records_ids-{id}-{id + 1}"].body
                assert Path(run.site.lake.locate(kept)).read_bytes() == body
            lake = Path(run.site.lake.locate(run.run.paths.bronze("records")))
            lines = b"".join(gzip.decompress(path.read_bytes()) for path in sorted(lake.glob("*.gz")))
            assert lines == b'{"id": 1}\n{"id": %d}\n' % last
