"""What a command that opens no API knows of its credentials, to show them nowhere."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from haulier.api.http.redactor import Redactor
from haulier.api.identity.auth import Secret
from haulier.api.identity.revealed import add_secrets
from haulier.app.app import App
from haulier.errors import UsageError


def redactor_of(app: App) -> Redactor:
    """Masks the credentials that are declared, as far as their variables are set: nothing else is read."""
    redactor = Redactor()
    for secret in app.secrets:
        redactor.add(secret)
    redactor.add_headers(app.api.headers)
    for declared in (app.api.auth, app.api.proxy):
        _add(declared, redactor, is_hidden=True)
    return redactor


def _add(declared: Any, redactor: Redactor, *, is_hidden: bool) -> None:
    if isinstance(declared, Secret):
        with contextlib.suppress(UsageError):
            redactor.add(declared.reveal())
    elif isinstance(declared, Mapping):
        for name, member in declared.items():
            with contextlib.suppress(UsageError):
                add_secrets(member, redactor, str(name))
    elif isinstance(declared, str):
        if is_hidden:
            redactor.add(declared)
    elif is_dataclass(declared):
        for field in fields(declared):
            _add(getattr(declared, field.name), redactor, is_hidden=not field.repr)
