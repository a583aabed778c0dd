"""The tree of errors is what its drawing says."""

from __future__ import annotations

import re

import haulier.api.errors
import haulier.errors
from haulier.errors import HaulierError


def test_the_tree_is_drawn_as_it_grew() -> None:
    """Each error of the two files stands below the one that it derives from, and no other is drawn."""
    drawn: dict[str, str] = {}
    path: list[str] = []
    for branch, name in re.findall(r"^([│ ]*[├└]── )(\w+Error)\b", haulier.errors.__doc__ or "", re.MULTILINE):
        depth = len(branch) // 4
        path[depth - 1 :] = [name]
        drawn[name] = path[depth - 2] if depth > 1 else "HaulierError"
    found = {
        error.__name__: error.__bases__[0].__name__
        for module in (haulier.errors, haulier.api.errors)
        for error in vars(module).values()
        if isinstance(error, type) and issubclass(error, HaulierError) and error is not HaulierError
    }
    assert drawn == found
