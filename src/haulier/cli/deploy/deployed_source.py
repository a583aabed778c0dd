"""What of a source goes to a platform: its text, SOURCE of the commands there, and the variables that it reads."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from haulier.api.identity.auth import Secret
from haulier.api.identity.jwt_bearer import JwtBearer
from haulier.app.app import App
from haulier.cli.deploy.credential import credential_places, texts_of
from haulier.config.environment import referred_variables
from haulier.errors import UsageError

FOLDER = "/sources"
"""Where its text stands in a container."""
MAX_TEXT_BYTES = 200_000
"""`kubectl apply` writes the whole object into one of its annotations, as JSON, and those have 262,144 bytes."""
MAX_JSON_BYTES = 250_000

_KEY = re.compile(r"[A-Za-z0-9_][-._A-Za-z0-9]{0,252}")
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

    def require_key(self) -> None:
        """Raises `UsageError` for a file whose name cannot be a key of the platform's object."""
        if self.file is not None and not _KEY.fullmatch(self.file_name):
            raise UsageError(
                f"{self.file_name!r} cannot be mounted: the platform takes letters, digits, `-`, `_` and `.` in the "
                "name of a file. Rename it."
            )


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
    if len(text.encode()) > MAX_TEXT_BYTES or _json_bytes(text) > MAX_JSON_BYTES:
        raise UsageError(
            f"{typed} has more than {MAX_TEXT_BYTES:,} bytes, or that many with what JSON escapes: `kubectl apply` "
            "does not take it. Copy it into an image of your own, and say where it is in it: "
            f"--in-image {FOLDER}/{file.name}"
        )
    return DeployedSource(app, f"{FOLDER}/{file.name}", file, text, variables)


def _json_bytes(text: str) -> int:
    """In the JSON of Go, which writes `<`, `>` and `&` with six characters."""
    return len(json.dumps(text, ensure_ascii=False).encode()) + 5 * sum(map(text.count, "<>&"))


def _variables(app: App, file: Path | None, text: str) -> tuple[Variable, ...]:
    if file is not None and file.suffix == ".toml":
        found = [
            Variable(name, default is not None)
            for _, value in texts_of(tomllib.loads(text))
            for name, default in referred_variables(value)
        ]
    else:
        found = [Variable(secret.name, secret.default is not None) for secret in _secrets(app.api)]
        found += [] if file is None else _read_in_code(text)
    needed = {variable.name for variable in found if not variable.has_default}
    return tuple(Variable(name, name not in needed) for name in sorted({variable.name for variable in found}))


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
    place = next(credential_places(app, file, text), None)
    if place is not None:
        in_code = 'env("NAME")' if "(" in place else 'os.environ["NAME"]'
        reference = "${NAME}" if file.suffix == ".toml" else in_code
        raise UsageError(
            f"{typed} holds a credential itself, at {place}: it would be printed with the source. Put it into an "
            f"environment variable, and write {reference} there. If it is none, copy the source into an image of your "
            f"own: --in-image {FOLDER}/{file.name}"
        )


def _files_beside(app: App, file: Path, text: str) -> set[str]:
    """Files of its folder that a source reads or imports: one mounted file does not bring them."""
    folder = file.absolute().parent
    found = {Path(name).name for name in (app.api.tls.files if app.api.tls is not None else ())}
    found |= {Path(app.api.auth.jwt.key_file).name} if isinstance(app.api.auth, JwtBearer) else set()
    found |= app.recipes.query_files if app.recipes is not None else set()
    found.discard("")
    found |= {word for word in app.on_close if word.startswith(("./", "../")) or (folder / word).is_file()}
    if file.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in (name.partition(".")[0] for name in names):
                found |= {path.name for path in (folder / f"{name}.py", folder / name) if path.exists()}
    return found
