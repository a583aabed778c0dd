"""Variables in strings of a source file: `${NAME}` and `${NAME:-default}`; `$${` is a literal `${`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from haulier.api.http.redactor import is_telling
from haulier.api.identity.auth import Secret, found_value, without_line_end
from haulier.config.place import Place

# The longest value that is taken for a word of a query rather than for a key. API keys have 16 characters and more.
_MAX_WORD_CHARACTERS = 11

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}?")
_NAMED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def fill_variables(text: str, place: Place, *, is_secret: bool | None = None) -> str:
    """``text`` with every variable replaced by its value; `SourceFileError` for a missing or misspelt one.

    Values that may be credentials are noted for the redactor: all if ``is_secret``, long ones if it is None.
    """

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name, default = _reference(match[0], place)
        value = place.source.environ.get(name, "")
        if is_secret:
            value = without_line_end(value)
        if not value and default is not None:
            return default
        if name not in place.source.environ:
            raise _missing(name, place, is_secret=bool(is_secret) or is_telling(place.name))
        place.source.taken[value] = name
        if is_secret or (is_secret is None and len(value) > _MAX_WORD_CHARACTERS):
            place.source.secrets.append(value)
        return value

    return _REFERENCE.sub(replace, text)


def has_reference(text: str) -> bool:
    """Whether ``text`` contains a variable, or a misspelt one."""
    return any(match[0] != "$${" for match in _REFERENCE.finditer(text))


def referred_variables(text: str) -> list[tuple[str, str | None]]:
    """The variables that ``text`` names, each with its default. Misspelt references are left out."""
    found = (_NAMED.fullmatch(match[1] or "") for match in _REFERENCE.finditer(text) if match[0].endswith("}"))
    return [(named[1], named[2]) for named in found if named is not None]


def filled_with_defaults(text: str) -> str:
    """``text`` as it is where no variable is set: each is replaced by its default, or by nothing."""

    def replace(match: re.Match[str]) -> str:
        named = _NAMED.fullmatch(match[1] or "") if match[0].endswith("}") else None
        return match[0] if named is None else named[2] or ""

    return _REFERENCE.sub(replace, text)


def read_secret(text: str, place: Place) -> str | Secret:
    """A credential. If it is a single variable, it is read only when the API is opened: `status` works without it."""
    match = _REFERENCE.fullmatch(text)
    if match is None or match[0] == "$${":
        return fill_variables(text, place, is_secret=True)
    name, default = _reference(match[0], place)
    return FileSecret(name, default, place=place)


@dataclass(frozen=True)
class FileSecret(Secret):
    """A variable that a source file names as a credential. The error about a missing one has its place in the file."""

    place: Place = field(kw_only=True, compare=False, repr=False)

    def reveal(self, environ: Mapping[str, str] | None = None) -> str:
        value = found_value(self, self.place.source.environ if environ is None else environ)
        if value is None:
            raise _missing(self.name, self.place, is_secret=True)
        return value


def _reference(text: str, place: Place) -> tuple[str, str | None]:
    found = _NAMED.fullmatch(text[2:-1]) if text.endswith("}") else None
    if found is None:
        raise place.error(
            f"{text!r} is not a valid reference to an environment variable.",
            "Write ${NAME} or ${NAME:-default}; for the characters ${ themselves, write $${.",
        )
    return found[1], found[2]


def _missing(name: str, place: Place, *, is_secret: bool) -> Exception:
    # A secret has no place in the file, so no default is offered for one.
    remedy = "Set it." if is_secret or is_telling(name) else f"Set it, or write a default: ${{{name}:-default}}."
    return place.error(f"the environment variable {name} is not set.", remedy)
