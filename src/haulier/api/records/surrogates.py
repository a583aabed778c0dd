r"""Half of a UTF-16 pair, such as ``\ud83d`` alone: what programs write that cut a text in the middle of an emoji.

JSON's grammar allows it (RFC 8259 8.2), and no fast parser takes it. So it is hidden while a body is read, under as
many other bytes, and put back into what was cut out: no byte of a record changes (G6).
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
"""Every escape of a text, one after another, so that an escaped backslash is none; a whole pair is one."""
_MARKS: Final = tuple(bytes((127, other)) for other in b"~|^`#$%&*+=<>?@!")
"""Two unlike bytes that stand in no hex number, so that where they are put they can be told from their neighbours."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A body without lone surrogates, of the same length."""

    body: bytes
    mark: bytes

    def restore(self, piece: bytes | memoryview) -> bytes:
        """A piece of ``body`` as it was sent."""
        return bytes(piece).replace(self.mark, b"\\u")


def hide(body: bytes) -> Hidden | None:
    """None for a body without a lone surrogate."""
    if _SURROGATE.search(body) is None:
        return None
    mark = next((mark for mark in _MARKS if mark not in body), None)
    if mark is None:
        return None
    hidden = _ESCAPE.sub(lambda found: mark + found["lone"][1:] if found["lone"] else found[0], body)
    return None if hidden == body else Hidden(hidden, mark)
