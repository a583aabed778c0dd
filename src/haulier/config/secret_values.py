"""Values of a source file with secrets in them: bodies of logins, claims of tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haulier.config.environment import read_secret
from haulier.config.place import Place, name_kind
from haulier.config.request_kinds import JsonBody


class SecretObject:
    """A table of values for JSON, in which each text may be a secret."""

    def read(self, value: Any, place: Place, example: str) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not value:
            raise place.error(
                f"expected a non-empty table, found {name_kind(value)}.", f"Write, for example: {example}"
            )
        return {str(name): _read(member, place.at(str(name)), example) for name, member in value.items()}

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "minProperties": 1}


def _read(value: Any, place: Place, example: str) -> Any:
    match value:
        case str():
            return read_secret(value, place)
        case Mapping():
            return {str(name): _read(member, place.at(str(name)), example) for name, member in value.items()}
        case list():
            return [_read(member, place.at(index), example) for index, member in enumerate(value)]
        case _:
            return JsonBody().read(value, place, example)
