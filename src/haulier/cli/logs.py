"""Log lines on standard error, JSON or short, and in a file. A JSON line names things as spans and metrics do."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import click
import msgspec

from haulier.api.scope.current_run import current_run
from haulier.cli.standard_streams import LOG_VARIABLE
from haulier.errors import UsageError
from haulier.telemetry.current_span import current_span
from haulier.telemetry.log_names import attribute_of

_OWN = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None)).keys() | {"message", "asctime", "taskName"})
_SHORT_LINE = re.compile(r"\d\d:\d\d:\d\d (debug|info|warning|error|critical) ")
_encoder = msgspec.json.Encoder(enc_hook=str)


class JsonLines(logging.Formatter):
    """One line for each event: time, level, logger, fixed text, source and run, and fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {"source": _about.source, "run_id": current_run() or _about.run_id} | fields_of(record)
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        } | {attribute_of(name): value for name, value in fields.items() if value != ""}
        line |= current_span()
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _text_of(line)


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


@dataclass
class _About:
    """What the lines of this process are about, where they say nothing else."""

    source: str = ""
    run_id: str = ""


_about = _About()


def note_source_of_lines(source: str) -> None:
    """Let each JSON line bear the source, from now on."""
    _about.source = source


def note_run_of_lines(run_id: str) -> None:
    """Let each JSON line that is of no other run bear this one, from now on."""
    _about.run_id = run_id


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


def set_up_logs(
    *, level: int = logging.INFO, is_for_people: bool = False, is_on_terminal: bool = False, file: str | None = None
) -> None:
    """Send events of ``level`` to standard error, and those of INFO to a file, if one is named.

    ``is_for_people``: short lines even without a terminal. ``is_on_terminal``: a parent shows them on one. `UsageError`
    if the file cannot be written, and for a ``HAULIER_LOG`` that is neither ``json`` nor ``text``; one of these two
    decides before anything else does.
    """
    is_on_terminal = is_on_terminal or sys.stderr.isatty()
    form = log_form() or ("text" if is_for_people or is_on_terminal else "json")
    handler: logging.Handler = StderrHandler()
    handler.setFormatter(ShortLines() if form == "text" else JsonLines())
    handler.setLevel(level)
    if is_on_terminal:  # The closing words say the same.
        handler.addFilter(lambda record: record.name != "haulier.verdict")
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


def log_form() -> str:
    """``HAULIER_LOG``: ``json``, ``text``, or empty."""
    form = os.environ.get(LOG_VARIABLE, "")
    if form not in ("", "json", "text"):
        raise UsageError(f"The variable {LOG_VARIABLE} has to be json or text, found {form!r}.")
    return form


def stderr_level() -> int:
    return next((each.level for each in _handlers() if isinstance(each, StderrHandler)), logging.WARNING)


def is_log_line(line: str) -> bool:
    """Whether a process of ours logged it, in either form: it is none of the words in which a command ends."""
    return is_object(line) or _SHORT_LINE.match(line) is not None


def is_object(line: str) -> bool:
    """Whether it is a JSON object."""
    if not line.startswith("{"):
        return False
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False


def log_file() -> Path | None:
    """The file that also gets events."""
    return next((each.path for each in _handlers() if isinstance(each, FileHandler)), None)


def _text_of(line: dict[str, Any]) -> str:
    try:
        return _encoder.encode(line).decode()
    except UnicodeEncodeError:  # A name of a file that is no UTF-8: Python has half characters in its place.
        return json.dumps(line, default=str, separators=(",", ":"))


def _handlers() -> list[logging.Handler]:
    return logging.getLogger("haulier").handlers
