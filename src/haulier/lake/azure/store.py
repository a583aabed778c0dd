"""obstore's client of a container. It lists, reads and puts small records, and repeats nothing by itself."""

from __future__ import annotations

from azure.core.credentials_async import AsyncTokenCredential
from obstore.store import AzureStore

from haulier.azure.account import AzureAccount

REQUEST_SECONDS = 30.0
"""A whole request with its bodies, of which none is longer than a piece."""
CONNECT_SECONDS = 5.0


def open_store(
    account: AzureAccount,
    container: str,
    credential: AsyncTokenCredential | None,
    request_seconds: float = REQUEST_SECONDS,
) -> AzureStore:
    """``credential`` is asked where the account has neither key nor SAS. Must not be used before a fork: the threads of
    the library do not come along.

    All that decides how a request is signed is given: obstore would take the rest from the environment, which may name
    another account.
    """
    options = {
        "allow_http": account.blob_endpoint.startswith("http://"),
        "connect_timeout": f"{CONNECT_SECONDS:.0f}s",
        "timeout": f"{request_seconds:.0f}s",
    }
    config = {
        "account_name": account.name,
        "endpoint": account.blob_endpoint,
        "use_emulator": False,
        "skip_signature": False,
    }
    if account.key:
        config |= {"credential_type": "access_key", "account_key": account.key}
    elif account.sas:
        config |= {"credential_type": "sas_token", "sas_key": account.sas}
    provider = None
    if credential is not None:
        from obstore.auth.azure import AzureAsyncCredentialProvider

        provider = AzureAsyncCredentialProvider(credential)  # type: ignore[arg-type]  # it names the classes one by one
    return AzureStore(
        container,
        config=config,  # type: ignore[arg-type]  # a dict of the keys that it takes
        client_options=options,  # type: ignore[arg-type]
        retry_config={"max_retries": 0},
        credential_provider=provider,
    )
