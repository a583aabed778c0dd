r"""Lone halves of UTF-16 pairs, such as ``\ud83d``, from programs that cut a text in the middle of an emoji.

JSON's grammar allows them (RFC 8259 8.2), and no fast parser does. So they are hidden under as many other bytes while a
body is read, and put back into what was cut out (G6).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""Every escape in order, so that an escaped backslash begins none; a whole pair is one."""
_MARKS: Final = tuple(bytes((127, other)) for other in b"~|^`#$%&*+=<>?@!")
"""Unlike bytes that are in no hex number: each pair can be told from its neighbours."""


@dataclass(frozen=True, slots=True)
class Hidden:
    body: bytes
    mark: bytes

    def restore(self, piece: bytes | memoryview) -> bytes:
        return bytes(piece).replace(self.mark, b"\\u")


def hide(body: bytes) -> Hidden | None:
    """None for a body without any."""
    if _SURROGATE.search(body) is None:
        return None
    mark = next((mark for mark in _MARKS if mark not in body), None)
    if mark is None:
        return None
    hidden = _ESCAPE.sub(lambda found: mark + found["lone"][1:] if found["lone"] else found[0], body)
    return None if hidden == body else Hidden(hidden, mark)
