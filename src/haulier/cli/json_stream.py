"""Standard error of which each line is a JSON object (``HAULIER_LOG=json``), whoever writes there."""

from __future__ import annotations

import io
import logging
import sys
import threading
from types import TracebackType

from haulier.cli.logs import JsonLines, is_object

SAID = "said"
"""The event of what is told to people; its field ``text`` has the words."""
HELD_CHARACTERS = 1 << 16
"""A text without an end of line is written in pieces of this size."""
_FAULT = "haulier: "
"""Begins what a command says of its own failure."""


class JsonStream(io.TextIOWrapper):
    """What is written at once becomes one event; a line that is a JSON object already passes as it is."""

    def __init__(self, raw: io.BufferedWriter) -> None:
        super().__init__(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)
        self._held = ""
        self._writing = threading.RLock()

    def isatty(self) -> bool:
        """No bar is drawn, and no line is shortened, on a terminal either."""
        return False

    def write(self, text: str, /) -> int:
        with self._writing:
            if self._held and is_object(text.partition("\n")[0]):
                self.write_held()  # Such as a bar of another package, which has no end of line.
            self._held += text
            if self._held.endswith("\n") or len(self._held) >= HELD_CHARACTERS:
                self.write_held()
        return len(text)

    def write_held(self) -> None:
        """Write what has no end of line, too."""
        with self._writing:
            text, self._held = self._held, ""
            said: list[str] = []
            for line in text.split("\n"):
                if is_object(line):
                    self._say(said)
                    super().write(line + "\n")
                else:
                    said.append(line)
            self._say(said)

    def _say(self, lines: list[str]) -> None:
        text = "\n".join(lines).strip("\n")
        lines.clear()
        if text.strip():
            super().write(line_of(text) + "\n")


def line_of(text: str) -> str:
    """The line of what is told to people."""
    is_fault = text.startswith((_FAULT, "Error: "))
    record = logging.makeLogRecord(
        {"name": "haulier.cli", "levelname": "ERROR" if is_fault else "INFO", "msg": SAID, "text": text}
    )
    return JsonLines().format(record)


def log_faults() -> None:
    """Let an exception that ends the process, or a thread, be one line."""

    def log(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        record = logging.makeLogRecord(
            {"name": "haulier.cli", "levelname": "CRITICAL", "msg": "haulier failed", "exc_info": (kind, error, trace)}
        )
        sys.stderr.write(JsonLines().format(record) + "\n")

    def log_of_thread(fault: threading.ExceptHookArgs) -> None:
        if fault.exc_value is not None and not isinstance(fault.exc_value, SystemExit):
            log(fault.exc_type, fault.exc_value, fault.exc_traceback)

    sys.excepthook = log
    threading.excepthook = log_of_thread
