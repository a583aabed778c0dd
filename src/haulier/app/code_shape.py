"""What of Python code shapes records, as bytes: for the fingerprint that a resumed run is held to."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from haulier.errors import UsageError


def shape_of(code: type | Callable[..., Any]) -> bytes:
    """A function or class as its syntax tree says it: without comments, docstrings and layout, which shape nothing.

    What it calls is not followed: a change in there is the user's to know of.
    """
    try:
        source = textwrap.dedent(inspect.getsource(code))
    except (OSError, TypeError) as error:
        raise UsageError(
            f"The code of {getattr(code, '__name__', code)!r} cannot be read. Write it in a file: a run must be able "
            "to tell whether what shapes its records has changed."
        ) from error
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree).encode()
