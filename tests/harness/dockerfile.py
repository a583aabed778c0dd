"""What a Dockerfile says, done without Docker: each instruction in order, with the image's paths below a folder.

There is no engine where tests run. All stages are built at one path, so that what they hold (a venv knows where it
stands) is right there when a later stage copies it back. `FROM` takes the Python at hand, of the version asked for.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

RUN_SECONDS = 240.0


class DockerfileError(Exception):
    """It says what this cannot do, or what it says failed."""


@dataclass
class Image:
    """What a stage comes to, and how it is started."""

    root: Path
    """Where its ``/`` is."""
    environ: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "0"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    owned: list[tuple[str, str]] = field(default_factory=list)
    """Paths that were copied with an owner."""

    def path(self, inside: str) -> Path:
        """Where a path of the image is here. A relative one starts at ``WORKDIR``."""
        return self.root / os.path.normpath(os.path.join(self.folder, inside)).lstrip("/")


@dataclass
class DockerfileRunner:
    """Runs the instructions of one file. `find_python` finds an interpreter by its version."""

    text: str
    context: Path
    folder: Path
    """Is filled; it must not exist yet."""
    find_python: Callable[[str], Path]
    ignored: Callable[[str], bool] = lambda path: False

    _arguments: dict[str, str] = field(default_factory=dict, init=False)
    _stages: dict[str, Path] = field(default_factory=dict, init=False)
    _image: Image | None = field(default=None, init=False)
    _name: str = field(default="", init=False)
    _python: Path | None = field(default=None, init=False)
    _tops: set[str] = field(default_factory=set, init=False)
    """First parts of the paths that the file itself makes; only these lie below the folder."""

    def run(self) -> Image:
        """Raises `DockerfileError` for an instruction that is unknown here, and for a step that fails."""
        steps = [*instructions(self.text)]
        self._tops = {top for name, words in steps for top in _tops_of(name, words)}
        for name, words in steps:
            step = getattr(self, f"_do_{name.lower()}", None)
            if step is None:
                raise DockerfileError(f"{name} is not known here: teach it to {__name__}, or do without it.")
            step(words)
        return self._stage

    @property
    def root(self) -> Path:
        """One path for all stages."""
        return self.folder / "image"

    @property
    def _stage(self) -> Image:
        if self._image is None:
            raise DockerfileError("The first instruction but ARG is FROM.")
        return self._image

    def _do_arg(self, words: str) -> None:
        name, _, value = words.partition("=")
        self._arguments[name] = value.strip('"')

    def _do_from(self, words: str) -> None:
        base, _, name = self._filled(words).partition(" AS ")
        found = re.fullmatch(r"python:(\d+\.\d+)-slim", base)
        if found is None:
            raise DockerfileError(f"{base} is no base that is known here.")
        if self._image is not None:
            kept = self.folder / f"stage-{len(self._stages)}"
            self.root.rename(kept)
            self._stages[self._name] = kept
        python = self.folder / "base" / "bin" / "python"
        if self._python is None:
            python.parent.mkdir(parents=True)
            python.symlink_to(self.find_python(found[1]))
        self._python = python
        self._name, self._image = name, Image(self.root)
        self.root.mkdir(parents=True)

    def _do_env(self, words: str) -> None:
        for word in shlex.split(words):
            name, _, value = word.partition("=")
            self._stage.environ[name] = self._filled(value)

    def _do_workdir(self, words: str) -> None:
        self._stage.folder = self._filled(words)
        self._stage.path(".").mkdir(parents=True, exist_ok=True)

    def _do_copy(self, words: str) -> None:
        flags = [word for word in words.split() if word.startswith("--")]
        *sources, target = (word for word in words.split() if not word.startswith("--"))
        origin, owner = self.context, ""
        for flag in flags:
            match flag.removeprefix("--").split("=", 1):
                case ["from", stage]:
                    origin = self._stages[stage]
                case ["chown", who]:
                    owner = who
                case _:
                    raise DockerfileError(f"COPY {flag} is not known here.")
        for source in sources:
            self._copy(origin, source, self._stage.path(target), is_folder=target.endswith("/"))
        if owner:
            self._stage.owned.append((target, owner))

    def _copy(self, origin: Path, source: str, target: Path, *, is_folder: bool) -> None:
        found = origin / source.lstrip("/")
        if origin == self.context and self.ignored(source):
            raise DockerfileError(f"{source} is left out by .dockerignore.")
        if not found.exists():
            raise DockerfileError(f"There is no {source} to copy.")
        if found.is_dir():
            leave = shutil.ignore_patterns("__pycache__", "*.pyc") if origin == self.context else None
            shutil.copytree(found, target, symlinks=True, ignore=leave, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(found, target / found.name if is_folder else target)

    def _do_run(self, words: str) -> None:
        if words.startswith("--"):
            raise DockerfileError(f"RUN {words.split()[0]} is not known here.")
        done = subprocess.run(
            ["/bin/sh", "-c", self._here(words)],
            cwd=self._stage.path("."),
            env=self._environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        if done.returncode:
            raise DockerfileError(f"{words}\nended with exit code {done.returncode}:\n{done.stdout}")

    def _do_user(self, words: str) -> None:
        self._stage.user = words

    def _do_entrypoint(self, words: str) -> None:
        self._stage.entrypoint = _exec_form("ENTRYPOINT", words)

    def _do_cmd(self, words: str) -> None:
        self._stage.command = _exec_form("CMD", words)

    def _environ(self) -> dict[str, str]:
        """That of the builder: what names the index here is a matter of the machine, as of a Docker host."""
        machine = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "UV_", "SSL_"))}
        return machine | self._arguments | self.environ_here(self._stage)

    def environ_here(self, image: Image) -> dict[str, str]:
        """The variables of an image, with its paths as they are here."""
        assert self._python is not None
        own = {name: self._here(value) for name, value in image.environ.items()}
        base = f"{self._python.parent}:/usr/bin:/bin"
        return own | {"PATH": own.get("PATH", "$PATH").replace("$PATH", base)}

    def _filled(self, text: str) -> str:
        """With ``${NAME}`` replaced by arguments; the path of the base is known when something is started."""
        return re.sub(r"\$\{([A-Z_]+)\}", lambda name: self._arguments[name[1]], text)

    def _here(self, text: str) -> str:
        """With absolute paths that the file makes below the folder."""
        tops = "|".join(map(re.escape, sorted(self._tops)))
        return re.sub(rf"(?<![\w./-])/({tops})(?=[/:\s\"']|$)", lambda found: f"{self.root}{found[0]}", text)


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each with its words on one line, without comments."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    for line in joined.splitlines():
        name, _, words = line.partition(" ")
        yield name, " ".join(words.split()) if name != "RUN" else words.strip()


def _tops_of(name: str, words: str) -> Iterator[str]:
    if name == "WORKDIR":
        yield words.split("/")[1]
    elif name == "COPY":
        yield from (word.split("/")[1] for word in words.split() if word.startswith("/"))


def _exec_form(name: str, words: str) -> tuple[str, ...]:
    """Raises `DockerfileError` for the form with a shell, which keeps signals from the program."""
    try:
        found = json.loads(words)
    except json.JSONDecodeError as error:
        raise DockerfileError(f"{name} {words} starts a shell, which takes the signals.") from error
    return tuple(found)


def unprivileged(user: str, command: Sequence[str]) -> tuple[str, ...]:
    """The command as that user of numbers, where this process may choose one."""
    number, _, group = user.partition(":")
    if os.geteuid() != 0 or (setpriv := shutil.which("setpriv")) is None:
        return tuple(command)
    who = (f"--reuid={number}", f"--regid={group or number}", "--clear-groups")
    return (setpriv, *who, "--no-new-privs", "--bounding-set=-all", *command)


def dockerignore(text: str) -> Callable[[str], bool]:
    """Whether a name at the top is left out, for a file that leaves out all (``*``) but some (``!name``)."""
    kept = {line[1:] for line in text.splitlines() if line.startswith("!")}
    return lambda path: path.split("/")[0] not in kept


def owners(image: Image) -> Mapping[Path, tuple[int, int]]:
    """Owners of what was copied with one."""
    return {
        image.root / path.lstrip("/"): (int(who.split(":")[0]), int(who.split(":")[-1])) for path, who in image.owned
    }
