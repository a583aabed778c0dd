"""What code, tests and pages cite is defined in the project: rules in docs/protocol.md, guarantees in ARCHITECTURE.md.

A rule or a guarantee is cited by its number, any other heading by a link from the root of the project. What stands in
backticks is no citation.
"""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from haulier.runs.records import EntryState
from haulier.runs.state import RunState
from tests.api.wire.test_tables import TABLES
from tests.docs.pages import ROOT, anchor_of, anchors_of, blocks_of, links_of, pages, prose_of

PAGE = ROOT / "docs/protocol.md"
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
HEADINGS = re.findall(r"^##+ (.+)$", prose_of(PAGE), re.MULTILINE)
RULES = [heading.split()[0] for heading in HEADINGS if re.match(r"[PCWR]\d{1,2} ", heading)]
GUARANTEES = re.findall(r"^\| (G\d) \|", prose_of(ARCHITECTURE), re.MULTILINE)

_NUMBER = re.compile(r"(?<![\w+./#])[PCGRW]\d{1,2}(?![\w`])")
_LINK = re.compile(r"(?<![\w/])(?P<page>(?:docs/[\w/-]+|[A-Z]{4,})\.md)(?:#(?P<anchor>[\w-]+))?")
_ELSEWHERE = re.compile(
    r"\b(?:protocol|design|facts)(?:\.md)?,? (?:section |table )?\d"
    r"|(?<!\d, )\bsections? [1-9]\b(?!\.)"  # Behind the number of an RFC it is a section of that.
    r"|\bhouse-(?:plan|style)\b|\bdesign\.md\b|\b(?:facts|shared)/\w"
    r"|(?<!\d )\([1-9]\.[1-9](?: `[^`]*`)?[,;)]"  # Behind a figure it is another figure.
)
_BARE_SECTION = re.compile(r'r?"""[1-9]\.[1-9](?:[:,] | [`A-Z(])')
_IN_BACKTICKS = re.compile(r"``.*?``|`[^`\n]*`")


@cache
def texts() -> dict[Path, list[str]]:
    """What is written for people: comments and docstrings of the code and its tests, the prose of the pages."""
    found = {
        path: list(_comments_of(path)) for folder in ("src", "tests") for path in sorted((ROOT / folder).rglob("*.py"))
    }
    found |= {path: [prose_of(path)] for path in pages() if path.is_relative_to(ROOT / "docs")}
    return found | {ROOT / name: [prose_of(ROOT / name)] for name in ("ARCHITECTURE.md", "CONTRIBUTING.md")}


def _comments_of(path: Path) -> Iterator[str]:
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            is_text = token.type == tokenize.STRING and token.string.lower().startswith(('"""', 'r"""'))
            if is_text or token.type == tokenize.COMMENT:
                yield token.string


def cited_in(text: str) -> list[str]:
    """The numbers of rules and guarantees that a text cites."""
    return _NUMBER.findall(_IN_BACKTICKS.sub("", text))


def wrong_in(text: str) -> list[str]:
    """What a text cites that is nowhere in the project."""
    wrong = [number for number in cited_in(text) if number not in [*RULES, *GUARANTEES]]
    wrong += [match[0] for pattern in (_ELSEWHERE, _BARE_SECTION) for match in pattern.finditer(text)]
    for match in _LINK.finditer(text):
        page, anchor = ROOT / match["page"], match["anchor"]
        if not page.is_file() or (anchor and anchor not in anchors_of(page)):
            wrong.append(match[0])
    return wrong


def test_every_citation_is_defined() -> None:
    """No rule, guarantee or heading is cited that a reader cannot find in the project."""
    wrong = {
        str(path.relative_to(ROOT)): [one for text in found for one in wrong_in(text)]
        for path, found in texts().items()
    }
    assert not {path: found for path, found in wrong.items() if found}


