"""Posts and their comments: a list whose records each have a list of their own, or a 404 instead of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from haulier.testing.sandbox.drift import Drift
from haulier.testing.sandbox.question import BadQuestionError, Question, read_whole_number
from haulier.testing.sandbox.settings import MAX_COMMENTS, SandboxSettings
from haulier.testing.sandbox.tokens import read_cursor, write_cursor
from haulier.testing.sandbox.wire import Answer

# A comment's id tells its post, and no two posts share one.
_IDS_PER_POST = 10 * MAX_COMMENTS


def comment_ids(settings: SandboxSettings, post_id: int) -> Iterator[int]:
    """List the ids of the comments of a post, ascending; none if they are a 404. An oracle for tests."""
    if not are_missing(settings, post_id):
        yield from (post_id * _IDS_PER_POST + each for each in range(1, comment_count(settings, post_id) + 1))


def comment_count(settings: SandboxSettings, post_id: int) -> int:
    return post_id * 7 % (2 * settings.comments_per_post + 1)


def are_missing(settings: SandboxSettings, post_id: int) -> bool:
    return bool(settings.comments_missing_every) and post_id % settings.comments_missing_every == 0


def posts(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    return _page(settings, question, "posts", settings.posts, lambda place: _post(settings, place + 1))


def post(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    return Answer(200, _post(settings, _post_id(settings, question.parts[0])))


def comments_of(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    return _comments(settings, question, question.parts[0])


def comments(settings: SandboxSettings, question: Question, drift: Drift | None) -> Answer:
    text = question.query.get("post_id")
    if text is None:
        raise BadQuestionError("post_id is missing. Write the id of a post: /comments?post_id=1.")
    return _comments(settings, question, text)


def _comments(settings: SandboxSettings, question: Question, text: str) -> Answer:
    post_id = _post_id(settings, text)
    if are_missing(settings, post_id):
        raise BadQuestionError(f"Post {post_id} has no comments to show.", 404)
    ids = [*comment_ids(settings, post_id)]

    def render(place: int) -> bytes:
        if settings.is_post_left_out:
            return b'{"id":%d,"text":"comment %d"}' % (place + 1, place + 1)
        return b'{"id":%d,"post_id":%d,"text":"comment %d"}' % (ids[place], post_id, place + 1)

    return _page(settings, question, f"comments of {post_id}", len(ids), render)


def _post_id(settings: SandboxSettings, text: str) -> int:
    post_id = read_whole_number("post_id", text)
    if not 1 <= post_id <= settings.posts:
        raise BadQuestionError(f"There is no post {post_id}.", 404)
    return post_id


def _post(settings: SandboxSettings, post_id: int) -> bytes:
    return b'{"id":%d,"title":"post %d","comments":%d}' % (post_id, post_id, comment_count(settings, post_id))


def _page(
    settings: SandboxSettings, question: Question, bound: str, count: int, render: Callable[[int], bytes]
) -> Answer:
    limit, cursor = question.limit(settings), question.query.get("cursor")
    start = 0 if cursor is None else read_cursor(cursor, f"{bound} {settings.seed}")
    stop = min(start + limit, count)
    gave = b"" if stop >= count else write_cursor(stop, f"{bound} {settings.seed}")
    told = b'"%s"' % gave if gave else b"null"
    rows = b",".join(render(place) for place in range(start, stop))
    body = b'{"%s":[%s],"next":%s,"total":%d}' % (bound.split()[0].encode(), rows, told, count)
    return Answer(200, body, not start, took_token=(cursor or "").encode(), gave_token=gave)
