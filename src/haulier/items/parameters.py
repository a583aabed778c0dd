"""Types that parameters of work items may have."""

from __future__ import annotations

import dataclasses
import types
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

SUPPORTED_TYPES = (
    "str, int, float, bool, datetime (aware), date, IdRange, TimeWindow, an Enum or Literal of str or of int, "
    "a frozen dataclass, a tuple of these, or one of these | None"
)
_SCALARS = (str, int, float, bool, datetime, date)


def refusal(cls: type, above: tuple[type, ...] = ()) -> str | None:
    """Say why this dataclass cannot hold parameters; None if it can.

    The list is closed. Equal items need equal bytes, which ``int | float`` (1 and 1.0) and Decimal (1.0 and 1.00) lack;
    and a list or dict could change in the hands of a processor.
    """
    parameters = cls.__dict__["__dataclass_params__"]
    if not parameters.frozen:
        return f"{cls.__qualname__} is not frozen: write @dataclass(frozen=True)."
    if not parameters.eq:
        return f"{cls.__qualname__} has eq=False: leave it out, since items are compared."
    try:
        hints = get_type_hints(cls, include_extras=True)
    except Exception as error:  # noqa: BLE001  # an annotation is the user's own code and may raise anything
        return (
            f"a type of {cls.__qualname__} cannot be resolved ({error}): define or import it at the top of the module."
        )
    for field in dataclasses.fields(cls):
        if not field.init:
            return f"field {field.name!r} of {cls.__qualname__} has init=False: make it a property."
        problem = _type_refusal(hints[field.name], (*above, cls))
        if problem is not None:
            return f"field {field.name!r} of {cls.__qualname__} {problem}"
    return None


def _type_refusal(hint: Any, above: tuple[type, ...]) -> str | None:
    origin, arguments = get_origin(hint), get_args(hint)
    if hasattr(hint, "__supertype__"):
        return _type_refusal(hint.__supertype__, above)
    if origin is Annotated:
        return _type_refusal(arguments[0], above)
    if origin is Literal:
        return _values_refusal(arguments, hint)
    if origin in {Union, types.UnionType}:
        present = [argument for argument in arguments if argument is not types.NoneType]
        return _type_refusal(present[0], above) if len(present) == 1 else _not_taken(hint)
    if origin is tuple:
        members = [argument for argument in arguments if argument is not Ellipsis]
        problems = [_type_refusal(argument, above) for argument in members]
        return next((problem for problem in problems if problem is not None), None)
    if not isinstance(hint, type) or origin is not None:
        return _not_taken(hint)
    if hint in _SCALARS or hint in above:
        return None
    if issubclass(hint, Enum):
        return _values_refusal([member.value for member in hint], hint)
    if "__dataclass_fields__" in hint.__dict__:
        problem = refusal(hint, above)
        return None if problem is None else f"is not supported: {problem}"
    return _not_taken(hint)


def _values_refusal(values: Any, hint: Any) -> str | None:
    found = {type(value) for value in values}
    return None if found in ({str}, {int}) else _not_taken(hint)


def _not_taken(hint: Any) -> str:
    shown = hint.__qualname__ if isinstance(hint, type) and get_origin(hint) is None else hint
    return f"has the type {shown}, which is not supported. Supported: {SUPPORTED_TYPES}."
