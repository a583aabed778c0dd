"""What an answer of the service, or the lack of one, means for a call."""

from __future__ import annotations

from azure.core.exceptions import AzureError, ResourceExistsError

from haulier.azure.errors import AzureErrors
from haulier.azure.fault import fault_of
from haulier.azure.transport import may_have_happened
from haulier.errors import HaulierError, QueueUnavailableError, UsageError

_LATER = {0, 409, 429}
"""Without a connection, while a queue of that name is being deleted, and when asked too often."""


_STALE = {"MessageNotFound", "PopReceiptMismatch"}


class UnansweredError(QueueUnavailableError):
    """The call may have had its effect, or may have it later.

    To do: nothing at first, since it is made again; a worker gives up after two leases. Then the same command again.
    """


class StaleReceiptError(HaulierError):
    """The message is gone, or another delivery, renewal or release came after the one of this receipt. Which of these
    the service does not tell: 404 and 400 are used alike."""


class AbsentQueueError(HaulierError):
    """There is no such queue, so it is made, or its messages are taken for lost."""


class QueueExistsError(HaulierError):
    """The queue that was to be made is there, whoever made it."""


def judge(error: AzureError | TimeoutError, queue: str, errors: AzureErrors) -> HaulierError:
    if isinstance(error, TimeoutError):
        return UnansweredError(f"{queue} did not answer in time")
    fault = fault_of(error)
    if isinstance(error, ResourceExistsError) and fault.code != "QueueBeingDeleted":
        return QueueExistsError(f"{queue} exists")
    if fault.code == "QueueNotFound":
        return AbsentQueueError(f"{queue} does not exist")
    if fault.code in _STALE:
        return StaleReceiptError(fault.words)
    if (refusal := errors.refusal(error)) is not None:
        return refusal
    if may_have_happened(error) or fault.status == 404:  # A gateway's own 404 tells nothing of the message.
        return UnansweredError(f"{queue} gave no answer: {fault.words}")
    if fault.status in _LATER:
        return QueueUnavailableError(f"{queue} cannot be used now: {fault.words}")
    return UsageError(f"{queue} refuses a request: {fault.words}.")
