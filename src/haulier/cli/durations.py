"""Spans of time, for people."""

from __future__ import annotations


def duration_text(seconds: float) -> str:
    """Write ``480 ms``, ``1.2 s``, ``42 s``, ``12 min 3 s``, ``3 h 4 min`` or ``2 d 3 h``."""
    if seconds < 1.0:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3_600} h {whole % 3_600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3_600} h"
