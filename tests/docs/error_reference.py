"""docs/errors.md, made from the classes of errors and the words of records, where the texts stand.

`python -m tests.docs.error_reference` writes it anew, from the top folder of the checkout.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import haulier.azure.errors as azure_errors
from haulier.api.errors import Action, ApiError, Fault, Shape
from haulier.azure.account import AzureAccount
from haulier.azure.errors import AzurePlace, refusal
from haulier.azure.fault import AzureFault
from haulier.cli.exit_codes import exit_code_of
from haulier.cli.main import EPILOG
from haulier.errors import HaulierError
from haulier.runs.reasons import POISON_REASONS, VERDICT_REASONS, Meaning
from tests.docs.pages import ROOT
from tests.docs.public_members import docs_of

PAGE: Final = ROOT / "docs/errors.md"
REFRESH: Final = "Run: python -m tests.docs.error_reference"

_HEAD: Final = """# Errors, and what to do about each

Every text that haulier prints says what is wrong, where, and what to do. This page is for looking up a word in a log, a
record or a script. It is made of the code, by `python -m tests.docs.error_reference`. What to do at night, by what is
seen: [At 3 a.m.](running.md#at-3-am).

- [Exit codes](#exit-codes)
- [Errors that a person meets](#errors-that-a-person-meets)
- [What is done about an answer](#what-is-done-about-an-answer)
- [No answer](#no-answer)
- [Answers of another shape](#answers-of-another-shape)
- [Reasons of poison](#reasons-of-poison)
- [Reasons of a partial run](#reasons-of-a-partial-run)
- [Refusals of Azure](#refusals-of-azure)
- [Errors that stay inside](#errors-that-stay-inside)
"""
_TO_DO: Final = "To do: "
_ACCOUNT: Final = AzureAccount(
    "ACCOUNT",
    "https://ACCOUNT.blob.core.windows.net",
    "https://ACCOUNT.queue.core.windows.net",
    setting="AZURE_STORAGE_KEY",
)


def page() -> str:
    """All of it, as the code has it now."""
    people, inside = [], []
    for error in errors():
        when, remedy = texts_of(error)
        if remedy:
            people.append((_path(error), when, remedy, _exit_code(error)))
        else:
            inside.append((_path(error), when))
    parts = [
        _HEAD,
        "## Exit codes\n",
        "[Which command answers for what](running.md#exit-codes).\n",
        _table(("code", "means"), sorted(exit_codes().items())),
        "## Errors that a person meets\n",
        "The last name stands in records of poison (`error_class`) and in tracebacks; before it, what it is one of.\n",
        _table(("error", "when", "what to do", "exit code"), people),
        "## What is done about an answer\n",
        "The `action` of rules, and of an `ApiError`. The exit code is that of a command which cannot go on for it; a\n"
        "wrong [shape](#answers-of-another-shape) makes it 2.\n",
        _table(("action", "what is done", "exit code"), _actions()),
        "## No answer\n",
        _table(("fault", "when"), _words(Fault)),
        "## Answers of another shape\n",
        _table(("shape", "when", "what to do"), _shapes()),
        "## Reasons of poison\n",
        "In the records of poison and in `haulier poison list`. [How an item comes there](running.md#poison).\n",
        _table(("reason", "when", "what to do"), _meanings(POISON_REASONS)),
        "## Reasons of a partial run\n",
        "In the verdict, and in `reasons` of `--json`.\n",
        _table(("reason", "when", "what to do"), _meanings(VERDICT_REASONS)),
        "## Refusals of Azure\n",
        "What haulier says for a code of the service, where it comes with an identity; else it speaks of key or SAS.\n"
        "Other answers are waited out: they may pass by themselves. [The rights](azure.md#rights).\n",
        _table(("code", "what haulier says"), _of_azure()),
        "## Errors that stay inside\n",
        "They pass between parts of haulier, which act on them. In a log they need nothing done.\n",
        _table(("error", "when"), inside),
    ]
    return "\n".join(parts)


def errors() -> list[type[HaulierError]]:
    """Every class, each below its parent, in the order of the code."""
    for path in sorted((ROOT / "src/haulier").rglob("*.py")):
        name = path.relative_to(ROOT / "src").with_suffix("").as_posix().replace("/", ".")
        if "testing" not in path.parts and re.search(r"^class \w+Error\(", path.read_text(encoding="utf-8"), re.M):
            importlib.import_module(name)

    def below(error: type[HaulierError]) -> Iterator[type[HaulierError]]:
        yield error
        for child in sorted(error.__subclasses__(), key=lambda each: each.__name__):
            if child.__module__.startswith("haulier.") and ".testing" not in child.__module__:
                yield from below(child)

    return list(below(HaulierError))[1:]


def texts_of(error: type[HaulierError]) -> tuple[str, str]:
    """When it is raised, and what a person does; that is empty where no person meets it."""
    when, _, remedy = " ".join((inspect.getdoc(error) or "").split()).partition(_TO_DO)
    return re.sub(r" Exit code \d\.", "", when).strip(), remedy[:1].upper() + remedy[1:]


def exit_codes() -> dict[str, str]:
    """As `haulier --help` has them."""
    found = re.findall(r"(\d) (.+?)(?=, \d |\.$)", " ".join(EPILOG.split()))
    return dict(found)


def _path(error: type[HaulierError]) -> str:
    (parent,) = error.__bases__
    return ("" if parent is HaulierError else f"{_path(parent)}: ") + _code(error.__name__)


def exit_code_of_class(error: type[HaulierError]) -> int:
    return exit_code_of(error.__new__(error))


def _exit_code(error: type[HaulierError]) -> str:
    if issubclass(error, ApiError):
        return "by its action"
    return str(exit_code_of_class(error))


def _actions() -> Iterator[tuple[str, ...]]:
    docs = docs_of(Action)
    for action in Action:
        is_failure = action not in (Action.OK, Action.END, Action.ABSENT)
        code = str(exit_code_of(ApiError("", action=action))) if is_failure else ""
        does = re.sub(rf"\b({'|'.join(Action.__members__)})\b", lambda name: _code(name[0].lower()), docs[action.name])
        yield _code(action.value), does, code


def _words(words: type[StrEnum]) -> Iterator[tuple[str, ...]]:
    docs = docs_of(words)
    for word in words:
        if word.value:
            yield _code(word.value), docs[word.name]


def _shapes() -> Iterator[tuple[str, ...]]:
    docs = docs_of(Shape)
    for shape in Shape:
        if shape is not Shape.NONE:
            yield _code(shape.value), docs[shape.name], shape.remedy or "What the text says."


def _meanings(reasons: Mapping[str, Meaning]) -> Iterator[tuple[str, ...]]:
    return ((_code(reason), meaning.when, meaning.remedy) for reason, meaning in reasons.items())


def _of_azure() -> Iterator[tuple[str, ...]]:
    """Codes that are said alike share a line."""
    said: dict[str, list[str]] = {}
    for code in azure_codes():
        for status in (403, 404, 400):
            fault = AzureFault(code, status, code)
            found = refusal(fault, AzurePlace(_ACCOUNT, "queue", "NAME"), datetime.now(UTC), has_answered=True)
            if found is not None and (status == 403) == (code not in azure_errors._MISSING | azure_errors._NAMES):
                said.setdefault(str(found), []).append(code)
                break
    return ((", ".join(map(_code, codes)), text) for text, codes in said.items())


def azure_codes() -> list[str]:
    """Those that the code knows, by name."""
    source = inspect.getsource(azure_errors)
    named = set(re.findall(r'fault\.code == "(\w+)"', source)) - {"InvalidHeaderValue"}
    sets = (azure_errors._UNBELIEVED, azure_errors._RIGHTS, azure_errors._MISSING, azure_errors._NAMES)
    return sorted(named.union(*sets))


def _code(word: str) -> str:
    return f"`{word}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(map(_cell, line)) + " |\n" for line in lines)


def _cell(text: str) -> str:
    text = re.sub(r"``(.+?)``", r"`\1`", " ".join(text.split()))
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
