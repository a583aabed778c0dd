"""The YAML that is written is read as what it was."""

import subprocess
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from haulier.cli.deploy.yaml_text import documents_text, note

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.from_regex(
    r"(?s)([ -~]{0,9}\n){1,4}[ -~]{0,9}"
)
SCALARS = TEXTS | st.booleans() | st.integers(-9999, 9999) | st.sampled_from([0.5, 1.0])
TREES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXTS, below, max_size=3), max_leaves=12
)


@given(st.dictionaries(TEXTS.filter(lambda key: not key.startswith("# ")), TREES, min_size=1, max_size=4))
def test_every_value_comes_back(document: dict[str, Any]) -> None:
    """Any text, with line ends, quotes, control characters and words such as `on`."""
    assert yaml.safe_load(documents_text("A comment.", [document]).partition("---\n")[2]) == _without_notes(document)


def _without_notes(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_notes(below) for key, below in value.items() if not key.startswith("# ")}
    return [_without_notes(below) for below in value] if isinstance(value, list) else value


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_a_command_in_a_comment_can_be_copied_into_a_shell(count: int) -> None:
    """However long it is: without the marks of the comment it is the same words."""
    words = ["printf", "'%s,'", *(f'--from-literal=A_{"LONG_" * number}="$PATH"' for number in range(count * 3))]
    lines = documents_text(f"Type, in a shell:\n  {' '.join(words)}", []).splitlines()[1:]
    copied = "\n".join(line.removeprefix("# ") for line in lines)
    said = [subprocess.run(["/bin/sh", "-c", text], capture_output=True).stdout for text in (copied, " ".join(words))]
    assert said[0] == said[1] != b""


@pytest.mark.parametrize(
    "word", ["on", "Yes", "n", "1e3", "0x1f", "012", "null", "~", "", "1.0", "2026-01-01", "=", "- x", "a: b"]
)
def test_words_that_yaml_takes_for_something_else_are_quoted(word: str) -> None:
    text = documents_text("", [{"name": word, word or "x": [word]}])
    assert yaml.safe_load(text.partition("---\n")[2]) == {"name": word, word or "x": [word]}


def test_comments_stand_before_what_they_are_about() -> None:
    document = {**note("About a."), "a": 1, "list": [{**note("About b."), "b": "x\ny\n"}, {"c": []}]}
    assert documents_text("Heading", [document]).splitlines() == [
        "# Heading",
        "---",
        "# About a.",
        "a: 1",
        "list:",
        "  # About b.",
        "  - b: |",
        "      x",
        "      y",
        "  - c: []",
    ]
