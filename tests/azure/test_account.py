"""Whose account it is, and what the environment gives for it."""

import pytest

from haulier.azure.account import AzureAccount, find_account
from haulier.errors import UsageError

KEY = "c2VjcmV0LWtleQ=="
CONNECTION = f"DefaultEndpointsProtocol=https;AccountName=lakehouse;AccountKey={KEY};EndpointSuffix=core.windows.net"
BLOB, QUEUE = "https://lakehouse.blob.core.windows.net", "https://lakehouse.queue.core.windows.net"
SAS = "sv=2026-01-01&ss=bq&sig=c2VjcmV0"
SIGNED = f"SharedAccessSignature={SAS}"


@pytest.mark.parametrize(
    ("environ", "key", "sas", "setting"),
    [
        ({}, "", "", ""),
        ({"AZURE_STORAGE_ACCOUNT": "lakehouse"}, "", "", ""),
        ({"AZURE_STORAGE_ACCOUNT": "lakehouse", "AZURE_STORAGE_KEY": KEY}, KEY, "", "AZURE_STORAGE_KEY"),
        (
            {"AZURE_STORAGE_ACCOUNT": "lakehouse", "AZURE_STORAGE_SAS_TOKEN": f"?{SAS}"},
            "",
            SAS,
            "AZURE_STORAGE_SAS_TOKEN",
        ),
        ({"AZURE_STORAGE_CONNECTION_STRING": CONNECTION}, KEY, "", "AZURE_STORAGE_CONNECTION_STRING"),
        ({"AZURE_STORAGE_CONNECTION_STRING": f" {CONNECTION};\n"}, KEY, "", "AZURE_STORAGE_CONNECTION_STRING"),
        (
            {"AZURE_STORAGE_CONNECTION_STRING": f"BlobEndpoint={BLOB}/;QueueEndpoint={QUEUE};{SIGNED}"},
            "",
            SAS,
            "AZURE_STORAGE_CONNECTION_STRING",
        ),
    ],
    ids=["nothing", "name", "key", "sas", "connection string", "spaces around", "connection string with a sas"],
)
def test_an_account_has_its_credentials_from_the_environment(
    environ: dict[str, str], key: str, sas: str, setting: str
) -> None:
    assert find_account("lakehouse", environ) == AzureAccount("lakehouse", BLOB, QUEUE, key, sas, setting)


def test_without_a_name_it_is_the_account_of_the_environment() -> None:
    assert find_account("", {"AZURE_STORAGE_CONNECTION_STRING": CONNECTION}).key == KEY
    assert find_account("", {"AZURE_STORAGE_ACCOUNT": "lakehouse"}).blob_endpoint == BLOB


def test_credentials_are_used_for_no_other_account() -> None:
    other = find_account("otherlake", {"AZURE_STORAGE_CONNECTION_STRING": CONNECTION})
    assert other == AzureAccount(
        "otherlake", "https://otherlake.blob.core.windows.net", "https://otherlake.queue.core.windows.net"
    )


def test_the_short_form_for_the_emulator_is_expanded() -> None:
    """obstore knows no connection strings, so nothing below expands it."""
    account = find_account("", {"AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true"})
    assert account.name == "devstoreaccount1"
    assert account.blob_endpoint == "http://127.0.0.1:10000/devstoreaccount1"
    assert account.queue_endpoint == "http://127.0.0.1:10001/devstoreaccount1"
    assert account.key


def test_an_emulator_elsewhere_is_named_by_its_endpoints() -> None:
    text = f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={KEY};BlobEndpoint=http://azurite:10000/devstoreaccount1;"
    account = find_account("devstoreaccount1", {"AZURE_STORAGE_CONNECTION_STRING": text})
    assert account.blob_endpoint == "http://azurite:10000/devstoreaccount1"


@pytest.mark.parametrize(
    ("name", "environ", "says"),
    [
        ("", {}, "No storage account is named"),
        ("Lake_House", {}, "'Lake_House' is not the name of a storage account"),
        ("", {"AZURE_STORAGE_ACCOUNT": "no name"}, "AZURE_STORAGE_ACCOUNT is not the name"),
        ("", {"AZURE_STORAGE_CONNECTION_STRING": "hello"}, "is not a connection string"),
        ("", {"AZURE_STORAGE_CONNECTION_STRING": "AccountName=lakehouse; AccountKey=a2V5"}, "no spaces"),
        ("", {"AZURE_STORAGE_CONNECTION_STRING": "AccountKey=a2V5"}, "names no storage account"),
        ("", {"AZURE_STORAGE_CONNECTION_STRING": "AccountName=lakehouse"}, "either an AccountKey or"),
        ("", {"AZURE_STORAGE_CONNECTION_STRING": "AccountName=lakehouse;AccountKey=se-cret"}, "holds no account key"),
        (
            "",
            {"AZURE_STORAGE_CONNECTION_STRING": "AccountName=lakehouse;SharedAccessSignature=se-cret"},
            "holds no SAS",
        ),
        ("", {"AZURE_STORAGE_ACCOUNT": "lakehouse", "AZURE_STORAGE_KEY": "se-cret"}, "AZURE_STORAGE_KEY holds no"),
        ("", {"AZURE_STORAGE_ACCOUNT": "lakehouse", "AZURE_STORAGE_SAS_TOKEN": "se-cret"}, "AZURE_STORAGE_SAS_TOKEN"),
        (
            "",
            {"AZURE_STORAGE_CONNECTION_STRING": "AccountName=lakehouse;AccountKey=a2V5;BlobEndpoint=lake"},
            "an endpoint that is no http",
        ),
        (
            "",
            {"AZURE_STORAGE_CONNECTION_STRING": "AccountName=lakehouse;AccountKey=a2V5;DefaultEndpointsProtocol=ftp"},
            "DefaultEndpointsProtocol",
        ),
    ],
)
def test_g7_what_cannot_be_meant_is_refused_without_its_secret(name: str, environ: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        find_account(name, environ)
    assert "se-cret" not in str(refused.value)
    assert "a2V5" not in str(refused.value)


def test_g7_an_account_that_is_shown_shows_no_secret() -> None:
    account = find_account("", {"AZURE_STORAGE_CONNECTION_STRING": CONNECTION})
    assert KEY not in repr(account)
