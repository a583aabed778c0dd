"""How far feeds were read: what each attempt notes before its records are visible, and what of it a closing bears out
(W7)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable

import msgspec

from haulier.errors import LakeUnavailableError
from haulier.items.feed_start import feed_of
from haulier.items.span_group import ALL_GROUPS
from haulier.lake.names import is_path
from haulier.lake.paths import RunPaths
from haulier.lake.seam import Lake
from haulier.runs.concurrency import run_each
from haulier.runs.manifest import read_manifest
from haulier.runs.records import Record, Seal, VerdictRecord, decode_record, encode_record

KEPT_PLACES = 8
"""Earlier places of a feed that are known. A run that began at an older one moves nothing, and is read again."""
EMPTY = "empty"
"""In place of a checksum: the item had no records."""
_JUDGED = frozenset({"poison", "damaged", "absent"})
"""Reasons of a partial run of which its manifest says which items, or streams, they are about."""


class FeedRecord(Record, frozen=True, kw_only=True):
    """``feeds/<key>/<checksum of the object>.json``: where the feed goes on behind these records."""

    key: str
    stream: str
    group: str = ""
    start: str = ""
    """`digest` of where it began; empty where it read the feed from its beginning."""
    end: str
    has_expired: bool = False
    """It was to go on, and began anew: the API did not know the token any more."""
    by: str


class FeedMove(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a closed run has read of a feed."""

    stream: str
    group: str = ""
    start: str = ""
    end: str
    has_expired: bool = False


