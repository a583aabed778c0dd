"""One word, one thing: the glossary defines each word once, and no class name stands for two things."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict

from tests.docs.pages import ROOT, prose_of

PAGE = ROOT / "docs/glossary.md"
ROWS = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
WORDS = [word for word, _, _ in ROWS if word not in {"word", "---"}]


def classes() -> dict[str, list[str]]:
    """Class names of haulier outside of haulier.testing, with the files that define them."""
    found = defaultdict(list)
    root = ROOT / "src/haulier"
    for path in sorted(root.rglob("*.py")):
        if "testing" not in path.relative_to(root).parts:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    found[node.name].append(str(path.relative_to(root)))
    return found


def test_each_word_is_defined_once() -> None:
    """A newcomer finds some sixty words, each in one row, each with a sentence and a place."""
    assert len(WORDS) > 40
    assert [word for word, count in Counter(WORDS).items() if count > 1] == []
    assert [word for word, meaning, _ in ROWS if word in WORDS and not meaning.endswith(".")] == []


def test_classes_in_the_glossary_exist() -> None:
    """A name in backticks that looks like a class is one."""
    named = set(re.findall(r"`([A-Z][a-z]\w+)`", prose_of(PAGE)))
    named |= {name for _, _, see in ROWS for name in re.findall(r"`(\w+)`", see)}
    assert named
    assert named - classes().keys() - {"Outcome"} == set()


def test_no_class_name_stands_for_two_things() -> None:
    """Not even a private one: whoever greps for a name finds one thing."""
    doubled = {name: files for name, files in classes().items() if len(files) > 1}
    assert doubled == {}
