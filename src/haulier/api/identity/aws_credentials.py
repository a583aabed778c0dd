"""Credentials for AWS as botocore finds them: environment, shared files, web identity, containers, instances.

botocore waits for files and for other servers. It is asked in a thread, but for the first time: who opens the API has
nothing else to do.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from haulier.api.errors import Fault
from haulier.api.http.redactor import Redactor
from haulier.api.http.transport import TransportError
from haulier.clock import Clock
from haulier.errors import UsageError

if TYPE_CHECKING:
    from botocore.credentials import Credentials, ReadOnlyCredentials
    from botocore.session import Session

RENEWAL_RETRY_SECONDS = 10.0
"""Time after a renewal before the next one: credentials of a short life are always nearly at their end for botocore,
which wants a quarter of an hour left."""

_SHOWN_CHARACTERS = 300


class AwsCredentials:
    """Finds the credentials when it is made. Raises `UsageError` where there are none."""

    def __init__(self, session: Session, clock: Clock, redactor: Redactor) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        # RuntimeError: they were renewed, and are at their end already.
        self._errors = (BotoCoreError, ClientError, RuntimeError, OSError, ValueError)
        self._clock = clock
        self._redactor = redactor
        self._lock = asyncio.Lock()
        self._renew_not_before = clock.monotonic() + RENEWAL_RETRY_SECONDS
        self._failed: TransportError | None = None
        try:
            self._found, self._frozen = _find(session)
        except self._errors as exc:
            raise UsageError(f"The credentials for AWS cannot be read: {self._words(exc)}.") from None
        self._note_secrets()

    async def current(self) -> ReadOnlyCredentials:
        """Renew them where they are near their end. Raises `TransportError` where that fails at their end."""
        if self._is_due() and not (self._lock.locked() and not self._is_expired()):
            async with self._lock:
                if self._is_due():
                    await self._renew(anew=False)
        if self._failed is not None and self._is_expired():
            raise TransportError(self._failed.kind, self._failed.text)
        return self._frozen

    async def find_anew(self, refused_key: str) -> bool:
        """Look for others than those with the ID ``refused_key``, which AWS refuses. True: there are others."""
        async with self._lock:
            if self._frozen.access_key == refused_key:
                await self._renew(anew=True)
            return self._frozen.access_key != refused_key

    async def _renew(self, *, anew: bool) -> None:
        from botocore.session import Session

        try:
            if anew:
                self._found, self._frozen = await asyncio.to_thread(lambda: _find(Session()))
            else:
                self._frozen = await asyncio.to_thread(self._found.get_frozen_credentials)
        except self._errors as exc:
            self._failed = TransportError(self._fault_of(exc), f"the credentials for AWS: {self._words(exc)}")
        except UsageError as exc:
            self._failed = TransportError(Fault.AUTH, str(exc))
        else:
            self._failed = None
            self._note_secrets()
        self._renew_not_before = self._clock.monotonic() + RENEWAL_RETRY_SECONDS

    def _is_due(self) -> bool:
        from botocore.credentials import RefreshableCredentials

        return (
            isinstance(self._found, RefreshableCredentials)
            and self._found.refresh_needed()
            and (self._clock.monotonic() >= self._renew_not_before or (self._failed is None and self._is_expired()))
        )

    def _is_expired(self) -> bool:
        from botocore.credentials import RefreshableCredentials

        return isinstance(self._found, RefreshableCredentials) and self._found.refresh_needed(0)

    def _note_secrets(self) -> None:
        for secret in (self._frozen.access_key, self._frozen.secret_key, self._frozen.token):
            self._redactor.add_renewed(secret or "")

    def _fault_of(self, error: Exception) -> Fault:
        """A refusal by the service that hands them out, or a login that has ended, is a person's matter. The rest comes
        back by itself."""
        from botocore.exceptions import ClientError, SSOError, TokenRetrievalError

        return Fault.AUTH if isinstance(error, ClientError | SSOError | TokenRetrievalError) else Fault.ISSUER

    def _words(self, error: Exception) -> str:
        return self._redactor.redact(" ".join(str(error).split()))[:_SHOWN_CHARACTERS].rstrip(".")


def _find(session: Session) -> tuple[Credentials, ReadOnlyCredentials]:
    found = session.get_credentials()
    if found is None:
        raise UsageError(
            "There are no credentials for AWS. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or "
            "give this machine a role."
        )
    return found, found.get_frozen_credentials()
