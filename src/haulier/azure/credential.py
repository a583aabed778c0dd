"""What the clients of Azure's SDK take as a credential."""

from __future__ import annotations

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.identity.aio import DefaultAzureCredential

from haulier.azure.account import AzureAccount

SdkCredential = AzureNamedKeyCredential | AzureSasCredential | DefaultAzureCredential


def async_credential(account: AzureAccount) -> SdkCredential:
    """A `DefaultAzureCredential` is the caller's to close. Nothing is asked yet."""
    if account.key:
        return AzureNamedKeyCredential(account.name, account.key)
    if account.sas:
        return AzureSasCredential(account.sas)
    return DefaultAzureCredential()
