"""The workers of a run, by the receipts that they wrote."""

from __future__ import annotations

import msgspec

from haulier.errors import LakeUnavailableError
from haulier.lake.names import is_path
from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.runs.concurrency import run_each
from haulier.runs.records import Receipt

MOST_FILES_READ = 2_000
"""Files of receipts that are read for their times. Of more, the names alone are."""

_decoder = msgspec.json.Decoder(Receipt)


class Writers(msgspec.Struct, kw_only=True):
    workers: int = 0
    """Processes that wrote a receipt."""
    seconds: float | None = None
    """That they were at work, together: each from the first request of its first item to its last object. None where
    receipts do not tell, or are too many to read."""


async def read_writers(lake: Lake, paths: RunPaths) -> Writers:
    files = [path async for found in lake.walk(paths.folder("receipts")) for path in found if is_path(path)]
    names = {_writer(path) for path in files}
    if len(files) > MOST_FILES_READ:
        return Writers(workers=len(names))
    spans: dict[str, tuple[float, float]] = {}
    is_told = bool(files)
    for path, span in await run_each(lambda path: _span(lake, path), files, lake.capabilities.in_flight):
        if span is None:
            is_told = False
            continue
        began, ended = spans.get(_writer(path), span)
        spans[_writer(path)] = min(began, span[0]), max(ended, span[1])
    seconds = sum(ended - began for began, ended in spans.values()) if is_told else None
    return Writers(workers=len(names), seconds=seconds)


def _writer(path: str) -> str:
    """``receipts/<worker>-<n>.ndjson``."""
    return path.rpartition("/")[2].rpartition("-")[0]


async def _span(lake: Lake, path: str) -> tuple[str, tuple[float, float] | None]:
    """When the first item of a file of receipts began and the last one ended; None where one of them does not tell."""
    body = await lake.read(path)
    try:
        receipts = _decoder.decode_lines(body or b"")
    except msgspec.DecodeError as error:
        raise LakeUnavailableError(
            f"{path} in the lake is not a file of receipts that haulier wrote: {error}"
        ) from error
    times = [(receipt.ended - receipt.seconds, receipt.ended) for receipt in receipts if receipt.ended is not None]
    if not times or len(times) < len(receipts):
        return path, None
    return path, (min(began for began, _ in times), max(ended for _, ended in times))
