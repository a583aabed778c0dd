"""Variables of the environment in a source file: filled in anywhere, shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.api.identity.auth import Bearer, Secret
from haulier.config.environment import fill_variables
from haulier.config.place import Place, SourceText
from haulier.config.source_file import SourceSettings, load_source
from haulier.errors import SourceFileError

SOURCE = """
source = "${NAME:-flights}"
lake = "${LAKE}"

[api]
url = "https://${HOST:-api.example.com}/v1"
auth = { bearer = "${TOKEN}" }
in_flight = "${IN_FLIGHT:-12}"
headers = { X-Key = "${KEY:-none}" }

[streams.flights]
post = "/${TABLE:-flights}"
json = { deep = [{ filter = "${FILTER:-all}" }] }
query = { size = "${SIZE:-1000}" }
records = "rows"
pages = { cursor = "next", query = "_next" }

[streams.flights.full.windows]
query = { since = "{start}", until = "{end}" }
start = "${SINCE:-2013-01-01}"
step = "${STEP:-1d}"
"""


def load(folder: Path, environ: dict[str, str], text: str = SOURCE) -> SourceSettings:
    file = folder / "flights.toml"
    file.write_text(text)
    return load_source(file, environ)


def test_a_variable_may_stand_in_any_string(tmp_path: Path) -> None:
    """Text, numbers, durations, times, headers, queries, paths and bodies may come from the environment."""
    environ = {
        "NAME": "delays",
        "LAKE": "/data/lake",
        "HOST": "other.example.com",
        "IN_FLIGHT": "3",
        "KEY": "k",
        "TABLE": "late",
        "FILTER": "some",
        "SIZE": "7",
        "SINCE": "2014-01-01T00:00:00+01:00",
        "STEP": "6h",
    }
    source = load(tmp_path, environ)
    stream = source.streams[0]
    assert (source.name, source.lake) == ("delays", "/data/lake")
    assert (source.api.url, source.api.in_flight) == ("https://other.example.com/v1", 3)
    assert source.api.headers == (("X-Key", "k"),)
    assert (stream.path, stream.query, stream.json) == ("/late", (("size", "7"),), {"deep": [{"filter": "some"}]})
    assert stream.full is not None
    assert f"{stream.full.start.isoformat()} {stream.full.step}" == "2013-12-31T23:00:00+00:00 6:00:00"  # type: ignore[union-attr]


def test_a_default_serves_where_a_variable_is_not_set_or_empty(tmp_path: Path) -> None:
    """`${NAME:-default}` is the default for a variable that is missing or empty, as in a shell."""
    assert load(tmp_path, {"LAKE": "l"}).api.url == "https://api.example.com/v1"
    assert load(tmp_path, {"LAKE": "l", "HOST": ""}).api.url == "https://api.example.com/v1"


def test_a_missing_variable_is_one_error_with_file_and_key(tmp_path: Path) -> None:
    """What is not set is told with its name, the file and the key."""
    with pytest.raises(SourceFileError) as caught:
        load(tmp_path, {})
    assert str(caught.value) == (
        f"{tmp_path}/flights.toml: lake: the environment variable LAKE is not set. "
        "Set it, or write a default: ${LAKE:-default}."
    )


def test_a_credential_is_read_when_the_api_is_opened(tmp_path: Path) -> None:
    """What does not ask the API works without its credentials; what does says what is missing, and where (G7)."""
    auth = load(tmp_path, {"LAKE": "l"}).api.auth
    assert isinstance(auth, Bearer)
    assert isinstance(auth.token, Secret)
    with pytest.raises(
        SourceFileError,
        match=r"flights\.toml: api\.auth\.bearer: the environment variable TOKEN is not set\. Set it\.$",
    ):
        auth.token.reveal()
    auth = load(tmp_path, {"LAKE": "l", "TOKEN": "canary"}).api.auth
    assert isinstance(auth, Bearer)
    assert isinstance(auth.token, Secret)
    assert auth.token.reveal() == "canary"


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    """No value from the environment stands in the settings' repr or in an error; the redactor is told of them (G7)."""
    environ = {"LAKE": "l", "TOKEN": "canary-token", "KEY": "canary-key", "FILTER": "canary-filter"}
    source = load(tmp_path, environ)
    assert "canary-token" not in repr(source)
    assert "canary-key" not in repr(source)
    assert source.secrets == ("canary-key", "canary-filter")
    for bad in (
        SOURCE.replace('in_flight = "${IN_FLIGHT:-12}"', 'in_flight = "${TOKEN}"'),
        SOURCE.replace('"${STEP:-1d}"', '"${TOKEN}"'),
        SOURCE.replace('"${SINCE:-2013-01-01}"', '"${TOKEN}"'),
        SOURCE.replace('"${NAME:-flights}"', '"Canary ${TOKEN}"'),
        SOURCE.replace('records = "rows"', 'records = "${TOKEN}..x"'),
        SOURCE.replace('pages = { cursor = "next", query = "_next" }', 'pages = "${TOKEN}"'),
        SOURCE.replace('post = "/${TABLE:-flights}"', 'post = "https://${TOKEN}/x"'),
        SOURCE.replace('post = "/${TABLE:-flights}"', 'post = "${TOKEN}"'),
        SOURCE.replace('"https://${HOST:-api.example.com}/v1"', '"${TOKEN}"'),
        SOURCE.replace('"https://${HOST:-api.example.com}/v1"', '"https://me:${TOKEN}@api.example.com"'),
        SOURCE.replace('{ bearer = "${TOKEN}" }', '"canary-token"'),
        SOURCE.replace('{ X-Key = "${KEY:-none}" }', '{ X-Key = "a\\n${TOKEN}" }'),
    ):
        assert bad != SOURCE
        with pytest.raises(SourceFileError) as caught:
            load(tmp_path, environ, bad)
        assert "canary" not in str(caught.value), bad


PLACE = Place(SourceText("flights.toml", {"A": "1", "LONG": "0123456789ab", "WORD": "0123456789a"}), "api.url")


@given(st.text(alphabet="ab${}A:-"))
def test_text_without_a_reference_is_unchanged(text: str) -> None:
    """Dollars and braces that are no reference stay as they are."""
    if "${" not in text:
        assert fill_variables(text, PLACE) == text


@given(st.text())
def test_the_doubled_sign_stands_for_itself(text: str) -> None:
    """`$${` is the way to write `${`: any text can be written."""
    written = text.replace("${", "$${")
    if "$$${" not in written:
        assert fill_variables(written, PLACE) == text


@given(st.text(), st.text(alphabet=st.characters(exclude_characters="{}$")))
def test_a_value_is_put_in_as_it_is(value: str, default: str) -> None:
    """What a variable holds is not read again; a default is taken word for word."""
    place = Place(SourceText("flights.toml", {"A": value}), "api.url")
    assert fill_variables("<${A}>", place) == f"<{value}>"
    assert fill_variables(f"<${{B:-{default}}}>", place) == f"<{default}>"


def test_long_values_are_taken_for_secrets() -> None:
    """Where a value may be a key or a word, its length decides; nobody masks a year."""
    fill_variables("${WORD} ${LONG}", PLACE)
    assert PLACE.source.secrets == ["0123456789ab"]
