"""docs/python.md is what the docstrings say now, and has every public name."""

from __future__ import annotations

import re

from tests.docs.public_members import NAMES, groups
from tests.docs.python_reference import PAGE, REFRESH, refreshed


def test_the_page_is_that_of_the_docstrings() -> None:
    """Signatures, types, defaults and meanings are the code's own."""
    page = PAGE.read_text(encoding="utf-8")
    assert page == refreshed(page), REFRESH


def test_every_public_name_stands_in_one_group() -> None:
    """The comments in `__all__` are the headings of the page."""
    assert [name for names in groups().values() for name in names] == list(NAMES)
    assert re.findall(r"^### `(\w+)`$", PAGE.read_text(encoding="utf-8"), re.MULTILINE) == list(NAMES), REFRESH
