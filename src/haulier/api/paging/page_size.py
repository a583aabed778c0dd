"""Smaller pages where one is too large: the size is halved within the item, before the item is divided.

Only a size that we set ourselves can be lowered: what stands in an opaque link is the API's. And only where records
are named by themselves (an offset, a key): what a page's number or a token means may depend on the size, so that behind
the first page those kinds keep theirs.
"""

from __future__ import annotations

from dataclasses import replace

from haulier.api.answers.judgement import TOO_LARGE_SIGNS
from haulier.api.errors import Action, ApiError, Fault
from haulier.api.paging.paginator import PageRequest


def is_too_large(error: ApiError) -> bool:
    """Whether it is the page that is too much at once. Of a query that matches too much, smaller pages are no less."""
    if error.action is not Action.SPLIT:
        return False
    excerpt = error.excerpt.lower().encode()
    return error.status == 413 or error.fault is Fault.TOO_LARGE or any(sign in excerpt for sign in TOO_LARGE_SIGNS)


def is_refused(error: ApiError) -> bool:
    """Whether it is what was asked for that the API does not answer. It may fail for what lies behind the end."""
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
    """A request that may be asked for in smaller pages, by a declared name: a parameter, or a path of its body."""
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
    """The size that stands in a request by its declared name; None where there is none."""
    size = (request.query_value(name) or request.field(name)) if name else None
    if isinstance(size, str) and size.isascii() and size.isdigit() and len(size) <= 18:
        return int(size)
    return size if isinstance(size, int) and not isinstance(size, bool) else None


def align_size(size: object, offset: int) -> int | None:
    """The largest size up to half of ``size`` that divides ``offset``; None where it is none, or at its floor.

    Many an API reads an offset as a page's number times the size, and answers 400 in twelves from 396 on.
    """
    half = halve_size(size)
    if half is None or offset <= 0:
        return half
    return next(size for size in range(min(half, offset), 0, -1) if offset % size == 0)


def halve_size(size: object, floor: int = 1) -> int | None:
    """Half of a size, as a number or its text; None where it is none, or at its floor."""
    number = size_number(size)
    return None if number is None or number <= floor else max(floor, number // 2)


def size_number(size: object) -> int | None:
    """A size as a number, which may be its text; None where it is none from 1 up."""
    if isinstance(size, str) and size.isascii() and size.isdigit() and len(size) <= 18:
        size = int(size)
    return size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None
