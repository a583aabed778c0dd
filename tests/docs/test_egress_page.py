"""docs/egress.md: what shows the address of the workers shows it, and `proxy` changes it."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from haulier.cli.main import main
from tests.docs.pages import ROOT, blocks_of

PAGE = ROOT / "docs/egress.md"
BLOCKS = list(blocks_of(PAGE))
OTHER_ADDRESS = "127.0.0.2"


def block(language: str, words: str) -> str:
    (text,) = (one.text for one in BLOCKS if one.language == language and words in one.text)
    return text


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[str]:
    """The page's own server."""
    program = tmp_path / "echo.py"
    program.write_text(block("python", "class Echo"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(program), str(port)], stderr=subprocess.DEVNULL)
    try:
        ends_at = time.monotonic() + 20
        while time.monotonic() < ends_at:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.02)  # It starts.
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def proxy() -> Iterator[str]:
    """A proxy that leaves by an address of its own."""

    class Proxy(http.server.BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65_537)
            if self.raw_requestline and self.parse_request():
                target = urlsplit(self.path)
                onward = HTTPConnection(target.hostname or "", target.port, source_address=(OTHER_ADDRESS, 0))
                onward.request("GET", target.path or "/")
                body = onward.getresponse().read()
                onward.close()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is said on the terminal."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems give loopback one address")
def test_the_address_is_shown_and_a_proxy_changes_it(
    echo: str, proxy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Straight, although the environment names a proxy; and by the key `proxy`."""
    source = tmp_path / "address.toml"
    source.write_text(block("toml", 'source = "address"'))
    monkeypatch.setenv("ECHO_URL", echo)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert main(["try", str(source)]) == 0
    assert json.loads(capsys.readouterr().out) == {"address": "127.0.0.1"}
    source.write_text(source.read_text().replace("[api]", f'[api]\nproxy = "{proxy}"'))
    assert main(["try", str(source)]) == 0
    assert json.loads(capsys.readouterr().out) == {"address": OTHER_ADDRESS}
    assert os.listdir(tmp_path).count("lake") == 0


def test_the_documents_can_be_read() -> None:
    """The YAML, and the JSON between the quotes of a shell."""
    policy = yaml.safe_load(block("yaml", "CiliumEgressGatewayPolicy"))
    assert policy["spec"]["egressGateway"]["egressIP"]
    overrides = json.loads(block("console", "--overrides").split("'")[1])
    (container,) = overrides["spec"]["containers"]
    (mount,) = container["volumeMounts"]
    assert container["args"] == ["try", f"{mount['mountPath']}/address.toml"]
    assert mount["name"] == overrides["spec"]["volumes"][0]["name"]
