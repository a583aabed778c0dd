r"""Half of a UTF-16 pair alone, such as ``\ud83d``, which programs write that cut a text in the middle of an emoji.

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
"""Each escape of a text in order, so that an escaped backslash begins none; a whole pair is one."""
_MARKS: Final = tuple(bytes((127, other)) for other in b"~|^`#$%&*+=<>?@!")
"""Two unlike bytes of no hex number can be told from their neighbours."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A body of the same length without lone surrogates."""

    body: bytes
    mark: bytes

    def restore(self, piece: bytes | memoryview) -> bytes:
        """Return a piece of it as it was sent."""
        return bytes(piece).replace(self.mark, b"\\u")


def hide(body: bytes) -> Hidden | None:
    """Return a body with its lone surrogates hidden; None without any."""
    if _SURROGATE.search(body) is None:
        return None
    mark = next((mark for mark in _MARKS if mark not in body), None)
    if mark is None:
        return None
    hidden = _ESCAPE.sub(lambda found: mark + found["lone"][1:] if found["lone"] else found[0], body)
    return None if hidden == body else Hidden(hidden, mark)
