"""From the word SOURCE on a command line to an `App`: a TOML file, a Python file, or ``module:name``."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from haulier.app.app import App
from haulier.errors import UsageError

_FORMS = "Write a file (`flights.toml`, `flights.py`) or a module and a name in it (`package.flights:app`)."


def load_app(source: str, environ: Mapping[str, str] | None = None) -> App:
    """The app that ``source`` names. `UsageError` says what is wrong with it; nothing was asked of any API."""
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
    if not separator or "/" in source:
        raise UsageError(f"{source!r} is no source. {_FORMS}")
    return _load_module(module, name or None, source)


def _run_file(path: Path) -> ModuleType:
    """Import a file as Python would run it: with its own folder first on the path."""
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file. {_FORMS}")
    module = importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise UsageError(f"{error.filename}: line {error.lineno}: {error.msg}.") from error
    except UsageError:
        raise
    except Exception as error:
        raise _broken(path, error) from error
    return module


def _broken(path: Path, error: Exception) -> UsageError:
    """Where in a person's own file an import failed, in one line."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    line = f"line {frames[-1].lineno}: " if frames else ""
    return UsageError(f"{path}: {line}{type(error).__name__}: {error}.")


def _load_module(module: str, name: str | None, source: str) -> App:
    sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        raise UsageError(f"There is no module {error.name!r} here, so {source!r} cannot be loaded. {_FORMS}") from error
    return _app_in(found, source, name)


def _app_in(module: ModuleType, source: str, name: str | None) -> App:
    apps = {key: value for key, value in vars(module).items() if isinstance(value, App)}
    if name is None and len({id(app) for app in apps.values()}) == 1:
        return next(iter(apps.values()))
    app = apps.get(name or "app")
    if app is None:
        known = f"It has: {', '.join(sorted(apps))}." if apps else "It makes no haulier.App."
        raise UsageError(f"{source} has no app named {name or 'app'!r}. {known} Write `app = App(...)` in it.")
    return app


def _based(app: App, folder: Path) -> App:
    app.base = folder
    return app
