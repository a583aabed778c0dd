"""The public names, and the members of each that users may rely on: what docs/python.md shows, and what tests hold.

A member is public unless its name begins with an underscore or it stands in `OWN`.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import functools
import importlib
import inspect
import re
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import haulier
import haulier.testing

_OWN: Final = {
    # An app as the layers around it ask it; settings, parsed; how credentials are opened.
    "App": "divide expect_of fingerprint from_settings is_of_file items require_known_streams require_mode selected "
    "recipes shared streams streams_of",
    "Api": "cost_at highest_in_flight rates schedule wait_at",
    "Tls": "context files",
    "ApiKey": "open",
    "Auth": "open",
    "AwsSignature": "open",
    "Basic": "open",
    "Bearer": "open",
    "ClientCredentials": "open",
    "JwtBearer": "open",
    "Digest": "open",
    "Login": "open",
    "RefreshToken": "open",
    # An item's account, what trying a source out sets, and what becomes of the item.
    "ItemApi": "assumption close is_held is_waiting most_pages usage request(expected)",
    "GraphQL": "body check_pages file",
    "Page": "slices",
    "Response": "charset_problem with_seconds",
    "BodyFormat": "has_lines",
    "Skip": "takes",
    "ApiError": "restarts may_be_of_item body shape",
    "BodyError": "(shape) (is_outage) is_outage",
    # What the walk over the pages asks kinds of paging and totals, and notes down.
    "Finished": "spans feeds",
    "Guard": "holds",
    "JobRequest": "names_job of",
    "Key": "note_sign of put was_sent",
    "Offset": "is_counting at offset_of size_of",
    "PageAnswer": "body home sign_reports note_sign note_header_sign note_lack feed_marks",
    "PageNumber": "is_counting number_of size_of",
    "PageRequest": "first_query link_base link_origin missing_parameters pages_past_end part",
    "Total": "binds demand of",
}
OWN: Final = frozenset(f"{name}.{word}".replace(".(", "(") for name, words in _OWN.items() for word in words.split())
"""Members, and parameters in parentheses, that only haulier itself uses: they may change with any version."""

NAMES: Final = (*haulier.__all__, *haulier.testing.__all__)

PUBLIC_ELSEWHERE: Final = frozenset({"haulier.testing.sandbox.settings.SandboxSettings"})
"""Public classes of which another page has every field."""

HANDED: Final = frozenset(
    {
        "ApiError", "Context", "Finished", "ItemApi", "ItemResult", "PageAnswer", "PoisonedItem", "RequestMade",
        "Response", "RunInfo", "RunResult",
    }
)  # fmt: skip
"""Classes that users are handed and do not make, so that how they are made is nobody's concern."""

THIRD_PARTY: Final = {"multidict": "headers, which may stand twice", "msgspec": "the bytes of a value, uncopied"}
"""Packages whose classes stand in public signatures, and what for."""


@dataclass(frozen=True)
class Member:
    """Something public of a public name: the name itself if it is a function, a method, a property or an attribute."""

    owner: str
    name: str
    hints: dict[str, Any]
    """By parameter, the resolved type; ``return`` for what comes back, and for the type of an attribute."""
    doc: str
    signature: inspect.Signature | None = None
    """None for an attribute."""
    default: Any = inspect.Parameter.empty
    is_keyword: bool = False
    is_property: bool = False
    is_async: bool = False

    def __str__(self) -> str:
        return self.owner if self.name == self.owner else f"{self.owner}.{self.name}"


def members_of(name: str) -> list[Member]:
    """The public members of a public name, in the order of the code."""
    found = public(name)
    if inspect.isfunction(found):
        return [_called(name, name, found)]
    assert inspect.isclass(found)
    return [*_constructor(name, found), *_attributes(name, found), *_methods(name, found)]


def public(name: str) -> Any:
    """What a public name is, of haulier or of haulier.testing."""
    return getattr(haulier if name in haulier.__all__ else haulier.testing, name)


def groups() -> dict[str, list[str]]:
    """Heading to names, as the comments in `__all__` part them."""
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for text in map(inspect.getsource, (haulier, haulier.testing)):
        for line in text[text.index("__all__ = [") : text.index("\n]\n")].splitlines()[1:]:
            if heading := re.fullmatch(r" +# (.+)", line):
                names = found.setdefault(heading[1], [])
            else:
                names.append(line.strip(' ",'))
    return found


def classes_in(hint: Any) -> Iterator[type]:
    """Every class that a type names."""
    if isinstance(hint, list | tuple):
        for each in hint:
            yield from classes_in(each)
    elif isinstance(hint, typing.TypeVar):
        yield from classes_in(hint.__bound__)
    elif typing.get_origin(hint) is typing.Literal:
        return
    elif (arguments := typing.get_args(hint)) or typing.get_origin(hint):
        origin = typing.get_origin(hint)
        if inspect.isclass(origin) and origin is not types.UnionType:
            yield origin
        yield from classes_in(arguments)
    elif inspect.isclass(hint):
        yield hint


