"""Secrets stay put (G7)."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.api.http.redactor import MASK, MAX_RENEWED, Redactor
from haulier.api.http.urls import with_query
from haulier.api.identity.path_key import written_key

SECRET = 's3cr3t/käse+"q" 100%?>~~'


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.add(SECRET)
    redactor.add("tok_1234567890")
    return redactor


FORMS = [
    SECRET,
    quote(SECRET),
    quote(SECRET, safe=""),
    quote_plus(SECRET),
    json.dumps(SECRET),
    json.dumps(SECRET, ensure_ascii=False),
    base64.b64encode(SECRET.encode()).decode(),
    base64.urlsafe_b64encode(SECRET.encode()).decode(),
    base64.b64encode(b"user:" + SECRET.encode()).decode(),
    base64.b64encode(b"us:" + SECRET.encode() + b":more").decode(),
    base64.b64encode(b"u:" + SECRET.encode() + b"!").decode(),
]


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_masked_in_each_form(redactor: Redactor, form: str) -> None:
    """G7: as it is, URL-encoded, inside JSON, in base64 at every alignment."""
    masked = redactor.redact(f"before {form} after")
    assert MASK in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    for part in ("s3cr3t", "käse", "k%C3%A4se", "\\u00e4"):
        assert part not in masked


@pytest.mark.parametrize("form", ["abc%2fdef%2Bghi%3D", "abc%2Fdef%2bghi%3d", "abc\\/def+ghi=", "abc%2Fdef%2Bghi="])
def test_a_secret_is_masked_as_other_software_writes_it(form: str) -> None:
    """G7: percent-encoded with small digits, or but for some signs as a key in a path is, and as PHP writes JSON."""
    redactor = Redactor()
    for secret in ("abc/def+ghi=", written_key("abc/def+ghi=")):
        redactor.add(secret)
    assert redactor.redact(f"<{form}>") == f"<{MASK}>"


def test_renewed_tokens_are_forgotten_one_day() -> None:
    """G7: the newest are masked. Masking all that a process ever had would take more and more time and memory. What a
    person declared is kept, also where an issuer hands it out."""
    redactor = Redactor()
    redactor.add("declared-secret")
    for number in range(MAX_RENEWED + 1):
        redactor.add_renewed(f"token-{number:03}")
        redactor.add_renewed("declared-secret")
    assert redactor.redact("token-000 token-001") == f"token-000 {MASK}"
    assert redactor.redact(f"token-{MAX_RENEWED:03} declared-secret") == f"{MASK} {MASK}"


@given(st.text(st.characters(codec="utf-8"), min_size=6, max_size=40))
def test_no_secret_survives_in_an_address(secret: str) -> None:
    """G7: a secret is masked in the very form in which a query parameter is sent."""
    redactor = Redactor()
    redactor.add(secret)
    assert redactor.redact(with_query("http://api.test/a", (("x", secret),))) == f"http://api.test/a?x={MASK}"


@given(st.text(min_size=6, max_size=40), st.text(max_size=9), st.text(max_size=9))
def test_no_secret_survives(secret: str, before: str, after: str) -> None:
    """Whatever a secret and its surroundings look like, it is not in what is shown, nor is its base64."""
    redactor = Redactor()
    redactor.add(secret)
    text = before + secret + after
    masked = redactor.redact(text)
    assert secret not in masked or secret in MASK * 9
    try:
        encoded = base64.b64encode(text.encode()).decode()
    except UnicodeEncodeError:
        return
    assert MASK in redactor.redact(encoded)


def test_redacting_twice_changes_nothing(redactor: Redactor) -> None:
    """Texts pass through several hands."""
    once = redactor.redact(f"Authorization: Bearer {SECRET}\nurl=https://a:b@x/?sig=abc&x=1 {SECRET}")
    assert redactor.redact(once) == once


def test_a_secret_that_starts_with_another_is_masked_whole() -> None:
    """The tail of the longer one is as secret as its beginning."""
    redactor = Redactor()
    for secret in ("abcdef", "abcdefghij", "abcd"):
        redactor.add(secret)
    assert redactor.redact("x abcdefghij y") == f"x {MASK} y"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("an apple a day", "an apple a day"),
        ("?key2=a&x=banana", "?key2=***&x=banana"),
        ('{"pin":"a"}', '{"pin":"***"}'),
        ("pin: a, pan", "pin: ***, pan"),
        ("pin=ab", "pin=ab"),
    ],
)
def test_a_short_secret_is_masked_only_where_a_value_stands(text: str, expected: str) -> None:
    """Under four characters it is no secret that masking could keep; masking every "a" would only destroy the text."""
    redactor = Redactor()
    redactor.add("a")
    assert redactor.redact(text) == expected


def test_an_empty_secret_masks_nothing() -> None:
    """An unset variable must not turn every message into stars."""
    redactor = Redactor()
    redactor.add("")
    assert redactor.redact("all is well") == "all is well"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer canary-1",
        "authorization: Token canary-1",
        "Proxy-Authorization: Basic canary1=",
        "Cookie: a=canary-1; b=canary-2",
        "Set-Cookie: session=canary-1; Path=/",
        "X-Api-Key: canary-1",
        "api-key: canary-1",
        "Ocp-Apim-Subscription-Key: x\nX-API-KEY=canary-1",
        "{'Authorization': 'Bearer canary-1', 'x': 1}",
        '{"authorization":"Bearer canary-1"}',
        "(('X-Api-Key', 'canary-1'),)",
        "{'Cookie': b'a=canary-1; b=canary-2'}",
        "sent Bearer canary-1.abc",
        "sent basic Y2FuYXJ5OmNhbmFyeQ==",
        "https://x/?sig=canary-1&a=b",
        "https://x/a?x=1&X-Amz-Signature=canary1&X-Amz-Credential=canary2",
        "https://x/?access_token=canary-1#f",
        "https://x/?api_key=canary-1",
        "https://x/?apikey=canary-1",
        "grant_type=client_credentials&client_secret=canary-1",
        '{"access_token":"canary-1","expires_in":3}',
        '{"client_secret" : "can\\"ary-1", "x":2}',
        "https://canary-1:canary-2@api.example.com/x",
    ],
)
def test_what_looks_like_a_credential_is_masked_unregistered(text: str) -> None:
    """G7: headers, signatures and tokens that an API or a user's code puts into a text."""
    masked = Redactor().redact(text)
    assert "canary" not in masked
    assert "ary-1" not in masked
    assert "Y2FuYXJ5" not in masked
    assert MASK in masked


