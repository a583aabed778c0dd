"""Every error that haulier raises on purpose. A class exists where a caller does something different.

HaulierError
├── UsageError
│   ├── SourceFileError
│   └── NewerFormatError
├── UnavailableError
│   ├── QueueUnavailableError
│   └── LakeUnavailableError
├── LeaseLostError
├── DamagedObjectError
├── SweptError
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
    """A person must change a file, a flag, an environment variable or a right. Exit code 2."""


class SourceFileError(UsageError):
    """A mistake at ``key`` (dotted, as ``streams.flights.pages``) of ``file``; ``remedy`` says what to write."""

    def __init__(self, file: str, key: str, problem: str, remedy: str) -> None:
        self.file = file
        self.key = key
        self.problem = problem
        self.remedy = remedy
        where = f"{file}: {key}" if key else file
        super().__init__(f"{where}: {problem} {remedy}".rstrip())


class NewerFormatError(UsageError):
    """A file or message that a newer haulier wrote."""

    def __init__(self, what: str, found: int, known: int) -> None:
        self.what = what
        self.found = found
        self.known = known
        super().__init__(
            f"{what} has format {found}; this haulier knows formats up to {known}. "
            "Upgrade haulier on this machine; nothing was changed."
        )


class UnavailableError(HaulierError):
    """Something outside cannot be used now. Nothing was lost or charged; try again later. Exit code 4."""


class QueueUnavailableError(UnavailableError):
    """Busy for too long, gone, or out of disk."""


class LakeUnavailableError(UnavailableError):
    """Full, read-only, or gone."""


class LeaseLostError(HaulierError):
    """Another worker may hold the item: drop what was done, and touch nothing."""


class DamagedObjectError(HaulierError):
    """An object that cannot be decompressed to its end. It stays; its run cannot be complete."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        super().__init__(f"{path} cannot be read to its end: {reason}")


class SweptError(HaulierError):
    """A closing swept the spool of an item under way (P7). The attempt gives up, uncharged."""


class BrokenEnvelopeError(HaulierError):
    """A message that can never be read; it is poisoned at once."""


class UnknownKindError(BrokenEnvelopeError):
    """A kind without a class here. Newer workers may know it: released, uncharged."""


class ItemError(HaulierError):
    """The item failed by its data, its request or its processor, and is charged."""
