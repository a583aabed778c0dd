"""Whatever a public signature names is public, and every public member says what it is."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator

import pytest

from tests.docs.pages import ROOT
from tests.docs.public_members import NAMES, OWN, THIRD_PARTY, classes_in, is_public, members_of, public

HOW = "Export it in haulier/__init__.py, or put the member into OWN in tests/docs/public_members.py"


@pytest.mark.parametrize("name", NAMES)
def test_a_public_signature_names_public_things_alone(name: str) -> None:
    """Parameters, results, fields and attributes are of Python's own types, public ones, and those of two packages."""
    for member in members_of(name):
        for hint in member.hints.values():
            private = [found.__qualname__ for found in classes_in(hint) if not is_public(found)]
            assert not private, f"{member} names {', '.join(private)}. {HOW}"


@pytest.mark.parametrize("name", NAMES)
def test_a_public_error_is_of_a_public_kind(name: str) -> None:
    """Whoever catches an error by its name may catch what it derives from."""
    found = public(name)
    if inspect.isclass(found) and issubclass(found, BaseException):
        assert all(is_public(base) for base in found.__bases__), f"{name} derives from {found.__bases__}. {HOW}"


@pytest.mark.parametrize("name", NAMES)
def test_public_docstrings_name_public_classes_alone(name: str) -> None:
    """A name in backticks is a class that the reader can import, or no class of haulier."""
    for text in [inspect.getdoc(public(name)) or "", *(member.doc for member in members_of(name))]:
        named = re.findall(r"(?<!`)`([A-Z]\w*)(?:\.\w+)?`(?!`)", text)
        private = [word for word in named if word in CLASSES and word not in NAMES]
        assert not private, f"the docstrings of {name} name {', '.join(private)}. {HOW}"


@pytest.mark.parametrize("name", NAMES)
def test_every_public_method_is_documented(name: str) -> None:
    """Fields may speak for themselves; what is called does not."""
    silent = [str(one) for one in members_of(name) if (one.signature or one.is_property) and not one.doc]
    assert not silent, f"without a docstring: {', '.join(silent)}"


@pytest.mark.parametrize("member", sorted(OWN))
def test_a_member_of_our_own_is_there(member: str) -> None:
    """What is taken off the page exists."""
    place, _, parameter = member.rstrip(")").partition("(")
    owner, _, attribute = place.partition(".")
    found = public(owner)
    if parameter:
        function: Callable[..., object] = getattr(found, attribute) if attribute else found
        assert parameter in inspect.signature(function).parameters, f"{member} is gone: take it off OWN"
    else:
        is_set = re.search(rf"^ +(self\.)?{attribute}(: .+)? = ", inspect.getsource(found), re.MULTILINE)
        fields = getattr(found, "__annotations__", {})
        assert hasattr(found, attribute) or attribute in fields or is_set, f"{member} is gone: take it off OWN"


def test_packages_of_others_are_used() -> None:
    """What is allowed is needed."""
    used = {found.__module__.partition(".")[0] for name in NAMES for found in all_classes(name)}
    assert set(THIRD_PARTY) <= used


def all_classes(name: str) -> Iterator[type]:
    for member in members_of(name):
        for hint in member.hints.values():
            yield from classes_in(hint)


CLASSES = {
    node.name
    for path in (ROOT / "src/haulier").rglob("*.py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.ClassDef)
}