@pytest.mark.parametrize(
    "text",
    [
        "https://x/?page=2&sort=key&signal=1",
        "basic information about the bearer of this",
        "The Authorization header is missing.",
        '{"keynote":"x","tokens":"3"}',
        "cookies are not kept",
        "a@b.example: no such user",
    ],
)
def test_what_is_no_credential_stays(text: str) -> None:
    """A message from which everything is gone helps nobody at three in the morning."""
    assert Redactor().redact(text) == text


def test_what_stands_around_a_masked_value_stays() -> None:
    """Only the value goes: the name says which credential it was."""
    redactor = Redactor()
    assert redactor.redact("GET https://x/?a=1&sig=abc&b=2 failed") == f"GET https://x/?a=1&sig={MASK}&b=2 failed"
    assert redactor.redact("{'Authorization': 'Bearer abc', 'x': 1}") == f"{{'Authorization': '{MASK}', 'x': 1}}"
    assert redactor.redact("a\nCookie: x=1\nb") == f"a\nCookie: {MASK}\nb"


def test_a_declared_name_is_masked_with_any_value() -> None:
    """An API key's own header or parameter, whatever the source calls it."""
    redactor = Redactor()
    redactor.add_name("appid")
    assert redactor.redact("https://x/?q=1&appid=zzz&b=2") == f"https://x/?q=1&appid={MASK}&b=2"
    assert redactor.redact("{'AppId': 'zzz'}") == f"{{'AppId': '{MASK}'}}"
    assert redactor.redact("appid: zzz") == f"appid: {MASK}"
    assert redactor.redact("myappid=1") == "myappid=1"


@pytest.mark.parametrize(
    ("name", "sent"),
    [("sync[token]", "sync%5Btoken%5D"), ("$delta", "%24delta"), ("a_b", "a%5fb"), ("$delta", "$delta")],
)
def test_a_declared_name_is_known_as_a_query_has_it(name: str, sent: str) -> None:
    redactor = Redactor()
    redactor.add_name(name)
    assert redactor.redact(f"https://x/?q=1&{sent}=zzz&b=2") == f"https://x/?q=1&{sent}={MASK}&b=2"


def test_an_excerpt_is_masked_before_it_is_cut(redactor: Redactor) -> None:
    """No cut leaves half a secret that no mask knows any more."""
    for shift in range(30):
        excerpt = redactor.excerpt(b"x" * (90 + shift) + b" tok_1234567890 " + b"y" * 500, limit=100)
        assert "tok" not in excerpt
        assert len(excerpt) <= 104
    redactor.add("0123456789" * 9)
    for shift in range(100):
        # Masking shortens, so that the far end of what was looked at comes near.
        assert "0123" not in redactor.excerpt(b"-" * shift + b"0123456789" * 9 * 100, limit=100)


def test_an_excerpt_says_that_it_is_one(redactor: Redactor) -> None:
    """Short bodies are shown whole, longer ones end in dots; bytes that are no text do not raise."""
    assert redactor.excerpt(b"short") == "short"
    assert redactor.excerpt(b"") == ""
    assert redactor.excerpt(b"z" * 3_000) == "z" * 2048 + " ..."
    assert redactor.excerpt("ä".encode() * 3_000) == "ä" * 2048 + " ..."
    assert redactor.excerpt(b"\xff\xfe\x00A") == "\N{REPLACEMENT CHARACTER}" * 3 + "A"
    assert redactor.excerpt(b"\x1b[31mred\r\n") == "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}\n"


def test_a_large_body_is_not_searched_whole(redactor: Redactor) -> None:
    """An excerpt of 64 MB costs what one of 10 KB does."""
    assert redactor.excerpt(b"z" * 64_000_000, limit=10) == "z" * 10 + " ..."
