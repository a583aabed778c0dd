"""What a source declares of a job: how it is asked about, how it ends, and where its result is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from haulier.api.answers.judgement import Rule
from haulier.api.errors import BodyError, Shape
from haulier.api.http.urls import LOOPBACK_HOSTS, Encoded, LinkError, Pairs, origin
from haulier.api.paging.link_address import LinkBase, LinkOrigin, check_link_words
from haulier.api.records.paths import check_path
from haulier.errors import UsageError

ID: Final = "{job}"
"""Stands for the ID of the job in paths, queries and bodies."""
EVERY: Final = timedelta(seconds=5)
"""Twelve questions a minute are little to any API; many say less in `Retry-After`, which counts."""
WITHIN: Final = timedelta(hours=1)
"""Salesforce ends its own jobs after some minutes; a report of a year takes most of an hour."""
_IS_BESIDE = {"shapes_records": False}
"""For keys of which the records do not depend."""


@dataclass(frozen=True)
class JobRequest:
    """A request about a job: ``JobRequest("/jobs/{job}")``."""

    path: str
    query: Pairs = ()
    json: Any = None
    """With a body it is a POST."""

    @property
    def names_job(self) -> bool:
        return ID in self.path or any(ID in value for _, value in self.query) or ID in repr(self.json)

    def of(self, job_id: str) -> JobRequest:
        """Raises `BodyError` for an ID that would lead elsewhere, such as ``..``."""
        if ID in self.path and job_id in (".", ".."):
            raise BodyError(f"the ID of the job is {job_id!r}, which would lead to another path", Shape.JOB)
        return JobRequest(
            self.path.replace(ID, quote(job_id, safe="")),
            tuple((name, _filled_value(value, job_id)) for name, value in self.query),
            _filled(self.json, job_id),
        )


@dataclass(frozen=True)
class Job:
    """A job that a stream's request starts, and whose result is its records.

    One of ``poll``, ``poll_at`` and ``poll_header`` says how it is asked about; ``{job}`` is its ``id``. With
    ``state``, one of the words of ``done`` or ``failed`` ends it; without, status 202 means that it is not done. The
    records are in the ``files`` whose addresses its last answer has, in the answer to ``result``, or in that last
    answer itself. Raises `UsageError` for what contradicts itself.
    """

    id: str = ""
    """Path of the job's ID in the answer that started it."""
    poll: JobRequest | None = None
    poll_at: str = ""
    """Path, in the answer that started it, of the address to ask."""
    poll_header: str = ""
    """Header of that answer with this address, such as `Location`."""
    state: str = ""
    """Path of a word in the answer about the job."""
    done: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    result: JobRequest | None = None
    files: str = ""
    """Path of an address, or of a list of them; `*` is each member of a list: `files.*.url`."""
    download_origin: tuple[str, ...] = ()
    """Other origins from which files are fetched, without the API's credentials and headers."""
    link_origin: LinkOrigin = ""
    """``own``: path and query of the addresses of jobs and files are asked for at the API's own origin; but for what is
    at a ``download_origin``."""
    link_base: LinkBase = ""
    """``api``: they go behind the API's url."""
    count: str = ""
    """Path of the number of records in the last answer about the job."""
    may_lack_files: bool = False
    """A job without records has no file."""
    busy: tuple[Rule, ...] = field(default=(), metadata=_IS_BESIDE)
    """Answers by which the API says that it takes no job now: rules of the action END. It is asked again."""
    every: timedelta = field(default=EVERY, metadata=_IS_BESIDE)
    """The longest time between two questions."""
    within: timedelta = field(default=WITHIN, metadata=_IS_BESIDE)
    """The time in which the job must end; before, the API may be busy as long."""

    def __post_init__(self) -> None:
        if [self.poll is not None, bool(self.poll_at), bool(self.poll_header)].count(True) != 1:
            raise UsageError("A job is asked about at one address. Name one of poll, poll_at and poll_header.")
        for path in (self.id, self.poll_at, self.state, self.files, self.count):
            if path:
                check_path(path.replace(".*", ".0"))
        named = any(each is not None and each.names_job for each in (self.poll, self.result))
        if named and not self.id:
            raise UsageError("{job} needs `id`, the path of the job's ID in the answer that started it.")
        if self.id and not named:
            raise UsageError("No request names the job. Write {job} in `poll`, where its ID belongs.")
        if bool(self.state) != bool(self.done) or bool(self.state) != bool(self.failed):
            raise UsageError(
                "A job's `state` needs the words that mean `done` and `failed`; without `state`, status 202 means that "
                "it is not done."
            )
        if both := sorted({*self.done} & {*self.failed}):
            raise UsageError(f"The state {both[0]!r} cannot mean both done and failed.")
        if self.files and self.result is not None:
            raise UsageError("The records are in `files` or in the answer to `result`. Name one of the two.")
        if (self.download_origin or self.may_lack_files) and not self.files:
            raise UsageError("Only `files` come from another origin, or may be none.")
        check_link_words(self.link_origin, self.link_base)
        if not timedelta() < self.every <= self.within:
            raise UsageError("`every` must be more than nothing, and no longer than `within`.")
        for each in self.download_origin:
            _check_origin(each)


def _check_origin(text: str) -> None:
    try:
        scheme, host, _ = origin(text)
    except LinkError as error:
        raise UsageError(
            f"The download_origin {text!r} is no origin: {error}. Write scheme and host: https://files.example.com"
        ) from error
    if text.rstrip("/").count("/") != 2:
        raise UsageError(f"The download_origin {text!r} has a path. Write scheme and host alone.")
    if scheme != "https" and host not in LOOPBACK_HOSTS:
        raise UsageError(f"The download_origin {text!r} is not https: whoever is on the way could change the files.")


def _filled_value(value: str, job_id: str) -> str:
    if isinstance(value, Encoded):
        return Encoded(value.replace(ID, quote(job_id, safe="")))
    return value.replace(ID, job_id)


def _filled(tree: Any, job_id: str) -> Any:
    if isinstance(tree, str):
        return tree.replace(ID, job_id)
    if isinstance(tree, Mapping):
        return {key: _filled(value, job_id) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_filled(value, job_id) for value in tree]
    return tree
