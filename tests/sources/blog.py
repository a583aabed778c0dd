"""A small API with posts and their comments, on loopback: what a stream with a parent is asked of."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web

from tests.harness.aiohttp_server import serving_app

PAGE = 2


@dataclass
class Blog:
    """Posts 1 to ``posts``; post n has n % 4 comments. Those in ``absent`` are listed, and their comments are a 404."""

    posts: int = 10
    absent: frozenset[int] = frozenset()
    vanishing: frozenset[int] = frozenset()
    """Posts whose comments answer 404 from the second page on."""
    url: str = ""
    asked: list[str] = field(default_factory=list)

    def comments_of(self, post: int) -> list[dict[str, object]]:
        return [{"post": post, "id": number, "author": f"u{number}"} for number in range(post % 4)]

    async def list_posts(self, request: web.Request) -> web.Response:
        first, last = int(request.query["from"]), int(request.query["to"])
        posts = [
            {"id": number, "slug": f"p/{number}", "by": {"name": f"a{number % 2}"}}
            for number in range(first, last)
            if number <= self.posts
        ]
        # Lists that move while they are read show a row twice.
        return web.json_response({"posts": [*posts, *posts[:1]]})

    async def list_comments(self, request: web.Request) -> web.Response:
        self.asked.append(request.rel_url.raw_path_qs)
        post, offset = int(request.match_info["post"].removeprefix("p/")), int(request.query.get("offset", "0"))
        if post in self.absent or (post in self.vanishing and offset):
            return web.json_response({"error": "no such post"}, status=404)
        return web.json_response({"comments": self.comments_of(post)[offset : offset + PAGE], "total": post % 4})

    async def list_authors(self, request: web.Request) -> web.Response:
        authors = ["a0", "a1", 7][: self.posts]
        start = int(request.query.get("page", "1")) - 1
        return web.json_response({"authors": [{"name": name} for name in authors[start : start + 1]]})

    async def echo(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        return web.json_response([{"query": request.query_string, "body": body}])


@contextlib.asynccontextmanager
async def serving(blog: Blog) -> AsyncIterator[Blog]:
    """The blog on a free port; ``blog.url`` says where."""
    app = web.Application()
    app.router.add_get("/posts", blog.list_posts)
    app.router.add_get("/posts/{post:.+}/comments", blog.list_comments)
    app.router.add_get("/authors", blog.list_authors)
    app.router.add_route("*", "/echo", blog.echo)
    async with serving_app(app) as blog.url:
        yield blog
