"""Log lines on standard error, JSON or short, and in a file."""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import click
import msgspec

from haulier.errors import UsageError

_OWN = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None)).keys() | {"message", "asctime", "taskName"})
_encoder = msgspec.json.Encoder(enc_hook=str)


class JsonLines(logging.Formatter):
    """One line for each event: time, level, logger, fixed text, and fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        } | fields_of(record)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _encoder.encode(line).decode()


class ShortLines(logging.Formatter):
    """Time of day, level, text and fields, for people."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = " ".join(f"{name}={value}" for name, value in fields_of(record).items())
        line = f"{moment} {record.levelname.lower():7} {record.getMessage()} {fields}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Collect what the event was given besides its text."""
    return {name: value for name, value in vars(record).items() if name not in _OWN}


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to the current ``sys.stderr``: a progress bar replaces it, to put lines above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class FileHandler(logging.Handler):
    """Appends JSON lines. Several processes may share a file: each line is one write at its end."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._descriptor: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        if self._descriptor is None:
            return
        try:
            os.write(self._descriptor, f"{self.format(record)}\n".encode(errors="backslashreplace"))
        except OSError as error:
            self._close()
            problem = f"The log file {self.path} cannot be written: {error.strerror}."
            click.echo(f"{problem} The command goes on without it.", err=True)

    def close(self) -> None:
        self._close()
        super().close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def set_up_logs(*, level: int = logging.INFO, is_for_people: bool = False, file: str | None = None) -> None:
    """Send events of ``level`` to standard error, and those of INFO to a file, if one is named.

    ``is_for_people``: short lines even without a terminal. `UsageError` if the file cannot be written.
    """
    handler: logging.Handler = StderrHandler()
    handler.setFormatter(ShortLines() if is_for_people or sys.stderr.isatty() else JsonLines())
    handler.setLevel(level)
    root = logging.getLogger("haulier")
    for old in root.handlers:
        old.close()
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False
    if file is not None:
        try:
            root.addHandler(FileHandler(Path(file).absolute()))
        except OSError as error:
            raise UsageError(f"The log file {file} cannot be written: {error.strerror}. Name another one.") from error
        root.setLevel(min(level, logging.INFO))


def stderr_level() -> int:
    return next((each.level for each in _handlers() if isinstance(each, StderrHandler)), logging.WARNING)


def log_file() -> Path | None:
    """The file that also gets events."""
    return next((each.path for each in _handlers() if isinstance(each, FileHandler)), None)


def _handlers() -> list[logging.Handler]:
    return logging.getLogger("haulier").handlers
