"""The keys of a table become arguments of a class: every key has one, and every one that is needed a key."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from haulier.config.value_kinds import NamedValue
from tests.docs.source_keys import Section, sections

BY_HAND = {
    "the file": {"path"},
    "streams.NAME": {"name", "stream"},
    "streams.NAME.expect": {"path"},
    "streams.NAME.full.values": {"values"},
}
"""Arguments without a default that no key is sure to give: the reader of the table sees to them."""

NO_ARGUMENT = {
    "api": {"rules"},
    "streams.NAME": {"divide", "graphql", "variables", "operation", "allowed_errors"},
    "streams.NAME.total": {"is"},
    "streams.NAME.full.values": {"list", "from", "prefixes"},
    "streams.NAME.full.ids": {"prefix", "digits"},
    "streams.NAME.incremental.ids": {"prefix", "digits"},
    "streams.NAME.full.ids.first": {"empty"},
    "streams.NAME.full.values.from": {"empty"},
    "streams.NAME.incremental.feed": {"first", "first_reads", "values"},
    "streams.NAME.incremental.if_changed": {"by", "values"},
}
"""Keys that a reader makes something of."""


def parameters(section: Section) -> dict[str, inspect.Parameter]:
    return {
        name: parameter
        for cls in section.becomes
        if cls is not dict
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }


def places(condition: Callable[[Section], bool]) -> list[Any]:
    return [pytest.param(section, id=section.place) for section in sections() if condition(section)]


@pytest.mark.parametrize("section", places(lambda section: bool(parameters(section))))
def test_every_key_becomes_an_argument(section: Section) -> None:
    """A key whose argument is misspelt would fail only when somebody writes it."""
    keys = {field.argument: field.name for field in section.shape.fields if field.argument}
    strays = {keys[argument] for argument in keys.keys() - parameters(section).keys()}
    assert strays == NO_ARGUMENT.get(section.place, set())


@pytest.mark.parametrize("section", places(lambda section: bool(parameters(section))))
def test_every_argument_that_is_needed_has_a_key_that_is_needed(section: Section) -> None:
    """What a class cannot be made without is asked for by its key, not by Python."""
    telling = section.place.rpartition(": ")[2]
    sure = {field.argument for field in section.shape.fields if field.is_required or field.name == telling}
    sure |= {field.argument for field in section.shape.fields if field.name in section.shape.one_of}
    needed = {name for name, parameter in parameters(section).items() if parameter.default is inspect.Parameter.empty}
    assert needed - sure == BY_HAND.get(section.place, set())


def test_a_word_may_name_a_value() -> None:
    """`absent = "skip"` is read as the value that the word names."""
    (stream,) = (section for section in sections() if section.place == "streams.NAME")
    (absent,) = (field for field in stream.shape.fields if field.name == "absent")
    assert isinstance(absent.kind, NamedValue)
    assert absent.kind.values == {"fail": False, "skip": True}
    assert absent.argument == "skips_absent"
