"""Smaller pages where one is too large: the size is halved within the item, before the item is divided.

Only a size that we set ourselves can be lowered: what stands in an opaque link is the API's.
"""

from __future__ import annotations

from dataclasses import replace

from haulier.api.paginator import PageRequest
from haulier.api.transport import Fault
from haulier.api.verdict import TOO_LARGE_SIGNS, ApiError, Verdict


def is_too_large(error: ApiError) -> bool:
    """Whether it is the page that is too much at once. Of a query that matches too much, smaller pages are no less."""
    if error.verdict is not Verdict.SPLIT:
        return False
    excerpt = error.excerpt.lower().encode()
    return error.status == 413 or error.fault is Fault.TOO_LARGE or any(sign in excerpt for sign in TOO_LARGE_SIGNS)


def halved_query(request: PageRequest, name: str, floor: int = 1) -> PageRequest | None:
    """The request with half of the size in a parameter; None where no number above ``floor`` stands there."""
    size = halved_size(request.query_value(name), floor)
    return None if size is None else request.with_query(name, str(size))


def halved_field(request: PageRequest, path: str, floor: int = 1) -> PageRequest | None:
    """The same at a path of the JSON body."""
    size = halved_size(request.field(path), floor)
    return None if size is None else request.with_field(path, size)


def sized(request: PageRequest, name: str, floor: int = 1) -> PageRequest:
    """A request that may be asked for in smaller pages, by a declared name: a parameter, or a path of its body."""
    if not name:
        return request
    halved = halved_field if request.query_value(name) is None else halved_query
    return replace(request, smaller=lambda asked: halved(asked, name, floor))


def halved_size(size: object, floor: int = 1) -> int | None:
    """Half of a size, as a number or its text; None where it is none, or at its floor."""
    if isinstance(size, str) and size.isascii() and size.isdigit() and len(size) <= 18:
        size = int(size)
    if not isinstance(size, int) or isinstance(size, bool) or size <= floor:
        return None
    return max(floor, size // 2)
