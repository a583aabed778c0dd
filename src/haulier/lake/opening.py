from __future__ import annotations

import random
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from haulier.clock import Clock
from haulier.errors import UsageError
from haulier.lake.local.lake import LocalLake
from haulier.lake.seam import Lake
from haulier.schemes import Scheme, examples


def open_lake(url: str, *, base: Path, clock: Clock) -> Lake:
    """``url`` is a folder, relative to ``base``, or a URL. Nothing is touched yet. The `UsageError` does not repeat a
    URL: it may hold a secret (G7)."""
    if not url.strip() or "\0" in url:
        raise UsageError(f"The lake is not named. {_remedy()}")
    name = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", url)
    if name is None:
        return LocalLake(base / _at_home(url), clock)
    scheme = _SCHEMES.get(name[1].lower())
    if scheme is None:
        raise UsageError(f"A lake at a URL that begins with {name[0]!r} is not supported. {_remedy()}")
    return scheme.open(url, clock)


def require_container(url: str, account: str) -> None:
    """Raises `UsageError` unless ``url`` is a lake on Azure, in ``account`` where it names none. Nothing is opened, and
    no SDK is needed."""
    from haulier.lake.azure.folder import find_folder

    if not url.lower().startswith(("az:", "abfss:")):
        raise UsageError(f"A queue on Azure needs a lake there, which all workers reach. {rows_remedy()}")
    find_folder(url, {"AZURE_STORAGE_ACCOUNT": account})


def rows_remedy() -> str:
    """Which lakes keep the shared rows of a queue that keeps none."""
    return "Name a lake at `az://CONTAINER/PATH` or `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH`."


def _open_folder(url: str, clock: Clock) -> Lake:
    parts = urlsplit(url)
    folder = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment or not folder.startswith("/"):
        raise UsageError(f"The lake's file URL does not name a folder on this machine. {_remedy()}")
    return LocalLake(Path(folder), clock)


def _open_container(url: str, clock: Clock) -> Lake:
    from haulier.lake.azure.folder import find_folder
    from haulier.lake.azure.lake import AzureLake

    return AzureLake(find_folder(url), clock, random.Random())


_SCHEMES: dict[str, Scheme[[str, Clock], Lake]] = {
    "file": Scheme(_open_folder, ("`file:///data/lake`",)),
    "az": Scheme(_open_container, ("`az://CONTAINER/PATH`",), extra="azure"),
    "abfss": Scheme(_open_container, ("`abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH`",), extra="azure"),
}


def _remedy() -> str:
    return (
        "Write a folder, such as `lake` (relative to the source file) or `/data/lake`, or "
        f"{examples(_SCHEMES.values())}."
    )


def _at_home(folder: str) -> Path:
    try:
        return Path(folder).expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"The lake's folder begins with '~', and this machine has no such home folder. {_remedy()}"
        ) from error
