"""The JSON Schema of source files agrees with what reads them."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from haulier.config.schema import source_schema
from tests.config import (
    test_bad_api,
    test_bad_divisions,
    test_bad_file,
    test_bad_pages,
    test_bad_parents,
    test_bad_placeholders,
    test_bad_requests,
    test_bad_rules,
    test_bad_variables,
)
from tests.config.rig import GOOD

MISTAKES = {
    **test_bad_api.MISTAKES,
    **test_bad_divisions.MISTAKES,
    **test_bad_file.MISTAKES,
    **test_bad_pages.MISTAKES,
    **test_bad_parents.MISTAKES,
    **test_bad_placeholders.MISTAKES,
    **test_bad_requests.MISTAKES,
    **test_bad_rules.MISTAKES,
    **test_bad_variables.MISTAKES,
}
EXAMPLES = Path(__file__).parents[2] / "examples"
TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": (str, date, datetime),
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}


def accepts(schema: dict[str, Any], value: Any) -> bool:
    """As much of JSON Schema as the schema of source files uses, with TOML's times as text."""
    if "anyOf" in schema and not any(accepts(each, value) for each in schema["anyOf"]):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(
        isinstance(value, TYPES[each]) and (each == "boolean") == isinstance(value, bool) for each in types
    ):
        return False
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        return False
    if isinstance(value, str) and not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return False
    if isinstance(value, int) and value < schema.get("minimum", value):
        return False
    if isinstance(value, list):
        return len(value) >= schema.get("minItems", 0) and all(accepts(schema.get("items", {}), each) for each in value)
    if isinstance(value, dict):
        if "oneOf" in schema and sum(set(each["required"]) <= set(value) for each in schema["oneOf"]) != 1:
            return False
        if not set(schema.get("required", ())) <= set(value):
            return False
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        if others is False and not set(value) <= set(known):
            return False
        rest = others if isinstance(others, dict) else {}
        return len(value) >= schema.get("minProperties", 0) and all(
            accepts(known.get(name, rest), each) for name, each in value.items()
        )
    return True


def test_the_schema_is_json() -> None:
    """The schema can be written down, and tells of every key what it is for."""
    schema = json.loads(json.dumps(source_schema()))
    assert schema["required"] == ["source", "api", "streams"]
    assert all("description" in key for key in schema["properties"].values())


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.toml")), ids=lambda file: file.name)
def test_the_schema_accepts_the_examples(file: Path) -> None:
    """What is a good source file is good to the schema."""
    assert accepts(source_schema(), tomllib.loads(file.read_text()))


@pytest.mark.parametrize(
    "name",
    [
        "a misspelt key",
        "a misspelt table",
        "no url",
        "a source's name",
        "a source's long name",
        "no streams",
        "text for a number",
        "true for a number",
        "a step of 0",
        "get and post",
        "neither get nor post",
        "ids and windows",
        "an empty division",
        "another origin",
        "a path without slash",
        "auth as text",
        "auth kind",
        "timeout",
        "pages int",
        "pages none",
        "pages empty",
        "pages missing",
        "records empty",
        "query str",
        "query table",
        "total",
        "total2",
        "empty word",
        "windows step",
        "windows edge",
        "an empty list of values",
        "values of two kinds",
        "no values",
        "a list without pages",
        "an unknown policy",
        "a rule without action",
        "a misspelt action",
        "rules as a table",
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(name: str) -> None:
    """What an editor can know to be wrong, the schema says."""
    before, after, _ = MISTAKES[name]
    assert accepts(source_schema(), tomllib.loads(GOOD))
    assert not accepts(source_schema(), tomllib.loads(GOOD.replace(before, after)))
