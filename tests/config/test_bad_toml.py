"""Text that is not TOML is refused with its line, its column and the usual reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.rig import GOOD, IDS, Mistake, check

MISTAKES: dict[str, Mistake] = {
    "duplicate key": (
        "step = 5000",
        "step = 5000\nstep = 6000",
        (
            "line 16, column 12: this is not TOML: cannot overwrite a value. A key can appear only once in a "
            "table: keep one of the two."
        ),
    ),
    "duplicate table": (
        "[streams.flights]\n",
        "[api]\n[streams.flights]\n",
        (
            "line 7, column 5: this is not TOML: cannot declare [api] twice. A table can appear only once: "
            "write its keys under one heading."
        ),
    ),
    "syntax": (
        'records = "rows"',
        "records = rows",
        'line 9, column 11: this is not TOML: invalid value. Write text in quotes: get = "/items".',
    ),
    "syntax2": (
        'records = "rows"',
        'records = "rows',
        "line 9, column 16: this is not TOML: illegal character '\\n'. Close the quote on the same line.",
    ),
    "syntax3": (
        'records = "rows"',
        "records",
        (
            "line 9, column 8: this is not TOML: expected '=' after a key in a key/value pair. A key and its "
            'value are written key = "value"; a heading as [api].'
        ),
    ),
    "syntax4": (
        "step = 5000",
        "step = [1",
        "the end of the file: this is not TOML: unclosed array. Close the list with a ].",
    ),
    "yaml": (
        GOOD,
        "source: flights\n",
        (
            "line 1, column 7: this is not TOML: expected '=' after a key in a key/value pair. A key and its "
            'value are written key = "value"; a heading as [api].'
        ),
    ),
    "extend": (
        IDS,
        IDS + "\n[streams.flights.pages]\nx = 1",
        (
            "line 17, column 23: this is not TOML: cannot declare [streams.flights.pages] twice. A table can "
            "appear only once: write its keys under one heading."
        ),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_message_names_the_place_and_the_remedy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message of text that is not TOML names line and column, and the usual reason."""
    check(MISTAKES[name], tmp_path, monkeypatch)
