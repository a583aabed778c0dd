"""A request as the paths of the sandbox read it, with an error message for each part that is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

import msgspec

from haulier.testing.sandbox.settings import SandboxSettings
from haulier.testing.sandbox.wire import Answer, RequestHead, error

NO_HEAD = RequestHead(b"")
MAX_ID = 2**62


class BadQuestionError(Exception):
    """The request is wrong, as the text explains. ``answer`` is sent to the client."""

    def __init__(self, message: str, status: int = 400, code: str = "") -> None:
        super().__init__(message)
        self.answer: Answer = error(status, message, code=code)


@dataclass(frozen=True, slots=True)
class Question:
    """A request; ``parts`` are the values of the path's placeholders."""

    path: str
    query: dict[str, str]
    head: RequestHead = NO_HEAD
    body: bytes = b""
    parts: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """The scheme, host and port as the client wrote them, so that it can follow the links."""
        return f"http://{self.head.get(b'host').decode('ascii', 'replace') or '127.0.0.1'}"

    def header(self, name: str) -> str | None:
        return self.head.get(name.encode()).decode("latin-1") or None

    def whole_number(self, name: str, default: int) -> int:
        text = self.query.get(name)
        return default if text is None else read_whole_number(name, text)

    def time(self, name: str, default: datetime) -> datetime:
        text = self.query.get(name)
        if text is None:
            return default
        when: datetime | None
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            when = None
        if when is None or when.tzinfo is None:
            raise BadQuestionError(
                f"{name} is {text!r}; write an ISO 8601 time with a zone, such as 2024-01-01T00:00:00Z."
            )
        return when

    def limit(self, settings: SandboxSettings, name: str = "limit") -> int:
        """Read the requested size of a page, and lower it to the setting `page_size`."""
        limit = self.whole_number(name, settings.page_size)
        if not limit:
            raise BadQuestionError(f"{name} is 0; write at least 1.")
        if 0 < settings.max_limit_413 < limit:
            raise BadQuestionError(f"{name} is {limit}; write at most {settings.max_limit_413}.", 413)
        return min(limit, settings.page_size)

    def refuse_others(self, *names: str) -> None:
        """Refuse what a client added to the query of a link."""
        if others := sorted(set(self.query) - set(names)):
            raise BadQuestionError(f"Remove {', '.join(others)} from the query: follow the link as it is.")


def read_question(target: str, head: RequestHead, body: bytes) -> Question:
    """Parse a target, a path with its query. `BadQuestionError` for a query that cannot be read."""
    try:
        path, query_text = urlsplit(target)[2:4]
        query = dict(parse_qsl(query_text, keep_blank_values=True, strict_parsing=bool(query_text)))
    except ValueError as exc:
        raise BadQuestionError(f"The query cannot be read: {exc}") from exc
    return Question(path, query, head, body)


def read_search(question: Question) -> tuple[Question, str | None]:
    """Read the body of a search: a question with its parameters in the query, and the cursor."""
    try:
        search = msgspec.json.decode(question.body, type=_Search)
    except msgspec.DecodeError as exc:
        raise BadQuestionError(f"The body cannot be read: {exc}") from exc
    asked = {"from_id": search.query.from_id, "to_id": search.query.to_id, "limit": search.limit}
    query = {name: str(value) for name, value in asked.items() if value is not None}
    return Question(question.path, query, question.head), search.cursor


def read_graphql(question: Question) -> tuple[Question, str, str | None]:
    """Read the body of a GraphQL request: its variables as parameters, its text, and the cursor."""
    try:
        asked = msgspec.json.decode(question.body, type=_GraphQLBody)
    except msgspec.DecodeError as exc:
        raise BadQuestionError(f"The body cannot be read: {exc}") from exc
    given = asked.variables
    named = {"from_id": given.from_id, "to_id": given.to_id, "limit": given.first}
    query = {name: str(value) for name, value in named.items() if value is not None}
    return Question(question.path, query, question.head), asked.query, given.after


def read_whole_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise BadQuestionError(f"{name} is {text!r}; write a whole number of at least 0.")
    return int(text)


class _Ids(msgspec.Struct, forbid_unknown_fields=True):
    from_id: int | None = None
    to_id: int | None = None


class _GraphQLVariables(msgspec.Struct, forbid_unknown_fields=True):
    from_id: int | None = None
    to_id: int | None = None
    first: int | None = None
    after: str | None = None


class _GraphQLBody(msgspec.Struct, forbid_unknown_fields=True):
    query: str
    variables: _GraphQLVariables = msgspec.field(default_factory=_GraphQLVariables)
    operation: str | None = msgspec.field(default=None, name="operationName")


class _Search(msgspec.Struct, forbid_unknown_fields=True):
    query: _Ids = msgspec.field(default_factory=_Ids)
    limit: int | None = None
    cursor: str | None = None
