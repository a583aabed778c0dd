from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from haulier.errors import UsageError


def shape_of(code: type | Callable[..., Any]) -> bytes:
    """The syntax tree, without comments, docstrings and layout, which shape no records.

    Functions that it calls are not followed: a change there is for the user to notice.
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
