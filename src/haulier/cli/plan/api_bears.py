"""How many requests are in flight at once: what is declared, what was ordered, and what the API bore."""

from __future__ import annotations

from haulier.api.limits.governor import REMEMBERED_SECONDS, Governor
from haulier.api.scope.row import ScopeRow, decode
from haulier.app.open_source import OpenSource, scope_name
from haulier.cli.plan.duration import Width
from haulier.clock import wall_seconds


async def read_row(source: OpenSource) -> ScopeRow | None:
    """None where nobody ever worked: to look would make the file."""
    if source.rows_file is not None and not source.rows_file.exists():
        return None
    body = await source.rows.read(scope_name(source.app))
    return None if body is None else decode(body)


def width_of(source: OpenSource, row: ScopeRow | None, in_flight: int | None, at_once: float) -> Width:
    """The least of them all. ``at_once``: items, each of which asks for one page after the other, and pages of items
    that ask for all of theirs."""
    declared = source.app.api.highest_in_flight
    found = [
        Width(in_flight=declared, by="in_flight of the source")
        if in_flight is None
        else Width(in_flight=in_flight, by="--in-flight")
    ]
    if row is not None and row.limit is not None:
        found.append(Width(in_flight=row.limit.in_flight, by="the limit that a person ordered (`haulier limit`)"))
    if row is not None and (borne := _borne(row.governor, wall_seconds(source.clock))) is not None:
        found.append(Width(in_flight=borne, by="what the API was found to bear"))
    if at_once < min(width.in_flight for width in found):
        most = max(1, round(at_once))
        found.append(Width(in_flight=most, by="the items, and the pages that each asks for at once"))
    return min(found, key=lambda width: width.in_flight)


def _borne(governor: Governor, wall: float) -> int | None:
    """None where it was not the API that set the limit, or too long ago."""
    if not governor.is_found or not governor.borne or abs(wall - governor.borne_at) > REMEMBERED_SECONDS:
        return None
    return max(1, int(max(governor.borne, governor.limit)))
