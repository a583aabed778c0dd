"""A managed identity is all that a worker needs, and signs what it puts to end with the lease."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from tests.api.identity.certificates import make_certificates
from tests.harness.azurite import ACCOUNT, KEY, start_azurite, why_not

PRINCIPAL = "11059fcc-5514-4800-b5f8-49808b9cfab6"
TENANT = "ab1f708d-50f6-404c-a006-d71b2ac7a606"


def token() -> str:
    """A JWT whose claims Azurite looks at. It does not look at the signature."""
    now = int(time.time())
    claims = {
        "aud": "https://storage.azure.com",
        "iss": f"https://sts.windows.net/{TENANT}/",
        "oid": PRINCIPAL,
        "tid": TENANT,
        "iat": now - 10,
        "nbf": now - 10,
        "exp": now + 3600,
    }
    parts = (json.dumps({"alg": "none", "typ": "JWT"}), json.dumps(claims), "unsigned")
    return ".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts)


class IdentityHandler(BaseHTTPRequestHandler):
    """Answers as the endpoint of managed identities in App Service and Container Apps."""

    def do_GET(self) -> None:
        answer = {"access_token": token(), "expires_on": str(int(time.time()) + 3600), "token_type": "Bearer"}
        body = json.dumps({**answer, "resource": "https://storage.azure.com"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def identity() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), IdentityHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/token"
        server.shutdown()


def test_a_managed_identity_hauls_into_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both clients take its token, and a user delegation key signs the puts."""
    if problem := why_not():
        pytest.skip(problem)
    certificates = make_certificates(tmp_path)
    pair = tmp_path / "server.pem", tmp_path / "server.key"
    with start_azurite(certificate=pair) as azurite, identity() as endpoint:
        assert azurite.blob_url.startswith("https://")
        with ContainerClient(
            azurite.blob_url,
            "identity",
            credential={"account_name": ACCOUNT, "account_key": KEY},
            connection_verify=certificates.ca_pem,
        ) as client:
            client.create_container()
        environ = {"SSL_CERT_FILE": certificates.ca_pem, "IDENTITY_ENDPOINT": endpoint, "IDENTITY_HEADER": "any"}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        command = [sys.executable, "-m", "tests.lake.azure.identity_process", azurite.blob_url, "identity"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {
        "created": True,
        "read": "{}",
        "published": ["ours", "ours"],
        "listed": ["a/b.json"],
        "signed for": [PRINCIPAL],
    }
