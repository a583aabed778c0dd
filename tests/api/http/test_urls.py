"""Addresses are built so that every character arrives, and links lead to the API's own origin or nowhere."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.api.http.urls import LinkError, join, pairs_of, resolve, with_query
from haulier.errors import UsageError

HOME = "https://api.test/v1"


@pytest.mark.parametrize(
    ("base", "path", "url", "query"),
    [
        (HOME, "/assets", "https://api.test/v1/assets", ()),
        (HOME + "/", "assets", "https://api.test/v1/assets", ()),
        (HOME, "", HOME, ()),
        (HOME, "/", HOME + "/", ()),
        (HOME, "/assets/", "https://api.test/v1/assets/", ()),
        ("https://api.test", "/a", "https://api.test/a", ()),
        (HOME, "/a?x=1&y=a%20b+c&z", "https://api.test/v1/a", (("x", "1"), ("y", "a b c"), ("z", ""))),
        (HOME, "/größe/a b/#1", "https://api.test/v1/gr%C3%B6%C3%9Fe/a%20b/%231", ()),
        (HOME, "/100%/%41", "https://api.test/v1/100%25/%41", ()),
        (HOME, "//evil.test/x", "https://api.test/v1/evil.test/x", ()),
        (HOME, "https://api.test/v2/a?b=c", "https://api.test/v2/a", (("b", "c"),)),
        (HOME, "https://API.test:443/v2", "https://API.test:443/v2", ()),
    ],
)
def test_paths_are_put_behind_the_base(base: str, path: str, url: str, query: tuple[tuple[str, str], ...]) -> None:
    """A path is put behind the base address, whose own path is kept; its query is taken apart."""
    assert join(base, path) == (url, query)


def test_whole_address_of_another_origin_is_refused() -> None:
    """A whole address is taken for the API's own origin alone."""
    with pytest.raises(LinkError, match=r"https://evil\.test"):
        join(HOME, "https://evil.test/v1")


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (17, ["17"]),
        (2**70, ["1180591620717411303424"]),
        (1.5, ["1.5"]),
        (Decimal("1.10"), ["1.10"]),
        (True, ["true"]),
        (False, ["false"]),
        (None, []),
        ("a b", ["a b"]),
        (Colour.RED, ["red"]),
        (date(2026, 1, 2), ["2026-01-02"]),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), ["2026-01-02T03:04:05Z"]),
        (datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))), ["2026-01-02T03:00:00+02:00"]),
        ([1, "b", None, True], ["1", "b", "true"]),
        ((), []),
    ],
)
def test_values_of_a_query(value: Any, texts: list[str]) -> None:
    """Numbers, booleans and times are written as APIs read them; None is left out; a list repeats the name."""
    assert pairs_of({"x": value}) == tuple(("x", text) for text in texts)


@pytest.mark.parametrize(("value", "says"), [(datetime(2026, 1, 2), "no time zone"), ({}, "dict"), (b"x", "bytes")])  # noqa: DTZ001
def test_value_that_no_query_can_hold(value: Any, says: str) -> None:
    """What no query can hold is a mistake of the program, told in words."""
    with pytest.raises(UsageError, match=says):
        pairs_of({"x": value})


@given(
    pairs=st.lists(st.tuples(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8"))))
)
def test_every_character_of_a_query_arrives(pairs: list[tuple[str, str]]) -> None:
    """Names and values of any characters are what the server decodes."""
    url = with_query("https://api.test/a", tuple(pairs))
    assert url.isascii()
    assert parse_qsl(urlsplit(url).query, keep_blank_values=True, separator="&") == pairs


def test_query_comes_behind_the_one_of_an_opaque_address() -> None:
    """An address with a query of its own keeps it as it is."""
    assert with_query("https://api.test/a?b=%2f", (("c", "+"),)) == "https://api.test/a?b=%2f&c=%2B"


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("https://api.test/v1/a?cursor=x%2By&b=c+d", "https://api.test/v1/a?cursor=x%2By&b=c+d"),
        ("https://API.TEST:443/v9", "https://API.TEST:443/v9"),
        ("/v2/next", "https://api.test/v2/next"),
        ("?page=2", "https://api.test/v1/items?page=2"),
        ("more", "https://api.test/v1/more"),
        ("../up", "https://api.test/up"),
        ("//api.test/v1/x", "https://api.test/v1/x"),
        ("  /v1/a  ", "https://api.test/v1/a"),
        ("/v1/a?q=a b|ü#part", "https://api.test/v1/a?q=a%20b|%C3%BC"),
        ("/v1/a?$skiptoken=%27x%27,(1:2)[3]", "https://api.test/v1/a?$skiptoken=%27x%27,(1:2)[3]"),
        ("/v1/a?left=5%&x=%zz", "https://api.test/v1/a?left=5%25&x=%25zz"),
        ("", "https://api.test/v1/items?page=1"),
    ],
)
def test_links_are_kept_as_they_are(link: str, url: str) -> None:
    """A link is opaque: only what may not stand in an address is encoded, and what is encoded stays."""
    assert resolve(link, base="https://api.test/v1/items?page=1", home=HOME) == url


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.test/v1/a",
        "//evil.test/v1/a",
        "//evil.test:443/",
        "http://api.test/v1/a",
        "https://api.test:8443/v1/a",
        "https://api.test.evil.test/",
        "https://api.test@evil.test/",
        "https://user:password@api.test/v1/a",
        "https://api.test:x@evil.test/",
        "https://evil.test\\@api.test/",
        "\\\\evil.test\\a",
        "/\\evil.test/a",
        "https:\\\\evil.test",
        "ht\ntps://evil.test/",
        "/\t/evil.test/",
        "\t//evil.test/",
        "/a\x00b",
        "ftp://api.test/a",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:application/json,[]",
        "https:///evil.test/a",
        "///evil.test/a",
        "////evil.test/a",
        "https:a",
        "https://",
        "https://[::1",
        "https://api.test:port/",
        "https://api.test:99999/",
        "https://api.test.:443/a",
        "https://api。test@evil.test/",
        "https://аpi.test/a",
    ],
)
def test_guard_same_origin(link: str) -> None:
    """Guard: a link that leads to another origin, or hides where it leads, is refused; its text is not repeated."""
    with pytest.raises(LinkError) as caught:
        resolve(link, base="https://api.test/v1/items", home=HOME)
    assert "password" not in str(caught.value)


def test_one_origin_may_be_written_in_several_ways() -> None:
    """The default port may be written or not, and an IPv6 address stands in brackets."""
    assert resolve("http://[::1]:80/b", base="http://[::1]/a", home="http://[::1]") == "http://[::1]:80/b"
    coded = "http://xn--bcher-kva.example/b"
    assert resolve(coded, base="http://bücher.example/a", home="http://bücher.example") == coded
    with pytest.raises(LinkError, match=r"http://\[::2\], and this API is http://\[::1\]:8080"):
        resolve("http://[::2]/b", base="http://[::1]:8080/a", home="http://[::1]:8080")
