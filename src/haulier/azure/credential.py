"""What the clients of Azure's SDK take as a credential."""

from __future__ import annotations

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.credentials_async import AsyncTokenCredential

from haulier.azure.account import AzureAccount

SdkCredential = AzureNamedKeyCredential | AzureSasCredential | AsyncTokenCredential


def async_credential(account: AzureAccount) -> SdkCredential:
    """A token credential is the caller's to close. Nothing is asked yet."""
    if account.key:
        return AzureNamedKeyCredential(account.name, account.key)
    if account.sas:
        return AzureSasCredential(account.sas)
    # Its imports took 0.15 s of CPU, which a key does not need.
    from azure.identity.aio import DefaultAzureCredential

    return DefaultAzureCredential()