def is_public(found: type) -> bool:
    """Whether users may know a class: it is Python's own, public here, or of a package that is named above."""
    top = found.__module__.partition(".")[0]
    if top == "haulier":
        is_named = found.__name__ in NAMES and public(found.__name__) is found
        return is_named or f"{found.__module__}.{found.__name__}" in PUBLIC_ELSEWHERE
    return top in sys.stdlib_module_names or top in THIRD_PARTY


def docs_of(found: type) -> dict[str, str]:
    """Attribute to the docstring below it, in the body of a class."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(found))).body
    assert isinstance(node, ast.ClassDef)
    docs = {}
    for before, after in zip(node.body, node.body[1:], strict=False):
        target = before.target if isinstance(before, ast.AnnAssign) else None
        if isinstance(before, ast.Assign):
            (target,) = before.targets  # type: ignore[assignment]
        if isinstance(target, ast.Name) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            docs[target.id] = inspect.cleandoc(str(after.value.value))
    return docs


def _constructor(name: str, found: type) -> Iterator[Member]:
    if name in HANDED or dataclasses.is_dataclass(found) or issubclass(found, enum.Enum) or _is_protocol(found):
        return
    for maker in ("__init__", "__new__"):
        if maker in vars(found):
            made = _called(name, name, inspect.unwrap(getattr(found, maker)))
            yield dataclasses.replace(made, doc=inspect.getdoc(found) or "")


def _attributes(name: str, found: type) -> Iterator[Member]:
    docs: dict[str, str] = {}
    for each in reversed(_haulier_bases(found)):
        docs |= docs_of(each)
    if issubclass(found, enum.Enum):
        yield from (Member(name, one.name, {}, docs.get(one.name, ""), default=one.value) for one in found)
        return
    fields = {field.name: field for field in dataclasses.fields(found)} if dataclasses.is_dataclass(found) else {}
    hints = _hints(found)
    # Fields of a base come last: they are given by name.
    own = vars(found).get("__annotations__", {})
    for attribute in [*own, *(name for name in fields if name not in own)]:
        if not _is_of_users(name, attribute):
            continue
        field = fields.get(attribute)
        default = inspect.Parameter.empty
        if field is not None and field.default is not dataclasses.MISSING:
            default = field.default
        elif field is not None and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        hint = {"return": hints[attribute]}
        yield Member(name, attribute, hint, docs.get(attribute, ""), None, default, bool(field and field.kw_only))


def _haulier_bases(found: type) -> list[type]:
    return [each for each in found.__mro__ if each is found or dataclasses.is_dataclass(each)]


def _methods(name: str, found: type) -> Iterator[Member]:
    for method, value in vars(found).items():
        if not _is_of_users(name, method):
            continue
        if isinstance(value, property):
            assert value.fget is not None
            doc = inspect.getdoc(value) or ""
            yield Member(name, method, {"return": _hints(value.fget)["return"]}, doc, is_property=True)
        elif isinstance(value, classmethod | staticmethod):
            yield _called(name, method, value.__func__)
        elif inspect.isfunction(value):
            yield _called(name, method, value)


def _called(owner: str, name: str, function: Callable[..., Any]) -> Member:
    signature = inspect.signature(function)
    place = owner if name == owner else f"{owner}.{name}"
    kept = [
        parameter
        for parameter in signature.parameters.values()
        if parameter.name not in ("self", "cls") and f"{place}({parameter.name})" not in OWN
    ]
    shown = {parameter.name for parameter in kept}
    if name != owner or not inspect.isclass(public(owner)):
        shown.add("return")
    hints = {key: hint for key, hint in _hints(function).items() if key in shown}
    return Member(
        owner,
        name,
        hints,
        inspect.getdoc(function) or _promised(name),
        signature.replace(parameters=kept),
        is_async=inspect.iscoroutinefunction(function),
    )


def _is_of_users(owner: str, name: str) -> bool:
    return not name.startswith("_") and f"{owner}.{name}" not in OWN


def _promised(method: str) -> str:
    """What a public Protocol says of a method, for the classes that keep it."""
    return inspect.getdoc(getattr(haulier.Paginator, method, None)) or ""


def _is_protocol(found: type) -> bool:
    return bool(getattr(found, "_is_protocol", False))


def _hints(found: Any) -> dict[str, Any]:
    return typing.get_type_hints(found, localns=_namespace(found.__module__))


@functools.cache
def _namespace(module: str) -> dict[str, Any]:
    """What the annotations of a module may name, with what it imports for type checkers alone."""
    loaded = importlib.import_module(module)
    names = dict(vars(loaded))
    for node in ast.walk(ast.parse(inspect.getsource(loaded))):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            names |= dict(_imported(node))
    return names


def _imported(block: ast.If) -> Iterator[tuple[str, Any]]:
    for node in block.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            source: ModuleType = importlib.import_module(node.module)
            yield from ((each.asname or each.name, getattr(source, each.name)) for each in node.names)
