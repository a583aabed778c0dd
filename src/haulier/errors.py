"""Every error that haulier raises on purpose. A class exists where a caller does something different.

HaulierError
├── UsageError              a person must change a file, flag, variable or right; exit code 2
│   ├── SourceFileError     it stands in the source file: names file, key and what to write instead
│   └── NewerFormatError    written by a newer haulier; upgrade this one
├── UnavailableError        something outside cannot be reached; nothing is charged; exit code 4
│   ├── QueueUnavailableError
│   └── LakeUnavailableError
├── LeaseLostError          another worker may hold the item: drop what was done, touch nothing
├── DamagedObjectError      an object that cannot be read to its end: the run cannot be complete
├── SweptError              a closing took the spool away: give up, charge nothing
├── BrokenEnvelopeError     a message that nobody can read: poisoned at once
│   └── UnknownKindError    no processor for it here: released, a newer worker may know it
└── ItemError               an item's own failure; `haulier.api` says more of it in ApiError
"""

from __future__ import annotations


def sentence(text: object) -> str:
    """The text, or an error's, with a stop at its end where it has none: to go in front of another sentence."""
    said = str(text).rstrip()
    return said if said.endswith((".", "!", "?")) else f"{said}."


class HaulierError(Exception):
    """The root: catching it catches what haulier raises on purpose, and no programming error."""


class UsageError(HaulierError):
    """A person must change a file, a flag, an environment variable or a right. Exit code 2."""


class SourceFileError(UsageError):
    """Something in a source file is wrong.

    ``file`` and ``key`` say where (a dotted key such as ``streams.flights.pages``), ``remedy`` what to write instead.
    """

    def __init__(self, file: str, key: str, problem: str, remedy: str) -> None:
        self.file = file
        self.key = key
        self.problem = problem
        self.remedy = remedy
        where = f"{file}: {key}" if key else file
        super().__init__(f"{where}: {problem} {remedy}".rstrip())


class NewerFormatError(UsageError):
    """A file or message was written by a newer haulier than this one."""

    def __init__(self, what: str, found: int, known: int) -> None:
        self.what = what
        self.found = found
        self.known = known
        super().__init__(
            f"{what} has format {found}; this haulier knows formats up to {known}. "
            "Upgrade haulier on this machine; nothing was changed."
        )


class UnavailableError(HaulierError):
    """Something outside cannot be reached or used now. Nothing was lost or charged; try again later. Exit code 4."""


class QueueUnavailableError(UnavailableError):
    """The queue does not answer: busy for too long, gone, or out of disk."""


class LakeUnavailableError(UnavailableError):
    """The lake cannot be written or read: full, read-only, or gone."""


class LeaseLostError(HaulierError):
    """The lease's token is stale. Whoever gets this drops what it did and touches nothing that counts."""


class DamagedObjectError(HaulierError):
    """An object in the lake that cannot be decompressed to its end. Nothing is removed; the closing is partial."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        super().__init__(f"{path} cannot be read to its end: {reason}")


class SweptError(HaulierError):
    """A closing swept the spool of an item under way (P7): the attempt gives up, uncharged."""


class BrokenEnvelopeError(HaulierError):
    """A message whose envelope or parameters cannot be read. It never will be, so it is poisoned at once."""


class UnknownKindError(BrokenEnvelopeError):
    """No class is registered for a message's kind. A rolling deploy may know it: released, uncounted."""


class ItemError(HaulierError):
    """An item failed by itself: its data, its request, or its processor. Charged to the item."""
