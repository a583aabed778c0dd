"""Smaller pages: where one is too large, its size is halved before the item is divided.

A size in a link stays. So does one behind the first page where numbers or tokens mean other records with every size.
"""

from __future__ import annotations

from dataclasses import replace

from haulier.api.answers.judgement import TOO_LARGE_SIGNS
from haulier.api.errors import Action, ApiError, Fault
from haulier.api.paging.paginator import PageRequest


def is_too_large(error: ApiError) -> bool:
    """False where the query matches too much: smaller pages do not help."""
    if error.action is not Action.SPLIT:
        return False
    excerpt = error.excerpt.lower().encode()
    return error.status == 413 or error.fault is Fault.TOO_LARGE or any(sign in excerpt for sign in TOO_LARGE_SIGNS)


def may_be_past_end(error: ApiError) -> bool:
    """Whether the API refuses the page, as many do past the end."""
    if error.action is Action.OUTAGE:
        return error.status == 500
    # Without a status it is what we make of an answer, such as a contradiction.
    return error.status is not None and error.action in {
        Action.POISON,
        Action.SPLIT,
        Action.RETRY_LATER,
        Action.RESTART,
    }


def allow_smaller(request: PageRequest, name: str, floor: int = 1) -> PageRequest:
    """``name``: the size's parameter, or path of the body."""
    if not name:
        return request

    def smaller(asked: PageRequest) -> PageRequest | None:
        is_in_query = asked.query_value(name) is not None
        size = halve_size(asked.query_value(name) if is_in_query else asked.field(name), floor)
        if size is None:
            return None
        return asked.with_query(name, str(size)) if is_in_query else asked.with_field(name, size)

    return replace(request, smaller=smaller)


def declared_size(request: PageRequest, name: str) -> int | None:
    size = (request.query_value(name) or request.field(name)) if name else None
    if isinstance(size, str) and size.isascii() and size.isdigit() and len(size) <= 18:
        return int(size)
    return size if isinstance(size, int) and not isinstance(size, bool) else None


def align_size(size: object, offset: int) -> int | None:
    """Return the largest size up to half of ``size`` that divides ``offset``: many an API rounds an offset down to
    whole pages."""
    half = halve_size(size)
    if half is None or offset <= 0:
        return half
    return next(size for size in range(min(half, offset), 0, -1) if offset % size == 0)


def halve_size(size: object, floor: int = 1) -> int | None:
    """Return None at ``floor``, or for no size."""
    number = size_number(size)
    return None if number is None or number <= floor else max(floor, number // 2)


def size_number(size: object) -> int | None:
    if isinstance(size, str) and size.isascii() and size.isdigit() and len(size) <= 18:
        size = int(size)
    return size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None
