"""`[streams.NAME.job]`: the request starts a job, whose result is fetched later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haulier.api.jobs.job import ID, Job, JobRequest
from haulier.api.paging.link_address import LINK_BASE_WORDS, LINK_ORIGIN_WORDS
from haulier.config.environment import fill_variables
from haulier.config.fields import Field, TableReader, TableShape
from haulier.config.lookups import QUERY, PathText
from haulier.config.place import Place, name_kind
from haulier.config.request_kinds import JsonBody, JsonPath
from haulier.config.rules_table import answers
from haulier.config.value_kinds import Choice, Duration, ListOf, NamedValue, TableBy, Text, errors_at
from haulier.sources.recipe import StreamRecipe
from haulier.sources.templates import PlaceholderError, check_placeholders, strings_of

ASKED_GET = Field("get", PathText(), "The path of the request, below the API's url.", 'get = "/jobs/{job}"', to="path")
ASKED_POST = Field("post", PathText(), "The path of a request by POST.", 'post = "/graphql"', to="path")
ASKED_JSON = Field("json", JsonBody(), "Its JSON body.", 'json = { id = "{job}" }')
JOB_REQUEST = TableShape("A request about a job.", ASKED_GET, ASKED_POST, QUERY, ASKED_JSON, one_of=("get", "post"))


def read_job_request(table: TableReader) -> JobRequest:
    if (ASKED_POST in table) != (ASKED_JSON in table):
        raise table.place.error("a POST has a body, and a GET has none.", "Write `post` and `json`, or `get` alone.")
    return JobRequest(**table.arguments(*JOB_REQUEST.fields))


_JOB_REQUEST_TABLE = TableBy(JOB_REQUEST, JobRequest, read_job_request)


class AskedPath:
    """A path that is asked for by GET, or a table for another request."""

    def read(self, value: Any, place: Place, example: str) -> JobRequest:
        if isinstance(value, Mapping):
            return _JOB_REQUEST_TABLE.read(value, place, example)
        if not isinstance(value, str):
            raise place.error(
                f"expected a path or a table, found {name_kind(value)}.", f"Write, for example: {example}"
            )
        return JobRequest(PathText().read(value, place, example))

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [PathText().schema(), _JOB_REQUEST_TABLE.schema()]}


class Words:
    """A word, or a list of words."""

    def read(self, value: Any, place: Place, example: str) -> tuple[str, ...]:
        if isinstance(value, list):
            return ListOf(Text()).read(value, place, example)
        return (Text().read(value, place, example),)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [Text().schema(), ListOf(Text()).schema()]}


class Origins:
    """Origins, each a scheme and a host."""

    def read(self, value: Any, place: Place, example: str) -> tuple[str, ...]:
        texts = value if isinstance(value, list) else [value]
        if not texts or not all(isinstance(text, str) for text in texts):
            raise place.error(
                f"expected a non-empty list of origins, found {name_kind(value)}.", f"Write, for example: {example}"
            )
        return tuple(fill_variables(text, place).rstrip("/") for text in texts)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]}


JOB_ID = Field(
    "id", JsonPath(), "The path of the job's ID, which is {job} below, in the answer that started it.", 'id = "id"'
)
POLL = Field("poll", AskedPath(), "The request that asks how the job is.", 'poll = "/jobs/{job}"')
POLL_AT = Field(
    "poll_at",
    JsonPath(),
    "The path of the address that is asked, in the answer that started it.",
    'poll_at = "status_url"',
)
POLL_HEADER = Field("poll_header", Text(), "The header with this address.", 'poll_header = "Location"')
STATE = Field(
    "state",
    JsonPath(),
    "The path of the word that tells how the job is. Without it a 202 means that it is not done.",
    'state = "state"',
)
DONE = Field("done", Words(), "The word, or the words, of a job that is done.", 'done = "JobComplete"')
FAILED = Field("failed", Words(), "The word, or the words, of a job that failed.", 'failed = ["Failed", "Aborted"]')
RESULT = Field(
    "result",
    AskedPath(),
    "The request for the records. Without it and `files`, they are in the answer about a job that is done.",
    'result = "/jobs/{job}/results"',
)
FILES = Field(
    "files",
    JsonPath(),
    "The path of the address of a file with the records, or of a list of them, in the answer about a job that is done.",
    'files = "files.*.url"',
)
DOWNLOAD_ORIGIN = Field(
    "download_origin",
    Origins(),
    "Other origins that files may be at. They are fetched without credentials and headers of the API.",
    'download_origin = ["https://storage.googleapis.com"]',
)
LINK_ORIGIN = Field(
    "link_origin",
    Choice(LINK_ORIGIN_WORDS),
    "own: path and query of the job's address, and of files that are at no `download_origin`, are asked for at the "
    "origin of the API's url, whatever host the API builds them with.",
    'link_origin = "own"',
)
LINK_BASE = Field(
    "link_base",
    Choice(LINK_BASE_WORDS),
    "api: they go behind the API's url, as where a proxy adds a prefix that they lack.",
    'link_base = "api"',
)
COUNT = Field(
    "count",
    JsonPath(),
    "The path of the number of records in the answer about a job that is done; as many must come.",
    'count = "objectCount"',
)
NO_FILES = Field(
    "empty",
    NamedValue({"no files": True}),
    "Declares that a job without records has no file; without it that is an error.",
    'empty = "no files"',
    to="may_lack_files",
)
BUSY = Field(
    "busy",
    answers("An answer by which the API says that it takes no job now."),
    "Answers by which the API says that it takes no job now, as another one goes on: it is asked again until `within`.",
    'busy = [{ text = "already in progress" }]',
)
EVERY = Field("every", Duration(), "The longest time between two questions; `Retry-After` counts too.", 'every = "5s"')
WITHIN = Field("within", Duration(), "The time in which the job must end.", 'within = "1h"')
JOB = TableShape(
    "The stream's request starts a job. Its records are fetched when it is done.",
    JOB_ID,
    POLL,
    POLL_AT,
    POLL_HEADER,
    STATE,
    DONE,
    FAILED,
    RESULT,
    FILES,
    DOWNLOAD_ORIGIN,
    LINK_ORIGIN,
    LINK_BASE,
    COUNT,
    NO_FILES,
    BUSY,
    EVERY,
    WITHIN,
    one_of=("poll", "poll_at", "poll_header"),
)


def read_job(table: TableReader) -> Job:
    arguments = table.arguments(*JOB.fields)
    for field in (POLL, RESULT):
        if field in table:
            _check_texts(arguments[field.argument], table.place.at(field.name))
    with errors_at(table.place):
        return Job(**arguments)


def _check_texts(asked: JobRequest, place: Place) -> None:
    """{job} is all that is known of an item here."""
    try:
        for text in (asked.path, *(value for _, value in asked.query), *strings_of(asked.json)):
            check_placeholders(text, ())
    except PlaceholderError as error:
        raise place.error(
            error.problem, f"The item is told by the request that starts the job; {ID} is the job."
        ) from error


def check_job(recipe: StreamRecipe, pages: Any, place: Place) -> None:
    """`SourceFileError` where the stream's `pages`, as they are written, are of no use to the job."""
    if recipe.job is not None and recipe.job.files and pages != "single" and "single" not in pages:
        raise place.at("pages").error("each of the `files` of the job is read as one page.", 'Write pages = "single".')


JOB_TABLE = TableBy(JOB, Job, read_job)
