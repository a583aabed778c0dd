"""Shows that processes use different credentials, without revealing them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from haulier.api.identity.auth import Secret
from haulier.api.settings import Api
from haulier.errors import UsageError

MARK_BYTES: Final = 2
"""One of 65,536: enough to notice a change, too little to find the credential."""


def credential_mark(api: Api) -> str:
    shown = _shown_values((api.auth, api.headers, api.tls, api.proxy, api.url))
    return hashlib.blake2b(repr(shown).encode(), digest_size=MARK_BYTES).hexdigest()


def _shown_values(value: Any) -> Any:
    match value:
        case Secret():
            try:
                return value.reveal()
            except UsageError:
                return None
        case Path():
            try:
                return str(value), value.stat().st_mtime_ns
            except OSError:
                return str(value)
        case tuple() | list():
            return [_shown_values(one) for one in value]
        case Mapping():
            return [(name, _shown_values(one)) for name, one in value.items()]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return [
                type(value).__name__,
                *(_shown_values(getattr(value, field.name)) for field in dataclasses.fields(value)),
            ]
        case _:
            return repr(value)
