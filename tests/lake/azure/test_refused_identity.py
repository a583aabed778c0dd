"""A managed identity, as App Service and Container Apps give one, without its role and without its tokens."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator

import pytest
from aiohttp import web

from haulier.azure.account import AzureAccount
from haulier.clock import SystemClock
from haulier.errors import QueueUnavailableError, UsageError
from haulier.lake.azure.folder import ContainerFolder
from haulier.lake.azure.lake import AzureLake
from tests.api.identity.certificates import Certificates, make_certificates
from tests.azure.loopback import Loopback, loopback, refused

MISMATCH = refused(403, "AuthorizationPermissionMismatch", "This request is not authorized using this permission.")


async def token(_request: web.Request, _body: bytes, seconds: int = 3600) -> web.StreamResponse:
    body = {
        "access_token": "canary-token",
        "expires_on": str(int(time.time()) + seconds),
        "resource": "https://storage.azure.com",
        "token_type": "Bearer",
    }
    return web.Response(text=json.dumps(body), content_type="application/json")


async def short_token(request: web.Request, body: bytes) -> web.StreamResponse:
    """It is asked for again with each request."""
    return await token(request, body, seconds=0)


async def no_token(_request: web.Request, _body: bytes) -> web.StreamResponse:
    body = {"error": "invalid_request", "error_description": "Identity not found"}
    return web.Response(status=400, text=json.dumps(body), content_type="application/json")


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    with loopback(token) as served:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{served.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "canary-header")
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        yield served


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def storage(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    """No client sends a token but over TLS."""
    monkeypatch.setenv("SSL_CERT_FILE", certificates.ca_pem)
    with loopback(MISMATCH, certificates.server_context()) as served:
        yield served


def lake_at(storage: Loopback) -> AzureLake:
    account = AzureAccount("lakehouse", f"{storage.url}/lakehouse", f"{storage.url}/lakehouse")
    return AzureLake(ContainerFolder(account, "bronze", "lake", "az://bronze/lake"), SystemClock(), random.Random(1))


async def test_g7_an_identity_without_its_role(identity: Loopback, storage: Loopback) -> None:
    """The message has the role, and the command that gives it."""
    lake = lake_at(storage)
    rows = lake.rows()
    for call in (lake.check, lambda: lake.names("_haulier"), lambda: rows.read("scope")):
        with pytest.raises(UsageError, match="lacks a right on the container 'bronze'") as refusal:
            await call()
        assert '--role "Storage Blob Data Contributor"' in str(refusal.value)
        assert "canary" not in str(refusal.value)
    await rows.close()
    await lake.close()


async def test_no_identity_at_all(identity: Loopback, storage: Loopback) -> None:
    """A page of what was tried becomes a line."""
    identity.answer = no_token
    lake = lake_at(storage)
    with pytest.raises(
        UsageError, match=r"no credential for the storage account 'lakehouse': .*Identity not found"
    ) as refusal:
        await lake.check()
    assert "az login" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not storage.asked
    await lake.close()


async def test_a_token_that_cannot_be_had_in_mid_run_is_an_outage(identity: Loopback, storage: Loopback) -> None:
    """The token's service has hiccups, too: nobody has to change anything."""
    identity.answer = short_token
    storage.answer = refused(404, "BlobNotFound")
    lake = lake_at(storage)
    rows = lake.rows()
    assert await rows.read("scope") is None
    identity.answer = no_token
    with pytest.raises(QueueUnavailableError, match="Identity not found"):
        await rows.read("scope")
    await rows.close()
    await lake.close()
