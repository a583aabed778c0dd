"""The JSON Schema of source files: for editors, and for whoever writes such files by a program."""

from __future__ import annotations

from typing import Any

from haulier.config.source_file import FILE


def source_schema() -> dict[str, Any]:
    """The schema, from the same tables of fields that read a file.

    What passes it may still be refused: whether words, parents and bounds go together is seen when the file is read.
    Editors apply it to TOML by a first line ``#:schema FILE``.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "haulier source file",
        **FILE.schema(),
    }
