"""The project's pages as a reader meets them: blocks of code, headings, links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<info>[^`\n]*)\n(?P<text>.*?)^(?P=fence)[ ]*$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^(?:\$ )?(?P<words>(?:haulier|python -m|make) [a-z].*)$")
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *$", re.MULTILINE)
_ENDS = {"|", "&&", ";", "&", ">", ">>", "2>", "<"}
"""What ends a command of ours on a line of a shell."""


@dataclass(frozen=True)
class Block:
    """A block of code between fences. The first word behind the fence is its language, the others are marks."""

    page: Path
    line: int
    language: str
    marks: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[list[str]]:
        """The command lines in it that begin with a program of ours, as words."""
        found = (_COMMAND.match(line) for line in self.text.splitlines())
        return [words_of(match["words"]) for match in found if match]


def pages() -> list[Path]:
    """Every page of the project."""
    folders = (ROOT, ROOT / "docs", ROOT / "docs/apis", ROOT / "benchmarks", ROOT / "examples", ROOT / "findings")
    return [path for folder in folders for path in sorted(folder.glob("*.md"))]


def blocks(*languages: str) -> list[Block]:
    """The blocks of these languages in all pages."""
    return [block for page in pages() for block in blocks_of(page) if block.language in languages]


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        language, *marks = match["info"].split() or [""]
        yield Block(page, text.count("\n", 0, match.start()) + 1, language, tuple(marks), match["text"])


def prose_of(page: Path) -> str:
    """A page without its blocks of code."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links_of(page: Path) -> list[str]:
    return [match["target"] for match in _LINK.finditer(prose_of(page))]


def anchors_of(page: Path) -> set[str]:
    """What a link may name behind a `#`: the headings, as GitHub makes anchors of them."""
    found: set[str] = set()
    for match in _HEADING.finditer(prose_of(page)):
        anchor = anchor_of(match["text"])
        copies = (f"{anchor}-{number}" for number in range(1, 100))
        found.add(anchor if anchor not in found else next(copy for copy in copies if copy not in found))
    return found


def anchor_of(heading: str) -> str:
    """A heading as GitHub makes an anchor of it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def words_of(command: str) -> list[str]:
    """A command line up to what the shell does with it: comments, pipes and redirections are left out."""
    words = shlex.split(command, comments=True)
    end = next((place for place, word in enumerate(words) if word in _ENDS), len(words))
    return words[:end]