@pytest.mark.parametrize(
    "text",
    [
        "It is durable (P10).",
        "C0: it never was.",
        "G1, G12: nothing is lost.",
        "See docs/protocol.md#no-such-heading.",
        "See docs/no-such-page.md.",
        "Charging: protocol, section 4.",
        "(design, section 8)",
        "P7 and section 1: whole or absent.",
        "a day at most (3.1)",
        '"""4.1 `500`: asked for again."""',
        '"""3.2: everybody waits."""',
        "facts/api.md",
    ],
)
def test_a_wrong_citation_is_found(text: str) -> None:
    """Each way of citing what is not there."""
    assert wrong_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "P1 to P9, C1-C9 (G1, G9)",
        "RFC 9112 6.3; RFC 9110, section 7.6.1; OData 4.01, part 1, 11.2.6.3",
        "`P10` is a name, 0xC4 and U+G1 are none of ours",
        "1.5 times as much (2.5 s), HTML 4.01, Python 3.14",
        "docs/protocol.md#terms, ARCHITECTURE.md#the-map.",
    ],
)
def test_ordinary_text_is_no_wrong_citation(text: str) -> None:
    """Figures, other people's sections and names are left alone."""
    assert not wrong_in(text)


def test_all_rules_and_guarantees_are_there() -> None:
    """P1 to P9, C1 to C10, W1 to W7, R1 and G1 to G9, each once and in order."""
    counts = {"P": 9, "C": 10, "W": 7, "R": 1}
    assert [f"{letter}{number}" for letter, count in counts.items() for number in range(1, count + 1)] == RULES
    assert [f"G{number}" for number in range(1, 10)] == GUARANTEES


@pytest.mark.parametrize("heading", HEADINGS)
def test_every_heading_is_cited(heading: str) -> None:
    """What nothing outside the page refers to is a rule of nothing."""
    others = {path: found for path, found in texts().items() if path != PAGE}
    if (rule := heading[:2]) in RULES:
        assert any(rule in cited_in(text) for found in others.values() for text in found)
        return
    link = f"{PAGE.name}#{anchor_of(heading)}"
    linked = [target for path in others if path.suffix == ".md" for target in links_of(path)]
    cited = [match[0] for found in others.values() for text in found for match in _LINK.finditer(text)]
    assert any(target.endswith(link) for target in linked + cited), f"nothing cites {link}"


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_every_guarantee_has_tests(guarantee: str) -> None:
    """Each has tests that bear its number."""
    tests = [text for path, found in texts().items() if path.is_relative_to(ROOT / "tests") for text in found]
    assert any(guarantee in cited_in(text) for text in tests)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_names_the_files_that_keep_it(rule: str) -> None:
    """A reader gets from the rule to its code. `test_links` sees that the files exist."""
    section = re.split(r"^##+ ", prose_of(PAGE).partition(f"\n### {rule} ")[2], flags=re.MULTILINE)[0]
    assert re.search(r"Kept\s+by\s+\[[\w/]+\.py\]\(\.\./src/haulier/", section)


def test_the_charts_have_the_states_of_the_program() -> None:
    """Of an item: those of the manifest and what comes before; of a run: those that `status --json` prints."""
    item, run = (_states_of(block.text) for block in blocks_of(PAGE) if block.language == "mermaid")
    assert item == {"planned", "leased", *get_args(EntryState)}
    assert run == {state.value for state in RunState}


def _states_of(chart: str) -> set[str]:
    arrows = re.findall(r"^ +(\S+) --> ([^\s:]+)", chart, re.MULTILINE)
    return {state for arrow in arrows for state in arrow} - {"[*]"}


@pytest.mark.parametrize(("table", "link"), TABLES.items())
def test_every_table_of_what_apis_do_has_its_page(table: str, link: str) -> None:
    """Tests cite these tables by name; users read about each under a heading."""
    page, _, anchor = link.partition("#")
    assert anchor in anchors_of(ROOT / page), table
