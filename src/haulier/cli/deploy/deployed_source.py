"""What of a source goes to a platform: its text, SOURCE of the commands there, and the variables that it reads."""

from __future__ import annotations

import ast
import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from haulier.api.http.redactor import is_telling
from haulier.api.identity.auth import Secret
from haulier.app.app import App
from haulier.config.environment import referred_variables
from haulier.errors import UsageError

FOLDER = "/sources"
"""Where its text stands in a container."""
MAX_TEXT_BYTES = 900_000
"""A ConfigMap holds a mebibyte with all that is about it."""

_SECRET_KEYS = frozenset({"bearer", "password", "client_secret", "key_password", "token", "key"})
_PAIRS = frozenset({"headers", "query", "parameters"})
_READERS = frozenset({"env", "environ", "getenv"})


@dataclass(frozen=True)
class Variable:
    name: str
    has_default: bool


@dataclass(frozen=True)
class DeployedSource:
    app: App
    argument: str
    """SOURCE of the commands in a container."""
    file: Path | None
    """As it was typed; None for what is in the image."""
    text: str
    """Empty for what is in the image."""
    variables: tuple[Variable, ...]

    @property
    def file_name(self) -> str:
        return "" if self.file is None else self.file.name


def deployed_source(app: App, typed: str, in_image: str | None) -> DeployedSource:
    """``in_image`` is the path of the source in the image, which then needs no text. Raises `UsageError` for what
    cannot go as one file, and for a text that holds a credential: it would be printed."""
    file = Path(typed) if Path(typed).suffix in {".toml", ".py"} else None
    text = "" if file is None else file.read_text(encoding="utf-8-sig")
    variables = _variables(app, file, text)
    if in_image is not None:
        return DeployedSource(app, in_image, None, "", variables)
    if file is None:
        return DeployedSource(app, typed, None, "", variables)
    _require_no_credential(app, typed, file, text)
    if beside := sorted(_files_beside(app, file, text)):
        raise UsageError(
            f"{typed} needs {', '.join(beside)} beside it, and is deployed as one file. Copy them into an image of "
            f"your own, and say where the source is in it: --in-image {FOLDER}/{file.name}"
        )
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise UsageError(
            f"{typed} has more than {MAX_TEXT_BYTES:,} bytes, which no platform takes as a setting. Copy it into an "
            f"image of your own, and say where it is in it: --in-image {FOLDER}/{file.name}"
        )
    return DeployedSource(app, f"{FOLDER}/{file.name}", file, text, variables)


def _variables(app: App, file: Path | None, text: str) -> tuple[Variable, ...]:
    if file is not None and file.suffix == ".toml":
        found = [
            Variable(name, default is not None)
            for _, value in _texts(tomllib.loads(text))
            for name, default in referred_variables(value)
        ]
    else:
        found = [Variable(secret.name, secret.default is not None) for secret in _secrets(app.api)]
        found += [] if file is None else _read_in_code(text)
    needed = {variable.name for variable in found if not variable.has_default}
    return tuple(Variable(name, name not in needed) for name in sorted({variable.name for variable in found}))


def _texts(table: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text of a source file, with its keys."""
    match table:
        case str():
            yield path, table
        case Mapping():
            for key, value in table.items():
                yield from _texts(value, (*path, key))
        case list():
            for value in table:
                yield from _texts(value, path)
        case _:
            pass


def _secrets(value: object) -> Iterator[Secret]:
    match value:
        case Secret():
            yield value
        case Mapping():
            for part in value.values():
                yield from _secrets(part)
        case list() | tuple():
            for part in value:
                yield from _secrets(part)
        case _ if dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                yield from _secrets(getattr(value, field.name))
        case _:
            pass


def _read_in_code(text: str) -> list[Variable]:
    """`env("NAME")`, `os.environ["NAME"]`, `os.environ.get("NAME")` and `os.getenv("NAME")`."""
    found: list[Variable] = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *rest], keywords=keywords):
                is_get = isinstance(function, ast.Attribute) and function.attr == "get"
                if _reader(function.value if isinstance(function, ast.Attribute) and is_get else function) in _READERS:
                    found.append(Variable(name, bool(rest or keywords) or is_get))
            case ast.Subscript(value=mapping, slice=ast.Constant(value=str(name))) if _reader(mapping) == "environ":
                found.append(Variable(name, False))
            case _:
                pass
    return found


def _reader(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _require_no_credential(app: App, typed: str, file: Path, text: str) -> None:
    if file.suffix == ".toml":
        places = [".".join(path) for path, value in _texts(tomllib.loads(text)) if _is_credential(path, value)]
    else:
        auths = [part for part in (app.api.auth, app.api.tls) if part is not None]
        places = [
            f"{type(auth).__name__}({field.name}=...)"
            for auth in auths
            for field in dataclasses.fields(auth)  # type: ignore[arg-type]
            if field.name in _SECRET_KEYS and isinstance(value := getattr(auth, field.name), str) and value
        ]
        places += [f"headers: {name}" for name, value in app.api.headers if is_telling(name) and value]
    if places:
        reference = "${NAME}" if file.suffix == ".toml" else 'env("NAME")'
        raise UsageError(
            f"{typed} holds a credential itself, at {places[0]}: it would be printed with the source. Put it into an "
            f"environment variable, and write {reference} there."
        )


def _is_credential(path: tuple[str, ...], value: str) -> bool:
    """Whether a credential stands at these keys as it is, or as the default of a variable."""
    *tables, key = path
    if tables[-1:] in (["auth"], ["tls"]):
        is_secret = key in _SECRET_KEYS or key == "value"
    elif key == "proxy":
        is_secret = "@" in value
    else:
        is_secret = bool(_PAIRS.intersection(tables)) and is_telling(key)
    variables = referred_variables(value)
    return is_secret and bool(value) and (not variables or any(default for _, default in variables))


def _files_beside(app: App, file: Path, text: str) -> set[str]:
    """Files of its folder that a source reads or imports: one mounted file does not bring them."""
    folder = file.absolute().parent
    found = {Path(name).name for name in (app.api.tls.files if app.api.tls is not None else ())}
    found |= {word for word in app.on_close[:1] if word.startswith(("./", "../"))}
    if file.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in (name.partition(".")[0] for name in names):
                found |= {path.name for path in (folder / f"{name}.py", folder / name) if path.exists()}
    return found
