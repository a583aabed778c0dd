"""Placeholders: which text is replaced, which stays as it is, and which is a misspelt placeholder."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.api.http.urls import Encoded
from haulier.errors import ItemError
from haulier.sources.templates import (
    PlaceholderError,
    PlaceholderValues,
    check_placeholders,
    fill,
    fill_path,
    fill_query,
    fill_value,
    find_placeholders,
    strings_of,
)

WORDS: PlaceholderValues = {
    "start": 1,
    "end": 5001,
    "value": "{end}/..",
    "snapshot_time": "2026-11-23T22:25:00Z",
    "parent.id": "a b",
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{start}", "1"),
        ("id>={start} and id<{end}", "id>=1 and id<5001"),
        ("/posts/{parent.id}", "/posts/a b"),
        ("{{start}}", "{1}"),
        ("{ start }", "{ start }"),
        ("{}", "{}"),
        ('{"id": {start}}', '{"id": 1}'),
        ("query { items { id } }", "query { items { id } }"),
        ("{other}", "{other}"),
        ("{parent.name}", "{parent.name}"),
    ],
)
def test_placeholders_are_filled_in_and_other_braces_stay(text: str, filled: str) -> None:
    """A placeholder with a value is replaced; every other brace is text."""
    assert fill(text, WORDS) == filled


def test_what_is_put_in_is_not_read_again() -> None:
    """A value that looks like a placeholder stays a value: data cannot reach into a request."""
    assert fill("{value}{start}", WORDS) == "{end}/..1"


@given(st.text().filter(lambda text: text not in ("", ".", "..")))
def test_a_value_stays_in_its_segment(value: str) -> None:
    """Whatever a value holds, the path around it stays as the file wrote it."""
    path = fill_path("/posts/{value}/comments", {"value": value})
    before, inside, after = path.split("/")[1:]
    assert (before, unquote(inside, errors="surrogatepass"), after) == ("posts", value, "comments")
    assert urlsplit("https://api.example.com" + path).query == ""


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_value_that_leads_elsewhere_is_refused(value: str) -> None:
    """What servers take out of a path would turn a request for one thing into one for another."""
    with pytest.raises(ItemError, match="cannot be used in a path"):
        fill_path("/posts/{value}/comments", {"value": value})


def test_placeholders_are_encoded_in_a_value_that_is_encoded_already() -> None:
    """The value of a placeholder cannot end a value that is sent unchanged; any other is encoded later, as a whole."""
    found = fill_query(Encoded("red%2Cgreen,{value}"), {"value": "a,b&c;d%"})
    assert (found, type(found)) == ("red%2Cgreen,a%2Cb%26c%3Bd%25", Encoded)
    assert type(fill_query("{value};", {"value": "&"})) is str


@given(st.integers() | st.text() | st.booleans())
def test_a_placeholder_alone_keeps_its_type_in_json(value: int | str | bool) -> None:
    """A number is sent as a number in a JSON body, and as text in a text."""
    found = fill_value("{value}", {"value": value})
    assert found is value
    assert fill_value("<{value}>", {"value": value}) == f"<{fill('{value}', {'value': value})}>"


@given(st.text(alphabet="{}abcstart. _$"), st.integers())
def test_text_without_placeholders_is_unchanged(text: str, number: int) -> None:
    """Nothing but whole placeholders is ever replaced."""
    assert "{start}" in text or fill(text, {"start": number}) == text


def test_placeholders_are_found_in_every_string() -> None:
    """Placeholders of a JSON body may be in its values, at any depth, and not in its keys."""
    tree = {"{value}": [1, "{start}", {"a": "{end}"}], "b": None, "c": True}
    assert [word for text in strings_of(tree) for word in find_placeholders(text)] == ["start", "end"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{strat}", "{strat} is not a placeholder. Did you mean {start}?"),
        ("{End}", "{End} is not a placeholder. Did you mean {end}?"),
        ("{values}", "{values} is not a placeholder. Did you mean {value}?"),
        ("{snapshot-time}", "{snapshot-time} is not a placeholder. Did you mean {snapshot_time}?"),
        ("{parent}", "{parent} is not a placeholder. Did you mean {parent.FIELD}?"),
        ("{Parent.id}", "{Parent.id} is not a placeholder. Did you mean {parent.FIELD}?"),
        ("{value}", "{value} is not available here. Available: {start}, {end}."),
    ],
)
def test_a_misspelt_placeholder_is_refused(text: str, message: str) -> None:
    """A slip would be sent as it stands and match nothing, or everything: it is refused with what was meant."""
    with pytest.raises(PlaceholderError) as caught:
        check_placeholders(text, ("start", "end"))
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["{id}", "{fields}", "{stats}", "{date}", "{key}", "{name}", "{send}", "{0}"])
def test_other_braces_are_not_taken_for_placeholders(text: str) -> None:
    """Braces that APIs use themselves are text."""
    assert check_placeholders(text, ("start", "end")) == []
