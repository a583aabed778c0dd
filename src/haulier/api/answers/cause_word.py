"""The cause of a failure in a word or two, by which people count."""

from __future__ import annotations

from haulier.api.errors import Fault, Shape


def cause_word(status: int | None, fault: Fault | None, shape: Shape) -> str:
    """``status 503``, the name of a `Fault` or `Shape`, or ``bad answer`` for a good status and no name of what is
    wrong; empty where the API is not the cause."""
    if fault is not None:
        return fault.value
    if shape is not Shape.NONE:
        return shape.value
    if status is None:
        return ""
    return "bad answer" if 200 <= status < 300 and status != 202 else f"status {status}"