class FeedPlace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a feed goes on."""

    token: str
    """Empty: the feed begins anew."""
    run_id: str = ""
    """The run that ended there; empty: a person said so."""
    began: str = ""
    """The run that read it from its beginning."""
    has_expired: bool = False
    """That run was to go on, and began anew."""
    lifted_by: str = ""
    """The run that has read the feed and does not count any more, and what it is: there is no place, then."""
    before: tuple[str, ...] = ()
    """Digests of earlier places, the newest last."""


class ReadFeeds(msgspec.Struct, frozen=True, kw_only=True):
    """What a run says of feeds."""

    moves: tuple[FeedMove, ...] = ()
    lifted: dict[str, tuple[str, ...]] = {}
    """By stream, the groups whose feeds it has read, though it does not count."""


FeedPlaces = dict[str, dict[str, FeedPlace]]
"""By stream and group."""


def digest(token: str) -> str:
    """Tells tokens apart; "" for none."""
    return hashlib.sha256(token.encode()).hexdigest() if token else ""


async def note_feed(lake: Lake, paths: RunPaths, payload: bytes, record: FeedRecord, checksum: str) -> None:
    """Durable on return. An attempt with equal records may have noted another token: each is right for them."""
    found = feed_of(payload)
    if found is not None:
        record = msgspec.structs.replace(record, group=found[0])
        await lake.create(paths.feed(record.key, checksum or EMPTY), encode_record(record))


async def read_run_feeds(lake: Lake, paths: RunPaths, seal: Seal, verdict: VerdictRecord | None) -> ReadFeeds:
    """What a run moves: items that are done, or without records. What was noted by an attempt whose object is not the
    one that stands, counts nothing. ``verdict`` is None for a run that was reopened."""
    if not seal.feeds:
        return ReadFeeds()
    if verdict is not None and _moves_feeds(verdict):
        noted, absent = await _noted_moves(lake, paths, verdict.number)
        lost = absent.intersection(seal.feeds) if "absent" in verdict.reasons else frozenset()
        moves = tuple(each for each in noted if each.stream not in lost)
        return ReadFeeds(moves=moves, lifted=await read_noted_groups(lake, paths, lost))
    if verdict is not None and verdict.number == 1 and verdict.verdict != "partial":
        return ReadFeeds()  # It never counted.
    return ReadFeeds(lifted=await read_noted_groups(lake, paths, seal.feeds))


async def read_noted_groups(lake: Lake, paths: RunPaths, streams: Collection[str]) -> dict[str, tuple[str, ...]]:
    """By stream, the groups whose feeds attempts of a run have read to their ends."""
    if not streams:
        return {}
    found: dict[str, set[str]] = {}
    noted = await _notes(lake, paths)
    files = [path for of_key in noted.values() for path in of_key.values()]

    async def read(path: str) -> FeedRecord:
        return _noted(await lake.read(path), path)

    for record in await run_each(read, files, lake.capabilities.in_flight):
        if record.stream in streams:
            found.setdefault(record.stream, set()).add(record.group)
    return {stream: tuple(sorted(groups)) for stream, groups in sorted(found.items())}


def _moves_feeds(verdict: VerdictRecord) -> bool:
    return verdict.verdict == "complete" or (verdict.verdict == "partial" and _JUDGED.issuperset(verdict.reasons))


async def feeds_begun_anew(lake: Lake, paths: RunPaths, number: int) -> dict[str, int]:
    """By stream, the feeds that were to go on, and that the run read from their beginning. Only a warning is made of
    it: a damaged note is passed over, and named by the next incremental run, which cannot do without."""
    found, _ = await _noted_moves(lake, paths, number, skips_damaged=True)
    return dict(Counter(each.stream for each in found if each.has_expired))


async def _noted_moves(
    lake: Lake, paths: RunPaths, number: int, *, skips_damaged: bool = False
) -> tuple[tuple[FeedMove, ...], frozenset[str]]:
    """And the streams without records of which something was absent."""
    noted = await _notes(lake, paths)
    stands: list[str] = []
    absent, with_records = set[str](), set[str]()
    async for entries in read_manifest(lake, paths, number):
        for entry in entries:
            if entry.absent:
                absent.add(entry.stream)
            if entry.records_done:
                with_records.add(entry.stream)
            checksum = {"done": entry.sha256, "empty": EMPTY}.get(entry.state, "")
            if checksum in (of_key := noted.get(entry.key, {})):
                stands.append(of_key[checksum])

    async def read(path: str) -> FeedMove | None:
        body = await lake.read(path)
        try:
            record = _noted(body, path)
        except LakeUnavailableError:
            if skips_damaged:
                return None
            raise
        return FeedMove(
            stream=record.stream,
            group=record.group,
            start=record.start,
            end=record.end,
            has_expired=record.has_expired,
        )

    moves = await run_each(read, stands, lake.capabilities.in_flight)
    return tuple(each for each in moves if each is not None), frozenset(absent - with_records)


async def _notes(lake: Lake, paths: RunPaths) -> dict[str, dict[str, str]]:
    """By key and checksum."""
    noted: dict[str, dict[str, str]] = {}
    async for found in lake.walk(paths.folder("feeds")):
        for path in filter(is_path, found):
            *_, key, name = path.split("/")
            noted.setdefault(key, {})[name.removesuffix(".json")] = path
    return noted


def _noted(body: bytes | None, path: str) -> FeedRecord:
    if body is None:
        raise LakeUnavailableError(
            f"{path} was in the lake and has disappeared. Does something else remove files there?"
        )
    return decode_record(FeedRecord, body, path)


def move(places: FeedPlaces, run_id: str, moves: Iterable[FeedMove]) -> None:
    """Apply what a run has read. One that began where no counted run had ended moves nothing: what lies before its
    start may be missing."""
    for each in moves:
        groups = places.setdefault(each.stream, {})
        place = groups.get(each.group, groups.get(ALL_GROUPS))
        if not each.start:
            groups[each.group] = FeedPlace(
                token=each.end, run_id=run_id, began=run_id, has_expired=each.has_expired, before=_before(place)
            )
        elif place is not None and each.start in (digest(place.token), *place.before):
            groups[each.group] = FeedPlace(
                token=each.end,
                run_id=run_id,
                began=place.began,
                has_expired=place.has_expired,
                before=_before(place),
            )


def copied(places: FeedPlaces) -> FeedPlaces:
    return {stream: dict(groups) for stream, groups in places.items()}


def tokens_of(places: FeedPlaces) -> dict[str, dict[str, str]]:
    return {stream: {group: place.token for group, place in groups.items()} for stream, groups in places.items()}


def lifted_of(places: FeedPlaces) -> dict[str, dict[str, str]]:
    found = {
        stream: {group: place.lifted_by for group, place in groups.items() if place.lifted_by}
        for stream, groups in places.items()
    }
    return {stream: groups for stream, groups in found.items() if groups}


def _before(place: FeedPlace | None) -> tuple[str, ...]:
    return () if place is None or not place.token else (*place.before, digest(place.token))[-KEPT_PLACES:]
