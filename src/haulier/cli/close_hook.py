"""``on_close``: a command of the person's that is called with the verdict when a run is closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import shutil
import signal
import tempfile
from asyncio.subprocess import Process
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from haulier.app.app import App
from haulier.app.open_source import LiveSource, OpenSource
from haulier.cli.failures import read_failures
from haulier.cli.output import document_text
from haulier.cli.report import verdict_document
from haulier.errors import UsageError
from haulier.runs.records import ToldRecord, VerdictRecord
from haulier.runs.run import Run

HOOK_VARIABLE = "HAULIER_ON_CLOSE"
LIMIT_SECONDS = 60.0
"""A mail takes seconds. A job that takes longer is to be started by the command, and not waited for."""
KEPT_BYTES = 4_096
LINE_CHARACTERS = 300

logger = logging.getLogger("haulier.on_close")


@dataclass(frozen=True)
class CloseHook:
    typed: tuple[str, ...] = ()
    """The words of ``--on-close`` or `HOOK_VARIABLE`, which take the place of the source's ``on_close``."""
    is_typed: bool = True
    """A variable is no more typed than what stands in the source, and child processes have it too."""

    @classmethod
    def of_variable(cls) -> CloseHook:
        """What the environment says; without that, what the source says."""
        return cls.of_text(os.environ.get(HOOK_VARIABLE) or None, HOOK_VARIABLE)

    @classmethod
    def of_text(cls, text: str | None, name: str = "--on-close") -> CloseHook:
        """Raises `UsageError`, which says the ``name``, for a command line that cannot be divided into words."""
        if text is None:
            return cls()
        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            raise UsageError(f"{name}: {text!r} is no command line: {error}.") from error
        if not words or not words[0]:
            raise UsageError(f"{name}: there is no command. Write, for example: './alert.sh nightly'.")
        return cls(words, name != HOOK_VARIABLE)

    @property
    def limit_seconds(self) -> float:
        return LIMIT_SECONDS

    @property
    def flags(self) -> list[str]:
        """For a child process, and for a person who goes on."""
        return ["--on-close", shlex.join(self.typed)] if self.typed and self.is_typed else []

    def is_set(self, app: App) -> bool:
        return bool(self.typed or app.on_close)

    @property
    def hears_trials(self) -> bool:
        """What stands in the source may start the next job, which takes a complete run for a snapshot."""
        return bool(self.typed) and self.is_typed

    async def call(self, source: OpenSource, run: Run, verdict: VerdictRecord) -> ToldRecord:
        """Run the command without a shell, and wait for it; its failure is said and changes nothing."""
        folder = Path.cwd() if self.typed else source.app.base
        words = found_words(self.typed or source.app.on_close, folder)
        document = verdict_document(source, run, verdict, await read_failures(source, run.run_id))
        environ = {"HAULIER_RUN_ID": run.run_id, "HAULIER_STATE": verdict.verdict}
        try:
            exit_code, problem, said = await _run(words, folder, environ, document_text(document).encode())
        except OSError as error:
            exit_code, problem, said = None, f"what it reads and says has no place on this machine: {error}", ""
        said, problem = _redacted(source, said), _redacted(source, problem)
        record = ToldRecord(
            by=source.name, ended_at=source.clock.now(), exit_code=exit_code, problem=problem, said=said
        )
        fields: dict[str, object] = {"run_id": run.run_id, "state": verdict.verdict, "command": Path(words[0]).name}
        fields |= {"problem": problem} if problem else {"exit_code": exit_code}
        fields |= {"last_line": said} if said else {}
        if exit_code == 0:
            logger.info("on_close was called", extra=fields)
        else:
            logger.warning("on_close failed; the run stays as it is", extra=fields)
        return record


async def _run(
    words: tuple[str, ...], folder: Path, environ: dict[str, str], document: bytes
) -> tuple[int | None, str, str]:
    """Exit code (None without one), what went wrong, and the last line of the output."""
    # Files and not pipes: a command need not read, and what it leaves running in the background keeps its output.
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as output:
        told.write(document)
        told.seek(0)
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=told,
                stdout=output,
                stderr=output,
                cwd=folder,
                env=os.environ | environ,
                start_new_session=True,  # Ctrl-C is ours.
            )
        except PermissionError:
            return None, f"it cannot be started: {words[0]} is not executable (chmod +x)", ""
        except FileNotFoundError:
            return None, f"it cannot be started: there is no {words[0]} on the PATH or in {folder}", ""
        except (OSError, ValueError) as error:
            return None, f"it cannot be started: {error}", ""
        problem = ""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                await process.wait()
        except TimeoutError:
            await _kill(process)
            problem = f"it did not end within {LIMIT_SECONDS:g} s, and was ended"
        except BaseException:
            await _kill(process)
            raise
        return (None if problem else process.returncode), problem, await asyncio.to_thread(_last_line, output)


async def _kill(process: Process) -> None:
    """Its children too."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _last_line(output: BinaryIO) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - KEPT_BYTES))
    lines = output.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def found_words(words: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """A program that is not on the path may lie in the folder, without ``./`` before it."""
    program = words[0]
    is_beside = "/" not in program and shutil.which(program) is None and (folder / program).is_file()
    return (str(folder / program), *words[1:]) if is_beside else words


def _redacted(source: OpenSource, text: str) -> str:
    from haulier.api.http.redactor import Redactor

    redactor = source.client.redactor if isinstance(source, LiveSource) else Redactor()
    for secret in source.app.secrets:
        redactor.add(secret)
    return redactor.excerpt(text.encode(), LINE_CHARACTERS)
