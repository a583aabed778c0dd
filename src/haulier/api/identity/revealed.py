"""Values with secrets at their leaves: bodies of logins and claims of tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haulier.api.http.redactor import Redactor
from haulier.api.http.secret_fields import is_secret_name
from haulier.api.identity.auth import Secret


def revealed(value: Any) -> Any:
    """``value`` with every secret read (`UsageError`)."""
    match value:
        case Secret():
            return value.reveal()
        case Mapping():
            return {name: revealed(member) for name, member in value.items()}
        case list() | tuple():
            return [revealed(member) for member in value]
        case _:
            return value


def add_secrets(value: Any, redactor: Redactor, name: str = "") -> None:
    """Register what is a secret, and what its name tells to be one."""
    match value:
        case Secret():
            redactor.add(value.reveal())
        case Mapping():
            for each, member in value.items():
                add_secrets(member, redactor, each)
        case list() | tuple():
            for member in value:
                add_secrets(member, redactor, name)
        case str() if is_secret_name(name):
            redactor.add(value)
        case _:
            return
