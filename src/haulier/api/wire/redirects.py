"""Which redirects are followed: a few, within the origin, that keep method and query."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, quote, urljoin, urlsplit

from haulier.api.answers.body_problem import find_body_problem
from haulier.api.errors import Fault, Shape
from haulier.api.http.transport import Request, Response, TransportError
from haulier.api.http.urls import LinkError, origin

MAX_REDIRECTS = 5
"""More redirects are a circle, or a site for browsers."""

_REDIRECTS = {301, 302, 303, 307, 308}
_MAX_NAME_CHARACTERS = 24
"""Longer parts of a path may be tokens, and are not shown."""
_URL_CHARACTERS = "!#$%&'()*+,/:;=?@[]~"


def origin_of(url: str) -> tuple[str, str, int] | None:
    """The `origin` of an address; None where it has none that may be asked."""
    try:
        return origin(url)
    except LinkError:
        return None


def next_request(request: Request, answer: Response) -> Request | None:
    """Return None without a redirect. Headers stay.

    Raises `TransportError` (REDIRECT) for another origin, and where the meaning would change.
    """
    location = answer.headers.get("Location", "").strip()
    if answer.status not in _REDIRECTS or not location:
        return None
    try:
        target = urljoin(request.url, quote(location.encode("utf-8", "surrogateescape"), safe=_URL_CHARACTERS))
        target_origin = origin_of(target)
        shown = urlsplit(target)
    except ValueError:
        raise TransportError(Fault.REDIRECT, "the redirect leads to an address that cannot be read") from None
    if target_origin != origin_of(request.url):
        raise TransportError(
            Fault.REDIRECT,
            f"a redirect leads from {_show(urlsplit(request.url), path='')} to another origin, "
            f"{_show(shown, shown.path)}; nothing was sent there",
        )
    if answer.status == 303 and request.method != "HEAD":
        return request.replace(method="GET", url=target, body=b"", headers=_without_content(request))
    if answer.status in {301, 302} and request.method not in {"GET", "HEAD"}:
        # RFC 9110 15.4.2 lets a client turn a POST into a GET here, or not: an answer to something else is not data.
        raise TransportError(
            Fault.REDIRECT, f"a {answer.status} redirects a {request.method}, and may or may not turn it into a GET"
        )
    return request.replace(url=target)


def check_kept(asked: Request, followed: Request, answer: Response) -> None:
    """Raises `TransportError` (REDIRECT) where redirects dropped parts of the request, such as a list's filter.

    Pages for people pass, since they are no data. The answer to a POST may have its own address.
    """
    problem = find_body_problem(answer)
    if not 200 <= answer.status < 300 or (problem is not None and (problem.is_outage or problem.shape is Shape.HTML)):
        return
    lost = _describe_lost(asked, followed)
    if lost:
        path = urlsplit(followed.url).path
        raise TransportError(
            Fault.REDIRECT,
            f"a redirect to {_short(path)} drops {lost} of the request, so that its answer is not what was asked for. "
            "Write the path that it leads to in the source",
        )


def _describe_lost(asked: Request, followed: Request) -> str:
    """Name parts without values, which may be secret."""
    was, now = urlsplit(asked.url), urlsplit(followed.url)
    if followed.method != asked.method:
        return f"the body of the {asked.method}" if was.path.rstrip("/") == now.path.rstrip("/") else ""
    kept = _parameters(now.query)
    names = [
        name
        for name, values in _parameters(was.query).items()
        if len(kept.get(name, ())) < len(values) or (any(values) and not any(kept[name]))
    ]
    shown = [f"`{_short(name)}`" for name in names]
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def _parameters(query: str) -> dict[str, list[str]]:
    """Names are in lower case, which some servers write in a redirect."""
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(name.lower(), []).append(value)
    return found


def _show(parts: SplitResult, path: str) -> str:
    """Origin and path, without possible tokens."""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{_short(path)}"


def _short(path: str) -> str:
    names = [part.partition(";")[0] for part in path.split("/")]
    return "/".join("..." if len(name) > _MAX_NAME_CHARACTERS else name for name in names)


def _without_content(request: Request) -> tuple[tuple[str, str], ...]:
    return tuple(header for header in request.headers if not header[0].lower().startswith("content-"))
