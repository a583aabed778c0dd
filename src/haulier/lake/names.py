"""Paths that the lake takes, and temporary names."""

from __future__ import annotations

import re
import uuid

TEMPORARY_PREFIX = ".tmp-"
"""Prefix of half-written records, ignored everywhere (docs/protocol.md#files-of-a-run)."""

_PART = r"(?!\.\.?(?:/|\Z))(?!\.tmp-)[A-Za-z0-9_=.-]+"
_PATH = re.compile(f"{_PART}(?:/{_PART})*")


def is_path(name: str) -> bool:
    """False for what only a stranger can have put into the lake: a listing shows it, and nothing can be asked about
    it."""
    return _PATH.fullmatch(name) is not None


def checked(path: str) -> str:
    """Raise `ValueError` for a path that the lake does not take: a programming error."""
    if not is_path(path):
        raise ValueError(
            f"Not a path in the lake: {path!r}. It is relative, with ASCII letters, digits and '-_.=' between '/'."
        )
    return path


def temporary_name() -> str:
    return f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
