"""The README's first screen: one sentence, two commands with what they show, a short example."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib.metadata import metadata

from haulier.app.source_loader import load_app
from haulier.lake.paths import RunPaths
from haulier.runs.run import run_id_of
from haulier.testing.flights import FLIGHTS, TOTAL_DISTANCE_MILES, WEATHER
from tests.docs.pages import ROOT, blocks_of
from tests.docs.test_running_page import said_by_the_program

PAGE = ROOT / "README.md"
TEXT = PAGE.read_text(encoding="utf-8")
MOST_LINES = 15
SCREEN_LINES = 60


def test_it_begins_with_the_one_sentence() -> None:
    """The same that the package and `haulier --help` describe themselves with."""
    sentence = metadata("haulier")["Summary"]
    bold = TEXT.splitlines()[2]
    assert bold == f"**haulier {sentence[:1].lower()}{sentence[1:]}**"


def test_the_two_commands_and_the_example_stand_on_the_first_screen() -> None:
    """Whoever opens the page sees what it does without reading on."""
    first, output, example = [*blocks_of(PAGE)][:3]
    assert [words[1] for words in first.commands] == ["demo", "test"]
    assert (output.language, example.language) == ("text", "toml")
    assert example.line + example.text.count("\n") <= SCREEN_LINES
    assert len([line for line in example.text.splitlines() if line]) <= MOST_LINES


def test_it_says_what_comes_out_and_where() -> None:
    """The path on the page is the one that the page's own source and the demo's run give."""
    (found,) = re.findall(r"`lake/(\S+\.ndjson\.gz)`", TEXT)
    name, at = "flights", datetime(2026, 11, 24, 20, 40, 13, tzinfo=UTC)
    app = load_app(str(ROOT / "examples" / "flights.toml"), {})
    (kind,) = {item.kind for item in app.registry if item.stream == name and item.kind.endswith("_ids")}
    key = f"{kind}-1-5001"
    assert found == RunPaths(app.name, run_id_of("full", at), "full", at).object(name, key)
    assert "pip install ." in TEXT


def test_nothing_tells_people_to_install_what_is_on_no_index() -> None:
    """Whoever typed it would get nothing, or somebody else's package of that name."""
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/**/*.py")]
    assert not [file for file in files if re.search(r"pip install .?haulier", file.read_text(encoding="utf-8"))]


def test_it_promises_nothing() -> None:
    """What is not there yet stands on no page that people decide by."""
    assert not re.search(r"(?i)\b(coming soon|so far|next version|later version)", TEXT)


def test_the_demo_says_what_the_page_shows() -> None:
    """Every line of the output has the program's own words and the data's own totals."""
    output = [*blocks_of(PAGE)][1].text
    said = " ".join(" ".join(said_by_the_program()).split())
    for line in output.splitlines():
        for piece in re.split(r"[0-9][0-9,.]*|\b\S*-[0-9]+T[0-9]+Z|[:;,]|\$ haulier|flights\.toml", line):
            words = piece.strip().removesuffix(".")
            assert len(words) < 8 or words in said, f"the demo does not say {words!r}"
    for total in (FLIGHTS, TOTAL_DISTANCE_MILES, WEATHER):
        assert f"{total:,}" in output
