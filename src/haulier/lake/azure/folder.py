"""Where in Azure a lake is: a container, and the folder in it that its URL names."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from haulier.azure.account import AzureAccount, find_account
from haulier.errors import UsageError
from haulier.lake.names import checked

_CONTAINER = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_DFS_HOST = re.compile(r"([a-z0-9]{3,24})\.dfs\.core\.windows\.net")
_FORMS = "`az://CONTAINER/PATH` or `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH`"


@dataclass(frozen=True)
class ContainerFolder:
    account: AzureAccount
    container: str
    prefix: str
    """Without slashes at its ends; empty for the whole container."""
    url: str
    """As a person wrote it, without a slash at its end."""

    def blob(self, path: str) -> str:
        """The name of a path's blob. Raises `ValueError` for a path that the lake does not take."""
        return self.below(checked(path))

    def path(self, blob: str) -> str:
        return blob[len(self.prefix) + 1 :] if self.prefix else blob

    def below(self, path: str) -> str:
        """For names of our own that a lake does not take."""
        return f"{self.prefix}/{path}" if self.prefix else path


def find_folder(url: str, environ: Mapping[str, str] = os.environ) -> ContainerFolder:
    """Nothing is asked yet. Raises `UsageError`, which does not repeat the URL: it may hold a secret (G7)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError(f"The lake's URL is malformed. Write {_FORMS}.") from None
    if parts.query or parts.fragment or parts.password is not None or port is not None:
        raise UsageError(
            f"The lake's URL holds more than a place. Write {_FORMS}; keys and SAS are read from the environment."
        )
    if parts.scheme == "abfss":
        host = _DFS_HOST.fullmatch(parts.hostname or "")
        if host is None or parts.username is None:
            raise UsageError(f"The lake's URL names no container and account. Write {_FORMS}.")
        container, account = parts.username, host[1]
    else:
        if parts.username is not None:
            raise UsageError(f"An az:// URL takes its account from the environment. Write {_FORMS}.")
        container, account = parts.netloc, ""
    if not _CONTAINER.fullmatch(container):
        raise UsageError(
            f"The lake's URL names no container: that has 3 to 63 of a-z, 0-9 and single hyphens between them. "
            f"Write {_FORMS}."
        )
    prefix = parts.path.strip("/")
    try:
        if prefix:
            checked(prefix)
    except ValueError:
        raise UsageError(
            "The lake's path may hold ASCII letters, digits and '-_.=' between single slashes. Name another folder of "
            "the container."
        ) from None
    return ContainerFolder(find_account(account, environ), container, prefix, url.rstrip("/"))
