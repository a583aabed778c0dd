"""Credentials in what would be printed: they belong into variables."""

from __future__ import annotations

import ast
import dataclasses
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from haulier.api.http.redactor import Redactor, is_telling
from haulier.api.identity.auth import Secret
from haulier.app.app import App
from haulier.config.environment import filled_with_defaults, referred_variables

_SECRET_KEYS = frozenset({"bearer", "password", "client_secret", "key_password", "token", "key", "refresh_token"})
_PAIRS = frozenset({"headers", "query", "parameters"})
_AUTH_PAIRS = frozenset({"json", "form", "claims", "parameters"})
# A lake's URL has its container before the @.
_USERINFO = re.compile(r"(?i)\b(?!abfss?:)[a-z][a-z0-9+.-]{0,40}://(?:[^/\s@\"':]+|[^/\s@\"':]*:[^/\s@\"']+)@")
_HARMLESS = re.compile(r"(?i)\babfss?://[^/\s@]+@|(?<=://)[^/\s@\"':]*:@|\bkey=[^&;\s]{1,7}(?![^&;\s])")
_HOLE = re.compile(r"\{[\w.!:\[\]]*\}|%\(\w+\)s|%[sdr]")
_EMPTY_SCHEME = re.compile(r"(?i)\b(?:bearer|basic|token)\s*$")
_TELLING_VARIABLE = re.compile(
    r"(?i)passw|passphrase|passwd|pwd|credential|connection_?string|(^|_)(sas|dsn|pass)(_|$)"
)
_LOGIN_FIELD = re.compile(r"(?i)(^|_)(pin|pass|passcode|otp|code)(_|$)|pass(word|wd)?$")
# Slack, Teams and others let whoever knows the address in.
_CALLED_URL = re.compile(r"(?i)https?://[^/\s?#]+([/?#]\S*)")
_VALUE = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[!-~]{12,}")
_RANDOM_WORD = re.compile(r"(?=[A-Za-z_-]*[0-9])(?=[0-9_-]*[A-Za-z])[A-Za-z0-9_-]{16,}")


def has_credential(text: str) -> bool:
    """Whether ``text`` looks as if it held one: by what is masked in logs, too."""
    shown = _EMPTY_SCHEME.sub("", _HOLE.sub("", _HARMLESS.sub("", filled_with_defaults(text))))
    return _USERINFO.search(shown) is not None or Redactor().redact(shown) != shown


def is_telling_command(text: str) -> bool:
    """Whether a word of a command holds one, or the address of a hook that lets in whoever knows it."""
    shown = filled_with_defaults(text)
    return has_credential(text) or any(_RANDOM_WORD.search(found[1]) for found in _CALLED_URL.finditer(shown))


def is_telling_variable(name: str) -> bool:
    return is_telling(name) or name.endswith("_HEADERS") or _TELLING_VARIABLE.search(name) is not None


def texts_of(table: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text of a source file, with its keys."""
    match table:
        case str():
            yield path, table
        case Mapping():
            for key, value in table.items():
                yield from texts_of(value, (*path, key))
        case list():
            for value in table:
                yield from texts_of(value, path)
        case _:
            pass


def _is_of_login(name: str) -> bool:
    """Whether a field of a login, or a claim of a token, has such a name."""
    return is_telling_variable(name) or _LOGIN_FIELD.search(name) is not None


def credential_places(app: App, file: Path, text: str) -> Iterator[str]:
    """Where in ``file``, whose text is ``text``, a credential stands as it is."""
    if file.suffix == ".toml":
        for path, value in texts_of(tomllib.loads(text)):
            if _is_credential(path, value):
                yield ".".join(path)
    else:
        yield from _places_in_code(app, text)
    # Comments are printed with the rest.
    for number, line in enumerate(text.splitlines(), start=1):
        if _USERINFO.search(_HOLE.sub("", filled_with_defaults(line))):
            yield f"line {number}"


def _is_credential(path: tuple[str, ...], value: str) -> bool:
    """Whether a credential stands at these keys as it is, or as the default of a variable."""
    *tables, key = path
    if "auth" in tables or tables[-1:] == ["tls"]:
        is_secret = key in _SECRET_KEYS or key == "value" or (not _AUTH_PAIRS.isdisjoint(tables) and _is_of_login(key))
    elif key == "proxy":
        is_secret = "@" in value
    else:
        is_secret = bool(_PAIRS.intersection(tables)) and is_telling(key)
    variables = referred_variables(value)
    if is_secret and value and (not variables or any(default for _, default in variables)):
        return True
    return is_telling_command(value) if path == ("on_close",) else has_credential(value)


def _places_in_code(app: App, text: str) -> Iterator[str]:
    for part in (app.api.auth, app.api.tls):
        yield from _places_in_settings(part)
    yield from (f"headers: {name}" for name, value in app.api.headers if is_telling(name) and value)
    if "@" in _shown(app.api.proxy):
        yield "Api(proxy=...)"
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Constant(value=str(value)) if value in app.on_close and is_telling_command(value):
                yield f"on_close, line {node.lineno}"
            case ast.Constant(value=str(value)) if has_credential(value):
                yield f"line {node.lineno}"
            case _:
                yield from (f"line {value.lineno}" for name, value in _named(node) if _is_value(name, value))


def _places_in_settings(part: object) -> Iterator[str]:
    for field in dataclasses.fields(part) if dataclasses.is_dataclass(part) else ():
        value = getattr(part, field.name)
        if field.name in _SECRET_KEYS and _shown(value):
            yield f"{type(part).__name__}({field.name}=...)"
        elif isinstance(value, Mapping):
            for path, text in texts_of(value):
                if _is_of_login(path[-1]) and text:
                    yield f"{type(part).__name__}({field.name}=...): {'.'.join(path)}"
        elif not isinstance(value, Secret):
            yield from _places_in_settings(value)


def _named(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """What code gives a name to: as a variable, as an argument, as a header."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name) | ast.Attribute(attr=name)], value=value):
            yield name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value
        case ast.keyword(arg=str(name), value=value):
            yield name, value
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant):
                    yield str(key.value), value
        case ast.Tuple(elts=[ast.Constant(value=str(name)), value]):
            yield name, value
        case _:
            pass


def _is_value(name: str, value: ast.expr) -> bool:
    return is_telling(name) and isinstance(value, ast.Constant) and _VALUE.fullmatch(str(value.value)) is not None


def _shown(value: object) -> str:
    """What of a value stands in the code: of a variable its default."""
    if isinstance(value, Secret):
        return value.default or ""
    return value if isinstance(value, str) else ""
