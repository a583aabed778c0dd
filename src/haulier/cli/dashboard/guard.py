"""What stands before every request: its host, its visitor and, for clicks, its page. And the headers of each answer."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from haulier.cli.dashboard.access import PAGE_HEADER, Access, is_same_origin
from haulier.cli.dashboard.answers import refusal

READS = frozenset({"GET", "HEAD"})
MOST_FORM_BYTES = 1_000
COOKIE_SECONDS = 30 * 24 * 3_600
_HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # With `no-referrer` a browser sends `Origin: null` with the form below, as a page of another site would.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_FORM = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>haulier</title>
<link rel="icon" href="static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="static/page.css">
<header><b>haulier</b></header>
<main>
<h1>This dashboard asks for a token</h1>
<p>{said} It is part of the URL that <code>haulier dashboard</code> printed, or what HAULIER_DASHBOARD_TOKEN says where
that was started.</p>
<form method="post" action="./">
<p><label for="token">Token</label> <input id="token" name="token" type="password" autocomplete="current-password"
 required autofocus></p>
<p><button class="main">Open</button></p>
</form>
</main>
"""
# Not a redirect: the browser would follow one without the cookie, where the link was clicked on a page of another site.
_ENTER = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>haulier</title><meta http-equiv="refresh" content="0; url=./">
<p><a href="./">Open the dashboard</a></p>
"""


class AccessGuard:
    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer = await self._answer(request)
        await (answer or self._app)(scope, receive, send_with_headers)

    async def _answer(self, request: Request) -> Response | None:
        """None: the request goes on to the page."""
        access = self._access
        host = request.headers.get("host", "")
        if problem := access.problem_of_host(host):
            return refusal(403, problem)
        is_read = request.method in READS
        if not is_read and not is_same_origin(
            host, request.headers.get("origin"), request.headers.get("sec-fetch-site")
        ):
            return refusal(403, "A page of another site sent this. Nothing was changed.")
        # A page of another site could not read the answer, and yet cause work, and tell from its time what there is.
        is_foreign = request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if is_read and is_foreign and request.url.path.startswith("/api/"):
            return refusal(403, "A page of another site asked for this.")
        if access.token and (entering := await self._enter(request)) is not None:
            return entering
        if not is_read and not access.is_page_token(request.headers.get(PAGE_HEADER, "")):
            return refusal(403, "This page is of an earlier dashboard. Reload it, and click again.")
        return None

    async def _enter(self, request: Request) -> Response | None:
        """Ask for the token where there is no cookie yet."""
        access, is_front = self._access, request.url.path == "/"
        shown = request.query_params.get("token", "") if is_front else ""
        if is_front and request.method == "POST":
            shown = await _form_token(request)
        if shown and access.is_token(shown):
            answer = HTMLResponse(_ENTER)
            answer.set_cookie(
                access.cookie_name,
                access.cookie,
                max_age=COOKIE_SECONDS,
                secure=request.url.scheme == "https",
                httponly=True,
                samesite="strict",
            )
            return answer
        if access.is_cookie(request.cookies.get(access.cookie_name, "")):
            return None
        if request.method in READS and request.url.path.startswith("/static/"):
            return None  # These files come with haulier, and the form looks as they say.
        if not is_front:
            return refusal(401, "The token is missing. Open the dashboard with the URL that was printed.")
        said = "That is not the token." if shown else ""
        return HTMLResponse(_FORM.format(said=said), 401)


async def _form_token(request: Request) -> str:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_FORM_BYTES:
            return "-"
    return parse_qs(body.decode("ascii", "replace")).get("token", ["-"])[0]
