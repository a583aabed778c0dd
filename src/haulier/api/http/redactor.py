"""Masks secrets in text that is shown, logged or written (G7)."""

from __future__ import annotations

import base64
import json
import re
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

from haulier.api.http.urls import quote_value

MASK = "***"
EXCERPT_CHARACTERS = 2048
"""Length that keeps poison records small."""

_MIN_REPLACED_CHARACTERS = 4
"""Shorter secrets are masked as whole values only: replacing every "a" would destroy the text."""
_MARGIN_CHARACTERS = 4096
"""Characters inspected beyond the kept part: half a token may not look like one."""
_MIN_BASE64_CHARACTERS = 6
"""Shorter base64 forms occur by chance."""

MAX_RENEWED: Final = 16
"""Renewed secrets that are masked, the newest: each has a dozen forms, and the pattern of them all is made anew with
each one, which took half a second on the event loop with a hundred tokens of 800 bytes."""

# Repeats are bounded: without that a body of `a-a-a-...` takes a time that grows with its square, over a minute.
_HEADER_NAMES = (
    "authorization|proxy-authorization|cookie|set-cookie|[a-z-]{0,40}api-?key|x-auth-token|x-access-token|"
    "x-amz-security-token"
)
_PARAMETER_NAMES = (
    "sig|signature|x-amz-signature|x-amz-credential|x-amz-security-token|x-goog-signature|x-goog-credential|"
    "access_token|refresh_token|id_token|client_secret|client_assertion|api[_-]?key|apikey|key|token|password|passwd|secret"
)
_FIELD_NAMES = (
    "access_token|refresh_token|id_token|client_secret|client_assertion|api[_-]?key|apikey|password|passwd|secret"
)

