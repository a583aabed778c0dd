"""A key in the path of every address, in front of the path that is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote

from haulier.api.http.transport import Request, Response
from haulier.errors import UsageError

PLACE: Final = "{key}"
MIN_KEY_CHARACTERS: Final = 4
"""A shorter one cannot be told from the rest of an address, so that it could not be masked there."""

_FORM: Final = re.compile(r"(?:/[A-Za-z0-9._~:@!$'()*,=-]+)*/[A-Za-z0-9._~:@!$'()*,=-]*\{key\}")
_ORIGIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def check_key_path(path: str) -> None:
    """Raises `UsageError`."""
    if not _FORM.fullmatch(path):
        raise UsageError(
            f"'{path}' is no place of a key in a path. Write the beginning of every address' path with {PLACE} at its "
            "end, such as /{key}, /bot{key} or /v6/{key}; what follows it belongs into the paths of the streams."
        )


def written_key(key: str) -> str:
    """As it stands in addresses."""
    return quote(key, safe=":@!$'()*,=~")


@dataclass(frozen=True, slots=True)
class PathKey:
    """Stands in each path exactly once. Implements `Authorizer`."""

    beginning: str = field(repr=False)

    @classmethod
    def of(cls, path: str, key: str) -> PathKey:
        if len(key) < MIN_KEY_CHARACTERS:
            raise UsageError(
                f"The key in the path of this API has fewer than {MIN_KEY_CHARACTERS} characters, too few to be hidden "
                "in addresses. Check its variable."
            )
        return cls(path.replace(PLACE, written_key(key)))

    async def apply(self, request: Request) -> Request:
        home, rest = _parted(request.url)
        return request.replace(url=f"{home}{self.beginning}{self._without(rest)}")

    def bare(self, url: str) -> str:
        home, rest = _parted(url)
        return home + self._without(rest)

    async def renew(self, refused: Request, answer: Response, *, is_again: bool = False) -> bool:
        return False

    def note_good(self, request: Request) -> None:
        return

    def _without(self, rest: str) -> str:
        """The API may write the key into its links, and its colon or other signs encoded or not."""
        path, mark, query = _path_of(rest)
        if path.startswith(self.beginning):
            kept = path[len(self.beginning) :]
        else:
            plain = unquote(self.beginning)
            parts = path.split("/")
            depth = self.beginning.count("/") + 1
            if unquote("/".join(parts[:depth])) != plain:
                return rest
            kept = "".join(f"/{part}" for part in parts[depth:])
        return rest if kept and not kept.startswith("/") else kept + mark + query


def _parted(url: str) -> tuple[str, str]:
    home = _ORIGIN.match(url)
    at = home.end() if home else 0
    return url[:at], url[at:]


def _path_of(rest: str) -> tuple[str, str, str]:
    at = min((found for mark in "?#" if (found := rest.find(mark)) >= 0), default=len(rest))
    return rest[:at], rest[at : at + 1], rest[at + 1 :]
