"""What an answer of the service, or the lack of one, means for a call."""

from __future__ import annotations

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceExistsError

from haulier.azure.transport import may_have_happened
from haulier.errors import HaulierError, QueueUnavailableError, UsageError

TOO_MANY_REQUESTS = 429
_REFUSED = {401, 403}
_BEING_DELETED = "QueueBeingDeleted"


class UnansweredError(QueueUnavailableError):
    """The call may have had its effect, or may have it later."""


class StaleReceiptError(HaulierError):
    """The message is gone, or another delivery, renewal or release came after the one of this receipt. Which of these
    the service does not tell: 404 and 400 are used alike."""


class AbsentQueueError(HaulierError):
    """There is no such queue."""


class QueueExistsError(HaulierError):
    """Whoever made it."""


def judge(error: AzureError | TimeoutError, queue: str) -> HaulierError:
    """The words of the SDK are not repeated: they may hold a URL with its SAS (G7)."""
    if isinstance(error, TimeoutError):
        return UnansweredError(f"The queue {queue} did not answer in time")
    if isinstance(error, ResourceExistsError) and _code(error) != _BEING_DELETED:
        return QueueExistsError(f"The queue {queue} exists")
    if not isinstance(error, HttpResponseError) or error.status_code is None:
        return _without_answer(error, queue)
    code, status = _code(error), error.status_code
    if status == 404:
        if code == "QueueNotFound":
            return AbsentQueueError(f"The queue {queue} does not exist")
        return StaleReceiptError(code)
    if code == "PopReceiptMismatch":
        return StaleReceiptError(code)
    said = f"{status} {code}".rstrip()
    if may_have_happened(error):
        return UnansweredError(f"The queue {queue} answered {said}")
    if status == TOO_MANY_REQUESTS or code == _BEING_DELETED:
        return QueueUnavailableError(f"The queue {queue} answered {said}")
    if status in _REFUSED:
        return UsageError(f"The queue {queue} refuses this credential: {said}.")
    return UsageError(f"The queue {queue} refuses a request: {said}.")


def _without_answer(error: AzureError, queue: str) -> HaulierError:
    if isinstance(error, ClientAuthenticationError):
        return UsageError(f"No credential was found for the queue {queue}.")
    if may_have_happened(error):
        return UnansweredError(f"The queue {queue} did not answer: the connection broke")
    return QueueUnavailableError(f"The queue {queue} cannot be reached")


def _code(error: HttpResponseError) -> str:
    """Of the SDK's own making: an enumeration, or the text of a code that it does not know."""
    code = getattr(error, "error_code", None) or ""
    return str(getattr(code, "value", code))
