"""The public names: few, importable, documented, and used in the file that mypy checks as a user's."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys

import pytest

import haulier
from tests.docs.pages import ROOT

MOST = 25
TYPED = ROOT / "tests/docs/typing_public.py"


def test_public_names_are_few() -> None:
    """What is public stays; everything else may change tomorrow."""
    assert len(haulier.__all__) <= MOST
    assert haulier.__all__ == sorted(set(haulier.__all__), key=haulier.__all__.index)


@pytest.mark.parametrize("name", haulier.__all__)
def test_a_public_name_is_documented(name: str) -> None:
    """It can be imported, it is named as it is called, and a docstring says what it does for its caller."""
    found = getattr(haulier, name)
    assert found.__name__ == name
    doc = inspect.getdoc(found) or ""
    # A dataclass without a docstring is given its signature for one.
    assert doc, f"{name} has no docstring"
    assert not doc.startswith(f"{name}("), f"{name} has no docstring of its own"


@pytest.mark.parametrize("name", haulier.__all__)
def test_a_public_name_is_typed(name: str) -> None:
    """`make check` runs mypy over typing_public.py, which uses each name as a user would."""
    tree = ast.parse(TYPED.read_text(encoding="utf-8"))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert name in used, f"use {name} in {TYPED.name}"


def test_a_name_that_is_not_public_is_refused() -> None:
    """Names are imported when they are first used, and a slip is told as Python tells it."""
    with pytest.raises(AttributeError, match="has no attribute 'Apq'"):
        haulier.Apq  # noqa: B018


def test_importing_haulier_costs_nothing() -> None:
    """No name is imported before it is used."""
    code = "import sys, haulier; sys.exit(any(name.startswith('haulier.') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
