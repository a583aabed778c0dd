"""Certificates made by the machine's openssl when the tests run, so that none in the repository can expire."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

KEY_PASSWORD = "canary-key"


@dataclass(frozen=True)
class Certificates:
    """Files in PEM. ``ca`` signed ``server`` (127.0.0.1, localhost), ``stranger`` (other.example) and ``client``."""

    folder: Path

    def __getattr__(self, name: str) -> str:
        return str(self.folder / f"{name.replace('_', '.')}")

    def server_context(self, name: str = "server", *, wants_client: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        if wants_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.folder / "ca.pem")
        return context


def make_certificates(folder: Path) -> Certificates:
    """Skips where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine to make certificates with")
    for ca in ("ca", "otherca"):
        _openssl(
            folder, "req", "-x509", *_new_key(ca), "-days", "30", "-subj", f"/CN=haulier test {ca}", "-out", f"{ca}.pem"
        )
    for name, names in (
        ("server", "IP:127.0.0.1,DNS:localhost"),
        ("stranger", "DNS:other.example"),
        ("client", "DNS:client.example"),
    ):
        (folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        _openssl(folder, "req", *_new_key(name), "-subj", f"/CN={name}", "-out", f"{name}.csr")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", f"{name}.ext")
        _openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.pem")
    _openssl(folder, "ec", "-in", "client.key", "-aes256", "-passout", f"pass:{KEY_PASSWORD}", "-out", "locked.key")
    (folder / "both.pem").write_text((folder / "client.pem").read_text() + (folder / "client.key").read_text())
    return Certificates(folder)


def _new_key(name: str) -> tuple[str, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key")


def _openssl(folder: Path, *words: str) -> None:
    done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
