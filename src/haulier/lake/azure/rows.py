"""The shared rows, each a blob that is replaced only if nobody else did meanwhile.

Every put says which update it is of, and keeps the names of those before it: whoever hears nothing of its own, or that
somebody else was quicker, reads there whether it was made. Of two puts of one update on one version of the blob, one
alone can succeed, however late the other lands.
"""

from __future__ import annotations

import hashlib
import random
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import AzureStore

from haulier.azure.errors import AzureErrors, words_of
from haulier.azure.fault import SDK_ERRORS, fault_of
from haulier.clock import Clock
from haulier.errors import QueueUnavailableError
from haulier.lake.azure.server_clock import ServerClock
from haulier.rows.seam import RowsCapabilities

PATIENCE_SECONDS = 15.0
"""For conflicts and lost answers of one update. Where nothing can be read at all, the first request ends it."""
REQUEST_SECONDS = 10.0
"""A worker whose beat hangs sends nothing. It goes on with the next that is answered."""
READ_TRIES = 3
"""One lost answer ends no process that is about to begin. After as many in a row the service is away."""
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 1.0
OPERATIONS_PER_SECOND = 2.0
"""Of all clients of a row, while all goes well: each costs money, and puts that meet are made again."""
KEPT_UPDATES = 400
"""Names of 12 letters in a blob's metadata, which may have 8 KiB. More than fifty members make that beat five times
each while one of them waits for an answer."""
CLOCK_TOLERANCE_SECONDS = 1.5
"""The service tells its time in whole seconds, and an answer takes a while. A pause whose end moved with each of them
would be made longer by every beat."""

_UPDATES = "haulier_updates"


@dataclass(frozen=True)
class _StoredRow:
    body: bytes
    e_tag: str
    updates: tuple[str, ...]
    """The newest last."""


class AzureRows:
    """``folder`` is the blob name before the rows' own. ``store`` must not repeat requests by itself: it would meet its
    own put, and report a conflict. What else it is made of is closed by whoever gave it."""

    def __init__(
        self,
        store: AzureStore,
        folder: str,
        errors: AzureErrors,
        clock: Clock,
        server_clock: ServerClock,
        rng: random.Random,
    ) -> None:
        self._store = store
        self._folder = folder
        self._errors = errors
        self._clock = clock
        self._server_clock = server_clock
        self._ahead_seconds = 0.0
        self._rng = rng
        self._is_closed = False

    @property
    def capabilities(self) -> RowsCapabilities:
        return RowsCapabilities(OPERATIONS_PER_SECOND)

    @property
    def ahead_seconds(self) -> float:
        told = self._server_clock.ahead_seconds
        if abs(told - self._ahead_seconds) > CLOCK_TOLERANCE_SECONDS:
            self._ahead_seconds = told
        return self._ahead_seconds

    async def read(self, name: str) -> bytes | None:
        self._require_open()
        found = await self._get(name)
        return None if found is None else found.body

    async def update(self, name: str, change: Callable[[bytes | None], bytes]) -> bytes:
        """Writes nothing that stands there. Waits out conflicts, and what the service answers with 5xx; raises where it
        cannot be read either."""
        self._require_open()
        update = uuid.uuid4().hex[:12]
        gives_up_at = self._clock.monotonic() + PATIENCE_SECONDS
        written: bytes | None = None
        tries = 0
        while True:
            found = await self._get(name)
            if written is not None and found is not None and update in found.updates:
                # With others' updates on top, if it is not the newest: then the row is no longer what was written.
                return found.body if found.updates[-1] == update else written
            written = change(None if found is None else found.body)
            if found is not None and written == found.body:
                return written  # The row says so already.
            problem = await self._put(name, found, written, update)
            if not problem:
                return written
            if self._clock.monotonic() >= gives_up_at:
                raise QueueUnavailableError(
                    f"The shared row {name!r} could not be changed for {PATIENCE_SECONDS:.0f} s: {problem}"
                )
            # A conflict is proof that somebody else got through, so that all do, if their repeats come apart.
            await self._pause(tries)
            tries += 1

    async def close(self) -> None:
        self._is_closed = True

    async def _get(self, name: str) -> _StoredRow | None:
        tries = 1
        while True:
            try:
                return await self._get_once(name)
            except SDK_ERRORS as error:
                if tries >= READ_TRIES or not _may_pass(error):
                    raise self._failure(name, "read", error) from None
            await self._pause(tries)
            tries += 1

    async def _get_once(self, name: str) -> _StoredRow | None:
        try:
            answer = await self._store.get_async(self._blob(name))
            body = bytes(await answer.bytes_async())
        except FileNotFoundError as error:
            # The container may be missing, too: that is not "no row".
            if (refusal := self._errors.refusal(error)) is not None:
                raise refusal from None
            if fault_of(error).code != "BlobNotFound":
                raise  # Of a gateway between, for one, and a row without its past would let all send at once.
            self._errors.note_answer()
            return None
        self._errors.note_answer()
        updates = str(answer.attributes.get(_UPDATES, ""))
        return _StoredRow(body, answer.meta["e_tag"] or "", tuple(updates.split(",")) if updates else ())

    async def _put(self, name: str, found: _StoredRow | None, body: bytes, update: str) -> str:
        """Why it is unknown whether it was made, or that somebody else was quicker; empty if it was."""
        earlier = () if found is None else found.updates[1 - KEPT_UPDATES :]
        try:
            await self._store.put_async(
                self._blob(name),
                body,
                attributes={"Content-Type": "application/json", _UPDATES: ",".join((*earlier, update))},
                mode="create" if found is None else {"e_tag": found.e_tag},
                use_multipart=False,
            )
        except (AlreadyExistsError, PreconditionError) as error:
            # A person's lease or an immutability policy on the blob refuses it so, too; the words tell.
            return f"something else was quicker each time ({words_of(error)})"
        except SDK_ERRORS as error:
            if (refusal := self._errors.refusal(error)) is not None:
                raise refusal from None
            if not _may_pass(error):
                raise self._failure(name, "changed", error) from None
            return words_of(error)
        self._errors.note_answer()
        return ""

    async def _pause(self, tries: int) -> None:
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(tries, 10))
        await self._clock.sleep(longest * self._rng.random())

    def _failure(self, name: str, what: str, error: Exception) -> Exception:
        refusal = self._errors.refusal(error)
        return refusal or QueueUnavailableError(f"The shared row {name!r} cannot be {what}: {words_of(error)}")

    def _blob(self, name: str) -> str:
        """Any name is taken: what a blob cannot be called is left out, and the hash keeps it apart."""
        slug = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60] or "row"
        return f"{self._folder}/{slug}-{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"

    def _require_open(self) -> None:
        if self._is_closed:
            raise RuntimeError("The client of these rows is closed.")


def _may_pass(error: Exception) -> bool:
    """Whether the same request may be answered well the next time."""
    status = fault_of(error).status
    return not 400 <= status < 500 or status in (404, 408, 409, 412, 429)
