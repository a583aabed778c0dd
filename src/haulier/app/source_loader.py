from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from haulier.app.app import App
from haulier.errors import UsageError, sentence

_FORMS = "Write a file (`flights.toml`, `flights.py`) or a module and a name in it (`package.flights:app`)."


def load_app(source: str, environ: Mapping[str, str] | None = None) -> App:
    """SOURCE is a TOML file, a Python file or ``module:name``. Raises `UsageError`; no request is sent."""
    environ = os.environ if environ is None else environ
    path = Path(source)
    if path.suffix == ".toml":
        from haulier.config.source_file import load_source

        return App.from_settings(load_source(path.absolute(), environ))
    if path.suffix == ".py":
        if not path.is_file():
            raise UsageError(f"There is no file {source}. {_FORMS}")
        return _based(_app_in(_run_file(path.absolute()), source, None), path.absolute().parent)
    module, separator, name = source.partition(":")
    if not separator or not module or "/" in source:
        raise UsageError(f"{source!r} is not a source. {_FORMS}")
    return _load_module(module, name or None, source)


def _run_file(path: Path) -> ModuleType:
    """Import a file as Python runs it: its folder is first on the path, and it displaces no other module."""
    name = f"haulier_source_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file. {_FORMS}")
    module = importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    sys.modules[name] = module
    with _said_in_a_line(str(path), path):
        spec.loader.exec_module(module)
    return module


def _load_module(module: str, name: str | None, source: str) -> App:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        with _said_in_a_line(module):
            found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UsageError(f"There is no module {error.name!r} here, so {source!r} cannot be loaded. {_FORMS}") from error
    return _app_in(found, source, name)


@contextlib.contextmanager
def _said_in_a_line(name: str, path: Path | None = None) -> Iterator[None]:
    """Turn an exception of the user's code into a `UsageError` that says where.

    An exit is one too: with exit code 0 the command would seem to have done its work.
    """
    try:
        yield
    except UsageError:
        raise
    except SyntaxError as error:
        raise UsageError(f"{error.filename}: line {error.lineno}: {error.msg}.") from error
    except SystemExit as error:
        raise UsageError(
            f"{name} ends Python when it is imported. Move what it does as a program below `if __name__ == "
            '"__main__":`.'
        ) from error
    except ModuleNotFoundError as error:
        if path is None and error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise
        raise _broken(name, path, error) from error
    except Exception as error:
        raise _broken(name, path, error) from error


def _broken(name: str, path: Path | None, error: Exception) -> UsageError:
    frames = list(traceback.extract_tb(error.__traceback__))
    if path is not None:
        frames = [frame for frame in frames if Path(frame.filename) == path]
    file = "" if path is not None or not frames else f"{frames[-1].filename}, "
    where = f"{file}line {frames[-1].lineno}: " if frames else ""
    return UsageError(f"{name}: {where}{type(error).__name__}: {sentence(error)}")


def _app_in(module: ModuleType, source: str, name: str | None) -> App:
    apps = {key: value for key, value in vars(module).items() if isinstance(value, App)}
    app: App | None
    if name is None and len({id(app) for app in apps.values()}) == 1:
        app = next(iter(apps.values()))
    else:
        app = apps.get(name or "app")
    if app is None:
        known = f"It has: {', '.join(sorted(apps))}." if apps else "It creates no haulier.App."
        raise UsageError(f"{source} has no app named {name or 'app'!r}. {known} Write `app = App(...)` in it.")
    app.require_known_streams()
    return app


def _based(app: App, folder: Path) -> App:
    app.base = folder
    return app
