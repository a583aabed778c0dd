"""Single requests of the SDK on blobs: those whose effect has to be known, since it tells the code of each answer.

Each is sent once. Who repeats one must know that "it exists" may mean its own first try.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobBlock, ContentSettings
from azure.storage.blob.aio import BlobClient, BlobPrefix, ContainerClient

from haulier.azure.credential import SdkCredential
from haulier.azure.transport import send_once_transport
from haulier.lake.azure.folder import ContainerFolder
from haulier.lake.azure.server_clock import ServerClock
from haulier.lake.azure.store import CONNECT_SECONDS, REQUEST_SECONDS

if TYPE_CHECKING:
    from azure.core.pipeline.transport import AioHttpTransport

ATTEMPT = "attempt"
"""Metadata: the id of the call or the spool that made a blob. It tells our own success from another's."""
_FOLDER_MARK = "hdi_isfolder"
"""Metadata of blobs by which Azure's own tools keep a folder."""

BLOCK_SECONDS = 120.0
"""For one of 4 MiB, over a slow line."""

PAGE_BLOBS = 1_000

_OVERWRITE = "UnauthorizedBlobOverwrite"
"""403, to a SAS that may create and not write."""
_STANDS = frozenset({"BlobAlreadyExists", "ConditionNotMet", _OVERWRITE})
_CONTENT_TYPES = {"gz": "application/gzip", "json": "application/json", "ndjson": "application/x-ndjson"}


@dataclass(frozen=True)
class Standing:
    """A blob that stands."""

    attempt: str
    """Empty for one that something else made."""
    size: int
    is_folder: bool


class Blobs:
    """For one container. Raises the errors of the SDK, and `TimeoutError`."""

    def __init__(self, folder: ContainerFolder, credential: SdkCredential, server_clock: ServerClock) -> None:
        self._folder = folder
        self._server_clock = server_clock
        self._credential = credential
        self._transport: AioHttpTransport | None = None
        """Shared by all clients, since a client for each signature would have connections of its own."""
        self._container: ContainerClient | None = None

    async def put(self, blob: str, body: bytes, attempt: str, sas: str | None, timeout_seconds: float) -> None:
        """One request, create-only. ``sas`` signs it in place of the account's credential."""
        async with asyncio.timeout(timeout_seconds):
            await self._client(blob, sas).upload_blob(
                body,
                length=len(body),
                overwrite=False,
                metadata={ATTEMPT: attempt},
                content_settings=ContentSettings(content_type=content_type(blob)),
            )

    async def stage(self, blob: str, block: str, piece: bytes) -> None:
        """Nothing is visible by it. Ids of one blob must be equally long, whoever wrote them."""
        async with asyncio.timeout(BLOCK_SECONDS):
            # Streamed: aiohttp warns of bytes above 1 MiB, which it copies at once.
            await self._client(blob).stage_block(block, BytesIO(piece), len(piece))

    async def commit(
        self, blob: str, blocks: Sequence[str], attempt: str, sas: str | None, timeout_seconds: float
    ) -> None:
        """Create-only, also where blocks of a dead writer lie under the name."""
        async with asyncio.timeout(timeout_seconds):
            await self._client(blob, sas).commit_block_list(
                [BlobBlock(block_id=block) for block in blocks],
                match_condition=MatchConditions.IfMissing,
                metadata={ATTEMPT: attempt},
                content_settings=ContentSettings(content_type=content_type(blob)),
            )

    async def standing(self, blob: str) -> Standing | None:
        """None if no blob stands there, though blocks may. A missing container is an error."""
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                found = await self._client(blob).get_blob_properties()
        except HttpResponseError as error:
            if is_absent(error):
                return None
            raise
        metadata = {name.lower(): value for name, value in (found.metadata or {}).items()}
        return Standing(metadata.get(ATTEMPT, ""), found.size, _is_folder(metadata))

    async def delete(self, blob: str) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._client(blob).delete_blob()
        except HttpResponseError as error:
            if not is_absent(error):
                raise

    async def below(self, prefix: str) -> AsyncIterator[list[str]]:
        """Names as they are, by page, each of which holds up the event loop for a fifth of a second."""
        found = self._opened().list_blobs(name_starts_with=prefix, include=["metadata"], results_per_page=PAGE_BLOBS)
        pages = found.by_page()
        async for page in pages:
            yield [found.name async for found in page if not _is_folder(found.metadata or {})]

    async def entries(self, prefix: str) -> list[str]:
        """Names of blobs and folders (with a slash at the end) directly below."""
        entries = self._opened().walk_blobs(name_starts_with=prefix, include=["metadata"])
        return [
            entry.name
            async for entry in entries
            if isinstance(entry, BlobPrefix) or not _is_folder(entry.metadata or {})
        ]

    async def close(self) -> None:
        if self._transport is not None:
            await self._transport.close()

    def _client(self, blob: str, sas: str | None = None) -> BlobClient:
        container = self._opened()
        if sas is None:
            return container.get_blob_client(blob)
        return BlobClient(blob_name=blob, credential=sas, **self._options)

    def _opened(self) -> ContainerClient:
        """On the event loop that uses it."""
        if self._container is None:
            self._transport = send_once_transport(CONNECT_SECONDS, REQUEST_SECONDS)
            self._container = ContainerClient(credential=self._credential, **self._options)
        return self._container

    @property
    def _options(self) -> dict[str, Any]:
        return {
            "account_url": self._folder.account.blob_endpoint,
            "container_name": self._folder.container,
            "transport": self._transport,
            "retry_total": 0,
            "raw_response_hook": self._note,
        }

    def _note(self, answer: Any) -> None:
        self._server_clock.note(answer.http_response.headers.get("Date", ""))


def is_absent(error: HttpResponseError) -> bool:
    """A missing container is no missing blob: whoever lists it would find every item missing."""
    return error.status_code == 404 and code_of(error) == "BlobNotFound"


def stands(error: HttpResponseError) -> bool:
    """Something stands under the name; on Azurite perhaps only blocks of a dead writer."""
    return code_of(error) in _STANDS


def may_stand(error: HttpResponseError) -> bool:
    """The same, or something of a person refuses it: a lease, an immutability policy, a container that goes."""
    return error.status_code in (409, 412) or stands(error)


def code_of(error: HttpResponseError) -> str:
    """The service's own, such as ``BlobNotFound``, which the storage clients add to an error."""
    code = getattr(error, "error_code", "")
    return str(getattr(code, "value", code))


def content_type(blob: str) -> str:
    """None has a Content-Encoding: the SDK would unpack what it downloads, and fail above 32 MiB."""
    return _CONTENT_TYPES.get(blob.rpartition(".")[2], "application/octet-stream")


def _is_folder(metadata: dict[str, str]) -> bool:
    return any(name.lower() == _FOLDER_MARK and value.lower() == "true" for name, value in metadata.items())
