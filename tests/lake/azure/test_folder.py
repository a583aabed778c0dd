"""Which container and folder a URL names."""

import pytest

from haulier.azure.account import CONNECTION_STRING
from haulier.errors import UsageError
from haulier.lake.azure.folder import find_folder

ENVIRON = {CONNECTION_STRING: "DefaultEndpointsProtocol=https;AccountName=mine;AccountKey=aGF1bGllcg==;"}


@pytest.mark.parametrize(
    ("url", "account", "container", "prefix"),
    [
        ("az://bronze", "mine", "bronze", ""),
        ("az://bronze/", "mine", "bronze", ""),
        ("AZ://bronze/raw/flights/", "mine", "bronze", "raw/flights"),
        ("abfss://bronze@other.dfs.core.windows.net/raw", "other", "bronze", "raw"),
        ("abfss://b-1@mine.dfs.core.windows.net", "mine", "b-1", ""),
    ],
)
def test_a_url_names_a_folder_of_a_container(url: str, account: str, container: str, prefix: str) -> None:
    """az:// takes the account of the environment; abfss:// names it, and has its key if it is the same."""
    folder = find_folder(url, ENVIRON)
    assert (folder.account.name, folder.container, folder.prefix) == (account, container, prefix)
    assert bool(folder.account.key) == (account == "mine")
    assert folder.path(folder.blob("a/b.json")) == "a/b.json"
    assert folder.blob("a/b.json") == "/".join(part for part in (prefix, "a/b.json") if part)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("az://", "names no container"),
        ("az://UPPER/lake", "names no container"),
        ("az://a--b/lake", "names no container"),
        ("az://ab/lake", "names no container"),
        ("az://bronze/lake?sv=1&sig=hush", "more than a place"),
        ("az://bronze/lake#hush", "more than a place"),
        ("az://bronze:443/lake", "more than a place"),
        ("az://bronze:hush/lake", "malformed"),
        ("az://user:hush@bronze/lake", "more than a place"),
        ("az://bronze@mine/lake", "takes its account from the environment"),
        ("az://bronze/my lake", "may hold ASCII letters"),
        ("az://bronze/a//b", "may hold ASCII letters"),
        ("az://bronze/../other", "may hold ASCII letters"),
        ("abfss://mine.dfs.core.windows.net/lake", "names no container and account"),
        ("abfss://bronze@mine.blob.core.windows.net/lake", "names no container and account"),
        ("abfss://bronze@onelake.dfs.fabric.microsoft.com/lake", "names no container and account"),
    ],
)
def test_what_names_none_is_refused_with_what_to_write(url: str, problem: str) -> None:
    """The URL is not repeated: it may hold a secret (G7)."""
    with pytest.raises(UsageError, match=problem) as raised:
        find_folder(url, ENVIRON)
    assert "hush" not in str(raised.value)


def test_an_account_must_be_named() -> None:
    """By the URL or by the environment."""
    with pytest.raises(UsageError, match="AZURE_STORAGE_ACCOUNT"):
        find_folder("az://bronze/lake", {})
