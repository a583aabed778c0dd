"""The public names: importable, documented, and used in the file that mypy checks as a user's."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from typing import Any

import pytest

import haulier
import haulier.testing
from tests.docs.pages import ROOT
from tests.docs.public_members import NAMES, public

TYPED = ROOT / "tests/docs/typing_public.py"


@pytest.mark.parametrize("module", [haulier, haulier.testing], ids=["haulier", "haulier.testing"])
def test_each_public_name_stands_in_all_three_lists(module: Any) -> None:
    """The names that `from haulier import *` gives, those that type checkers know, and those that can be imported."""
    tree = ast.parse(inspect.getsource(module))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    known = [(node.module, each.name) for node in block.body if isinstance(node, ast.ImportFrom) for each in node.names]
    assert sorted(module.__all__) == sorted(set(module.__all__)) == sorted(name for _, name in known)
    homes = {name: str(place).removeprefix(f"{module.__name__}.") for place, name in known}
    assert dict(module._HOMES) == homes


def test_a_repl_completes_the_public_names() -> None:
    """`dir` has them before any of them is imported, and nothing else but what every module has."""
    code = "import haulier; print(*(name for name in dir(haulier) if not name.startswith('__')))"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert told == sorted(haulier.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_documented(name: str) -> None:
    """It can be imported, it is named as it is called, and a docstring says what it does for its caller."""
    found = public(name)
    assert found.__name__ == name
    doc = inspect.getdoc(found) or ""
    # A dataclass without a docstring is given its signature for one.
    assert doc, f"{name} has no docstring"
    assert not doc.startswith(f"{name}("), f"{name} has no docstring of its own"


@pytest.mark.parametrize("name", NAMES)
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