_PATTERNS = (
    # A header in quotes, as in JSON or a dict's or tuple's repr: up to the closing quote.
    (rf"""(?i)(["'](?:{_HEADER_NAMES})["']\s*[:,]\s*b?(["']))(?:\\.|(?!\2).)*""", rf"\1{MASK}"),
    # A header in plain text: to the end of the line, since a cookie or a digest has many parts.
    (rf"""(?im)(\b(?:{_HEADER_NAMES})\s*[:=]\s*)(?!["'\s])[^\r\n]+""", rf"\1{MASK}"),
    (r"""(?i)\b((?:bearer|basic)\s+)(?=\S*[0-9=._])[a-z0-9._~+/-]{8,}=*""", rf"\1{MASK}"),
    (rf"""(?i)((?:[?&;\s"']|^)(?:{_PARAMETER_NAMES})=)[^&;\s"'<>#]+""", rf"\1{MASK}"),
    (rf"""(?i)(["'](?:{_FIELD_NAMES})["']\s*:\s*(["']))(?:\\.|(?!\2).)*""", rf"\1{MASK}"),
    # User and password in an address.
    (r"(?i)(\b[a-z][a-z0-9+.-]{0,40}://)[^/\s@\"']+@", rf"\1{MASK}@"),
)
_RULES = tuple((re.compile(pattern), replacement) for pattern, replacement in _PATTERNS)
_TELLING_NAME = re.compile(r"(?i)key|token|secret|auth|cookie|password|signature|session")
_HEX = re.compile(r"%([0-9A-F]{2})")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Redactor:
    """Masks registered secrets, and text that looks like one.

    Registered ones are masked plain, URL-encoded, escaped for JSON and in base64, even of ``user:secret``; those under
    four characters only after ``=`` or ``:``, or in quotes. Always masked: headers for ``Authorization``, cookies and
    keys, ``Bearer`` and ``Basic`` tokens, parameters and JSON fields for credentials, user names in addresses.
    """

    def __init__(self) -> None:
        self._secrets: dict[str, set[str]] = {}
        """Their forms."""
        self._renewed: OrderedDict[str, None] = OrderedDict()
        self._names: set[str] = set()
        self._known: re.Pattern[str] | None = None
        self._named: re.Pattern[str] | None = None
        self._longest = 0

    def add(self, secret: str) -> None:
        self._renewed.pop(secret, None)
        self._take(secret)

    def add_renewed(self, secret: str) -> None:
        """A token that takes the place of an older one. Those that were replaced long ago are forgotten."""
        if not secret or (secret in self._secrets and secret not in self._renewed):
            return
        self._renewed[secret] = None
        self._renewed.move_to_end(secret)
        if len(self._renewed) > MAX_RENEWED:
            del self._secrets[self._renewed.popitem(last=False)[0]]
        self._take(secret)

    def _take(self, secret: str) -> None:
        if not secret or secret in self._secrets:
            return
        self._secrets[secret] = _forms(secret) if len(secret) >= _MIN_REPLACED_CHARACTERS else set()
        long = set().union(*self._secrets.values())
        short = {known for known in self._secrets if len(known) < _MIN_REPLACED_CHARACTERS}
        self._longest = max(map(len, long | short))
        # Longest first, so that a secret that starts with another is masked whole.
        patterns = [_either_case(re.escape(form)) for form in sorted(long, key=lambda form: (-len(form), form))]
        patterns += [rf"""(?<=[=:"']){re.escape(s)}(?![\w])|(?<=[=:] ){re.escape(s)}(?![\w])""" for s in sorted(short)]
        self._known = re.compile("|".join(patterns))

    def add_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        for name, value in headers:
            if is_telling(name):
                self.add(value)

    def add_name(self, name: str) -> None:
        """Mask every value of the header or parameter ``name``."""
        if name in self._names:
            return
        self._names.add(name)
        names = "|".join(_sent_name(known) for known in sorted(self._names))
        self._named = re.compile(rf"""(?i)((?:[?&;\s"']|^)(?:{names})(?:=|["']?\s*[:,]\s*["']?))[^&;\s"'<>#]+""")

    def redact(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(MASK, text)
        if self._named is not None:
            text = self._named.sub(rf"\1{MASK}", text)
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
        return text

    def excerpt(self, body: bytes, limit: int = EXCERPT_CHARACTERS) -> str:
        """Text for a terminal, masked before it is cut, so that no half secret is left."""
        window = 4 * limit + self._longest
        text = body[: 4 * window].decode("utf-8", errors="replace")
        is_cut = len(text) > window or len(body) > 4 * window
        text = self.redact(text[:window])
        if is_cut:
            # The last characters may be the beginning of a secret that was not there as a whole to be recognized.
            text = text[: max(0, len(text) - self._longest)]
        # Escape sequences in an answer must not reach a person's terminal.
        text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
        return text if len(text) <= limit and not is_cut else text[:limit] + " ..."

    def head(self, body: bytes, limit: int) -> bytes:
        """First bytes, text or not, masked likewise; for a file."""
        beyond = _MARGIN_CHARACTERS + self._longest
        window = limit + 4 * beyond
        text = self.redact(body[:window].decode("utf-8", errors="surrogateescape"))
        if len(body) > window:
            text = text[:-beyond]
        return text.encode("utf-8", errors="surrogateescape")[:limit]


def _either_case(pattern: str) -> str:
    """Percent-encoded characters are written with digits of either case."""
    return _HEX.sub(lambda found: "%" + "".join(f"[{c}{c.lower()}]" if c.isalpha() else c for c in found[1]), pattern)


def _sent_name(name: str) -> str:
    """A pattern for it plain and as a query has it, with any of its characters percent-encoded."""
    return "".join(c if c.isascii() and c.isalnum() else f"(?:{re.escape(c)}|{_percent(c)})" for c in name)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", errors="surrogatepass"))


def is_telling(name: str) -> bool:
    return _TELLING_NAME.search(name) is not None


def _forms(secret: str) -> set[str]:
    encoded = secret.encode("utf-8", errors="surrogatepass")
    forms = {
        secret,
        quote(secret, safe="", errors="replace"),
        quote_plus(secret, errors="replace"),
        quote(secret, errors="replace"),
        quote_value(secret.encode("utf-8", errors="replace").decode()),
    }
    forms |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    forms |= {form.replace("/", "\\/") for form in forms}  # As PHP writes JSON.
    if len(encoded) >= _MIN_BASE64_CHARACTERS:
        for shift in range(3):
            core = _base64_core(encoded, shift)
            forms |= {core, core.replace("+", "-").replace("/", "_"), quote(core, safe="")}
    return forms


def _base64_core(secret: bytes, shift: int) -> str:
    """Characters that depend on ``secret`` alone when ``shift`` bytes (of three) precede it."""
    text = base64.b64encode(b"\0" * shift + secret).decode().rstrip("=")
    first = (shift * 8 + 5) // 6
    last = (shift + len(secret)) * 8 // 6
    return text[first:last]
