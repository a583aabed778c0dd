"""From what a source file or ``--lake`` says to a lake."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from haulier.clock import Clock
from haulier.errors import UsageError
from haulier.lake.local.lake import LocalLake
from haulier.lake.seam import Lake

_REMEDY = "Write a folder, such as `lake` (relative to the source file) or `/data/lake`, or `file:///data/lake`."


def open_lake(url: str, *, base: Path, clock: Clock) -> Lake:
    """The lake that ``url`` names: a folder, relative to ``base``, or a ``file://`` URL. Nothing is touched yet.

    `UsageError` for what names no lake. It does not repeat the URL, which may hold a secret (G7).
    """
    if not url.strip() or "\0" in url:
        raise UsageError(f"The lake is not named. {_REMEDY}")
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", url)
    if scheme is None:
        return LocalLake(base / _at_home(url), clock)
    if scheme[1].lower() != "file":
        raise UsageError(f"This haulier has no lake for URLs that begin with {scheme[0]!r}. {_REMEDY}")
    return LocalLake(_folder(url), clock)


def _at_home(folder: str) -> Path:
    try:
        return Path(folder).expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"The lake's folder begins with '~', and this machine knows no such home. {_REMEDY}"
        ) from error


def _folder(url: str) -> Path:
    parts = urlsplit(url)
    folder = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment or not folder.startswith("/"):
        raise UsageError(f"The lake's file URL is not one of a folder on this machine. {_REMEDY}")
    return Path(folder)
