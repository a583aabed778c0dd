"""The seam of kept refresh tokens, which outlive runs and workers.

An issuer that rotates gives a new refresh token with each use, and the old one is void; some revoke all of them where
an old one comes again. So one process at a time uses a token, and the next one is durable before anything else happens.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from haulier.api.errors import Fault
from haulier.api.http.transport import TransportError
from haulier.clock import Clock

MAX_FAMILIES: Final = 8
"""Kept at most, the newest: each refresh token that a person put into the variable begins one."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The newest refresh token of a family."""

    token: str = field(repr=False)
    asked_at: float = 0.0
    """Wall clock seconds of a refresh whose answer was not kept; 0 without one. The issuer may have replaced the token
    then."""


class KeptGrants(Protocol):
    """Grants while nobody else may use them. Each method raises `TransportError` where they cannot be read or kept."""

    async def read(self, family: str) -> Grant | None: ...

    async def write(self, family: str, grant: Grant, replaced: str = "") -> None:
        """Durable when it returns. ``replaced``: the token that the issuer gave this one for."""
        ...


class Grants(Protocol):
    @property
    def answer_seconds(self) -> float:
        """The issuer's answer must come within this time, to be kept under the same lock."""
        ...

    def locked(self, clock: Clock) -> AbstractAsyncContextManager[KeptGrants]:
        """Raises `TransportError` (CONNECT) where others hold them for too long, (AUTH) where they cannot be kept."""
        ...


def cannot_be_kept(where: str, reason: str, *, was_asked: bool = False) -> TransportError:
    """A person's matter: to ask without keeping the answer would lose the grant. ``was_asked``: it came to that."""
    text = f"the refresh token cannot be kept in {where}: {reason}. "
    if was_asked:
        text += (
            "The issuer has given this one already, and no other process knows it. Mend that, and if the next run is "
            "refused, authorise anew and put the new refresh token into its variable"
        )
    else:
        text += "The issuer was not asked; mend that first"
    return TransportError(Fault.AUTH, text)
