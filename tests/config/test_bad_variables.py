"""Variables of the environment that are missing, or misspelt: the message names the key that refers to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.rig import Mistake, check

MISTAKES: dict[str, Mistake] = {
    "a variable as a header's name": (
        "[api]",
        '[api]\nheaders = { "${X}" = "1" }',
        "api.headers.${X}: a key cannot come from the environment. Use variables in values only.",
    ),
    "a variable as a key": (
        "[api]",
        '[api]\n"${X}" = "1"',
        "api.${X}: a key cannot come from the environment. Use variables in values only.",
    ),
    "a missing variable": (
        "https://api.example.com",
        "https://${HOST}/v1",
        "api.url: the environment variable HOST is not set. Set it, or write a default: ${HOST:-default}.",
    ),
    "a missing variable in a query": (
        "records =",
        'query = { size = "${SIZE}" }\nrecords =',
        (
            "streams.flights.query.size: the environment variable SIZE is not set. Set it, or write a default: "
            "${SIZE:-default}."
        ),
    ),
    "a missing secret in a query": (
        "records =",
        'query = { key = "${K}" }\nrecords =',
        "streams.flights.query.key: the environment variable K is not set. Set it.",
    ),
    "a missing secret in an address": (
        "https://api.example.com",
        "https://api.example.com/${API_TOKEN}",
        "api.url: the environment variable API_TOKEN is not set. Set it.",
    ),
    "a variable's bad name": (
        "https://api.example.com",
        "https://${HO ST}/v1",
        (
            "api.url: '${HO ST}' is not a valid reference to an environment variable. Write ${NAME} or "
            "${NAME:-default}; for the characters ${ themselves, write $${."
        ),
    ),
    "a variable without its brace": (
        "https://api.example.com",
        "https://${HOST/v1",
        (
            "api.url: '${HOST/v1' is not a valid reference to an environment variable. Write ${NAME} or "
            "${NAME:-default}; for the characters ${ themselves, write $${."
        ),
    ),
    "a variable without a name": (
        "https://api.example.com",
        "https://${}/v1",
        (
            "api.url: '${}' is not a valid reference to an environment variable. Write ${NAME} or "
            "${NAME:-default}; for the characters ${ themselves, write $${."
        ),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_message_names_the_place_and_the_remedy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake is told in one line: file, key, what is wrong, what to write instead."""
    check(MISTAKES[name], tmp_path, monkeypatch)
