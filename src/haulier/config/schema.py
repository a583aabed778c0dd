"""The JSON Schema of source files, for editors and for programs that write such files."""

from __future__ import annotations

from typing import Any

from haulier.config.source_file import FILE


def source_schema() -> dict[str, Any]:
    """The schema, made of the tables of fields that read a file.

    A file that passes it may still be refused: whether placeholders, parents and bounds fit together is checked when
    the file is read. Editors apply it to TOML by a first line ``#:schema FILE``.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "haulier source file",
        **FILE.schema(),
    }
