"""Who typed a command, for records of what a person decided."""

from __future__ import annotations

import getpass
import platform


def person_name() -> str:
    """``user@host``; the host alone where the system knows no name, as in some containers."""
    host = platform.node().partition(".")[0] or "localhost"
    try:
        return f"{getpass.getuser()}@{host}"
    except (OSError, KeyError, ImportError):
        return host
