"""docs/errors.md has every error and every word that a person may meet, and what to do about it."""

from __future__ import annotations

import re

import pytest

from haulier.errors import HaulierError
from haulier.runs.reasons import POISON_REASONS, VERDICT_REASONS
from tests.docs.error_reference import PAGE, REFRESH, errors, exit_code_of_class, exit_codes, page, texts_of
from tests.docs.pages import ROOT


def test_the_page_is_that_of_the_code() -> None:
    """Classes, exit codes, actions, reasons and refusals are the code's own."""
    assert PAGE.read_text(encoding="utf-8") == page(), REFRESH


@pytest.mark.parametrize("error", errors(), ids=lambda error: error.__name__)
def test_an_error_that_ends_a_command_says_what_to_do(error: type[HaulierError]) -> None:
    """Exit codes 2 and 4 are for a person: to change something, or to come back. Others may stay inside."""
    when, remedy = texts_of(error)
    assert when.endswith((".", ")"))
    assert remedy.endswith(".") if exit_code_of_class(error) in (2, 4) else remedy == "" or remedy.endswith(".")


def test_every_class_of_an_error_is_on_the_page() -> None:
    """Also those that stand beside what raises them, in files of their own."""
    sources = [path for path in (ROOT / "src/haulier").rglob("*.py") if "testing" not in path.parts]
    written = {name for path in sources for name in re.findall(r"^class (\w+Error)\(", path.read_text("utf-8"), re.M)}
    foreign = written - {error.__name__ for error in errors()} - {"HaulierError"}
    for name in foreign:  # Raised and caught within one file, or within the processor's own process.
        source = "".join(path.read_text("utf-8") for path in sources)
        assert re.search(rf"^class {name}\((Exception|ValueError|LinkError|aiohttp\.ClientError)\)", source, re.M), name
    assert exit_codes().keys() == set("01234")


def test_reasons_are_those_that_are_written() -> None:
    """The words of a verdict and of poison, wherever the code writes one."""
    closing = (ROOT / "src/haulier/runs/closing.py").read_text("utf-8")
    found = closing.partition("        found = {")[2].partition("}")[0]
    assert set(re.findall(r'"(\w+)":', found)) == VERDICT_REASONS.keys()
    worker = "".join(path.read_text("utf-8") for path in (ROOT / "src/haulier/worker").glob("*.py"))
    assert set(re.findall(r'Poison\("(\w+)"\)', worker)) <= POISON_REASONS.keys()
