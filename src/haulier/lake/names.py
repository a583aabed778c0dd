"""Which paths the lake takes, and which names are temporary. Pure."""

from __future__ import annotations

import re
import uuid

TEMPORARY_PREFIX = ".tmp-"
"""Names that begin so are half-written records of somebody, ignored everywhere (docs/protocol.md#files-of-a-run)."""

_PART = r"(?!\.\.?(?:/|\Z))(?!\.tmp-)[A-Za-z0-9_=.-]+"
_PATH = re.compile(f"{_PART}(?:/{_PART})*")


def checked(path: str) -> str:
    """The path itself, or `ValueError`: a path that the lake does not take is a programming error, never a user's."""
    if not _PATH.fullmatch(path):
        raise ValueError(
            f"Not a path in the lake: {path!r}. It is relative, with ASCII letters, digits and '-_.=' between '/'."
        )
    return path


def temporary_name() -> str:
    """A new temporary name; no two are alike."""
    return f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
