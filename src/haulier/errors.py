"""Every error that haulier raises on purpose. A class exists where a caller does something different.

What a person may meet says what to do: docs/errors.md is made of these docstrings.

HaulierError
├── UsageError
│   ├── SourceFileError
│   ├── NewerFormatError
│   └── RunSpentError
├── UnavailableError
│   ├── QueueUnavailableError
│   └── LakeUnavailableError
├── LeaseLostError
├── DamagedObjectError
├── SweptError
├── RunEndedError
├── BrokenEnvelopeError
│   └── UnknownKindError
└── ItemError
    ├── BodyError           `haulier.api.errors` has these
    └── ApiError
        ├── PagingError
        └── MovedError
"""

from __future__ import annotations


def sentence(text: object) -> str:
    """End a text with a stop, to precede another sentence."""
    said = str(text).rstrip()
    return said if said.endswith((".", "!", "?")) else f"{said}."


class HaulierError(Exception):
    """The root of all errors that haulier raises on purpose; programming errors are none."""


class UsageError(HaulierError):
    """A person must change a file, a flag, an environment variable or a right. Exit code 2.

    To do: what the text says, and then the same command again. What was done is kept.
    """


class SourceFileError(UsageError):
    """A mistake at ``key`` (dotted, as ``streams.flights.pages``) of ``file``; ``remedy`` says what to write.

    To do: correct that key; `haulier try SOURCE` shows what comes of it.
    """

    def __init__(self, file: str, key: str, problem: str, remedy: str) -> None:
        self.file = file
        self.key = key
        self.problem = problem
        self.remedy = remedy
        where = f"{file}: {key}" if key else file
        super().__init__(f"{where}: {problem} {remedy}".rstrip())


class NewerFormatError(UsageError):
    """A file or message that a newer haulier wrote.

    To do: upgrade haulier on this machine. Nothing was changed.
    """

    def __init__(self, what: str, found: int, known: int) -> None:
        self.what = what
        self.found = found
        self.known = known
        super().__init__(
            f"{what} has format {found}; this haulier knows formats up to {known}. "
            "Upgrade haulier on this machine; nothing was changed."
        )


class RunSpentError(UsageError):
    """A run has sent all the requests that `max_requests` allows it. The other runs of its source go on.

    To do: raise `max_requests`, and type the same command again: what is done is kept. Or give the run up with
    `haulier cancel SOURCE --run RUN_ID`.
    """

    def __init__(self, run_id: str, requests: int) -> None:
        self.run_id = run_id
        self.requests = requests
        super().__init__(
            f"Run {run_id} has sent all of its max_requests = {requests}. Raise it and run again; what is done is kept."
        )


class UnavailableError(HaulierError):
    """Something outside cannot be used now. Nothing was lost or charged. Exit code 4.

    To do: the same command again later, without `--new`.
    """


class QueueUnavailableError(UnavailableError):
    """The queue is busy for too long, gone, or out of disk.

    To do: look for a process that is stopped, a full disk, or a service that is down; then the same command again.
    """


class LakeUnavailableError(UnavailableError):
    """The lake is full, read-only or gone, or a file in it is none that haulier wrote.

    To do: make room, or give the right that is missing; a file that the text names comes back from a copy of the lake.
    Then the same command again.
    """


class LeaseLostError(HaulierError):
    """Another worker may hold the item: drop what was done, and touch nothing."""


class DamagedObjectError(HaulierError):
    """An object that cannot be decompressed to its end. It stays; its run cannot be complete.

    To do: look at the disk, and pull again with `haulier run SOURCE`.
    """

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        super().__init__(f"{path} cannot be read to its end: {reason}")


class SweptError(HaulierError):
    """A closing swept the spool of an item under way (P7). The attempt gives up, uncharged."""


class RunEndedError(HaulierError):
    """Somebody closed a run while it was planned or sent here: nothing more of it is sent."""


class BrokenEnvelopeError(HaulierError):
    """A message that can never be read; it is poisoned at once."""


class UnknownKindError(BrokenEnvelopeError):
    """A kind without a class here. Newer workers may know it: released, uncharged."""


class ItemError(HaulierError):
    """The item failed by its data, its request or its processor, and is charged.

    To do: in a run nothing at first, since it is tried again and divided; of what is poisoned in the end
    `haulier poison show SOURCE KEY` tells all. After `haulier try`: what the text says.
    """
