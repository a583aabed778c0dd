"""G7: secrets stay put. Canaries in every place where a source can hold one; then all that was written is read."""

import base64
import gzip
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

CANARIES = {
    "TOKEN": "canary-token-7f3a9c",
    "USER": "canary-user-19ab",
    "PASSWORD": "canary-pässword?&= 55e1",
    "HEADER": "canary-header-88d0",
    "QUERY": "canary/query+key=2b==",
    "FILTER": "canary-filter-91ce",
    "ISSUED": "canary-issued-4c1d",
}

AUTHS = {
    "bearer": 'auth = { bearer = "${TOKEN}" }',
    "header": 'auth = { header = "X-Api-Key", value = "${TOKEN}" }',
    "query": 'auth = { query = "api_key", value = "${QUERY}" }',
    "oauth2": 'auth = { token_url = "URL/token", client_id = "me", client_secret = "${PASSWORD}" }',
    "path": 'auth = { path = "/v6/{key}", value = "${TOKEN}" }',
    "basic": 'auth = { user = "${USER}", password = "${PASSWORD}" }',
}

TOML = """
source = "canary"

[api]
url = "{url}"
{auth}
headers = {{ X-Team = "${{HEADER}}" }}
first_byte_timeout = "2s"

[streams.{kind}]
get = "/{kind}"
query = {{ limit = 2, filter = "${{FILTER}}" }}
records = "rows"
pages = {{ next_url = "next" }}

[streams.{kind}.full.ids]
query = {{ from = "{{start}}", to = "{{end}}" }}
last = {{ get = "/last", at = "id" }}
step = 2
"""


class Echo(http.server.BaseHTTPRequestHandler):
    """An API that repeats what it was asked in all that it says, as careless ones do."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        said = {"url": self.path, "headers": dict(self.headers)}
        path = self.path.partition("?")[0].removeprefix(f"/v6/{CANARIES['TOKEN']}")
        match path:
            case "/last":
                self.answer(200, {"id": 4} | {"echo": said})
            case "/good":
                more = None if "page=2" in self.path else f"{self.path}&page=2"
                self.answer(200, {"rows": [{"n": 1}], "next": more, "echo": said})
            case "/refusing":
                self.answer(400, {"error": "bad request", "echo": said})
            case "/leaving":
                host = self.headers["Host"].replace("127.0.0.1", "localhost")
                self.answer(200, {"rows": [{"n": 1}], "next": f"http://{host}{self.path}"})
            case _:
                self.answer(404, {"echo": said})

    def do_POST(self) -> None:
        """An issuer of access tokens."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, {"access_token": CANARIES["ISSUED"], "expires_in": 3600})

    def answer(self, status: int, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Echo", quote(self.path))
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: object) -> None:
        return


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def forms(secret: str) -> Iterator[bytes]:
    """How a secret may be written: as it is, quoted for an address, escaped in JSON, in base64."""
    yield secret.encode()
    yield quote(secret, safe="").encode()
    yield json.dumps(secret)[1:-1].encode()
    yield base64.b64encode(secret.encode()).rstrip(b"=")


def written(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".toml":
            content = path.read_bytes()
            yield str(path.relative_to(folder)), content
            if path.suffix == ".gz":
                yield f"{path.relative_to(folder)} (unpacked)", gzip.decompress(content)


@pytest.mark.parametrize(
    ("auth", "kind"),
    [(auth, "refusing") for auth in AUTHS]
    + [("query", kind) for kind in ("good", "leaving", "missing")]
    + [("path", "good")],
)
def test_no_secret_is_written_or_said(tmp_path: Path, echo: str, auth: str, kind: str) -> None:
    """Not in lake, queue, logs, errors, poison records, excerpts, nor in what `try`, `plan`, `status` and
    `poison show` say."""
    source = tmp_path / "canary.toml"
    source.write_text(TOML.format(url=echo, auth=AUTHS[auth].replace("URL", echo), kind=kind))
    script = """
import sys
from haulier.cli.main import main
source, key = sys.argv[1:]
for words in (["try", source], ["plan", source], ["run", source, "--lease", "2"],
              ["status", source, "--json"], ["verify", source], ["poison", "list", source],
              ["poison", "show", source, key], ["poison", "show", source, key, "--json"],
              ["latest", source]):
    print(words[:2], main(words), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(source), f"{kind}_ids-1-3"],
        capture_output=True,
        env={**os.environ, **CANARIES},
        timeout=55,
        check=False,
    )
    said = [("standard output", done.stdout), ("standard error", done.stderr), *written(tmp_path)]
    leaks = [
        f"{name} holds {variable} as {form.decode()}"
        for name, content in said
        for variable, secret in CANARIES.items()
        for form in forms(secret)
        if form in content
    ]
    assert not leaks, "\n".join(leaks) + "\n" + done.stderr.decode(errors="replace")[-1500:]
    assert b"['status'" in done.stderr, done.stderr.decode()
