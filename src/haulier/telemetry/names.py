"""The names of all spans, metrics and attributes: OpenTelemetry's own where it has one, else below ``haulier.``.

Log lines have fields of the same meaning. The tables of docs/telemetry.md are made from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

# -- attributes --------------------------------------------------------------------------------------------------------

SOURCE: Final = "haulier.source"
RUN_ID: Final = "messaging.message.conversation_id"
MESSAGING_SYSTEM: Final = "messaging.system"
DESTINATION: Final = "messaging.destination.name"
OPERATION_NAME: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
BATCH_COUNT: Final = "messaging.batch.message_count"
ERROR_TYPE: Final = "error.type"
ERROR_CAUSE: Final = "haulier.error.cause"
ERROR_TEXT: Final = "haulier.error.text"

ITEM_KEY: Final = "haulier.item.key"
ITEM_KIND: Final = "haulier.item.kind"
ITEM_PARAMETERS: Final = "haulier.item.parameters"
STREAM: Final = "haulier.stream"
ATTEMPT: Final = "haulier.item.attempt"
FAILURES: Final = "haulier.item.failures"
REDRIVES: Final = "haulier.item.redrives"
OUTCOME: Final = "haulier.item.outcome"
RECORDS: Final = "haulier.item.records"
BYTES: Final = "haulier.item.bytes"
REQUESTS: Final = "haulier.item.requests"
CHILDREN: Final = "haulier.item.children"
IS_ADOPTED: Final = "haulier.item.is_adopted"
DELAY_SECONDS: Final = "haulier.item.delay_seconds"
POISON_REASON: Final = "haulier.poison.reason"

METHOD: Final = "http.request.method"
URL: Final = "url.full"
URL_TEMPLATE: Final = "url.template"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
STATUS_CODE: Final = "http.response.status_code"
RESEND_COUNT: Final = "http.request.resend_count"
REQUEST_BYTES: Final = "http.request.body.size"
RESPONSE_BYTES: Final = "http.response.body.size"
WAIT_SECONDS: Final = "haulier.request.wait_seconds"
FIRST_BYTE_SECONDS: Final = "haulier.request.first_byte_seconds"
IS_OF_ISSUER: Final = "haulier.request.is_to_issuer"


@dataclass(frozen=True)
class AttributeRow:
    name: str
    type: Literal["text", "whole number", "number", "yes or no"]
    text: str


ATTRIBUTES: Final = (
    AttributeRow(SOURCE, "text", "Name of the source. It stands in the resource, so on everything that is sent."),
    AttributeRow(RUN_ID, "text", "ID of the run: what belongs together."),
    AttributeRow(MESSAGING_SYSTEM, "text", "Kind of the queue, such as `azure_storage_queue`."),
    AttributeRow(DESTINATION, "text", "Name of the queue; of the source where the queue is a file of its own."),
    AttributeRow(OPERATION_NAME, "text", "`send`, `receive` (metrics alone), `process` or `settle`."),
    AttributeRow(OPERATION_TYPE, "text", "The same, as OpenTelemetry's conventions want it."),
    AttributeRow(BATCH_COUNT, "whole number", "Messages that were sent, or settled, together."),
    AttributeRow(ERROR_TYPE, "text", "Class of the error; of a request the status, or the kind of the fault."),
    AttributeRow(ERROR_CAUSE, "text", "What the API did, in the words of `haulier status`: `status 503`, `timeout`."),
    AttributeRow(ERROR_TEXT, "text", "The error's words, without secrets, at most 1,000 characters."),
    AttributeRow(ITEM_KEY, "text", "Key of the item, as in `haulier poison show`."),
    AttributeRow(ITEM_KIND, "text", "Kind of the item."),
    AttributeRow(ITEM_PARAMETERS, "text", "Its window, range or values, as JSON, without secrets, at most 1,000."),
    AttributeRow(STREAM, "text", "Stream of the item."),
    AttributeRow(ATTEMPT, "whole number", "How often its message was delivered."),
    AttributeRow(FAILURES, "whole number", "Failures that were charged to it before."),
    AttributeRow(REDRIVES, "whole number", "How often a person sent it again."),
    AttributeRow(
        OUTCOME, "text", "`done`, `empty`, `split`, `poison`, `retry`, `release`, `give_up`, `lost` or `cancelled`."
    ),
    AttributeRow(RECORDS, "whole number", "Records that it wrote."),
    AttributeRow(BYTES, "whole number", "Bytes of these records."),
    AttributeRow(REQUESTS, "whole number", "Requests that it took; without those of attempts that failed."),
    AttributeRow(CHILDREN, "whole number", "Items that it was divided into."),
    AttributeRow(IS_ADOPTED, "yes or no", "An earlier attempt had finished it already."),
    AttributeRow(DELAY_SECONDS, "number", "Time after which it comes again."),
    AttributeRow(POISON_REASON, "text", "Why it is poison."),
    AttributeRow(METHOD, "text", "Method of the request."),
    AttributeRow(URL, "text", "Address, without secrets."),
    AttributeRow(URL_TEMPLATE, "text", "Its path, with `{}` for each part that has a digit: by this to group."),
    AttributeRow(SERVER_ADDRESS, "text", "Host of the API."),
    AttributeRow(SERVER_PORT, "whole number", "Its port."),
    AttributeRow(STATUS_CODE, "whole number", "Status of the answer."),
    AttributeRow(RESEND_COUNT, "whole number", "Sent again for this time: after failures, pauses, redirects."),
    AttributeRow(REQUEST_BYTES, "whole number", "Bytes of the body that was sent."),
    AttributeRow(RESPONSE_BYTES, "whole number", "Bytes of the body that came, as on the wire."),
    AttributeRow(
        WAIT_SECONDS,
        "number",
        "Time that the item waited for its turn before the request left: for a free slot, a pause, or after a failure.",
    ),
    AttributeRow(FIRST_BYTE_SECONDS, "number", "Time from the ready connection to the first byte of the answer."),
    AttributeRow(IS_OF_ISSUER, "yes or no", "It went to the issuer of the access token."),
)

# -- spans -------------------------------------------------------------------------------------------------------------

ENQUEUE: Final = "enqueue"
SEND: Final = "send"
PROCESS: Final = "process"
SETTLE: Final = "settle"
RECEIVE: Final = "receive"
PUBLISH: Final = "publish"
ISOLATE: Final = "isolate"


@dataclass(frozen=True)
class SpanRow:
    name: str
    kind: str
    text: str


SPANS: Final = (
    SpanRow(ENQUEUE, "internal", "A run was planned and sent: the requests that this took, and each `send`."),
    SpanRow(f"{SEND} QUEUE", "producer", "Items of a plan, of a division or of a redrive were put on the queue."),
    SpanRow(f"{PROCESS} QUEUE", "consumer", "One delivery of one item. Linked to the `send` of its message."),
    SpanRow("METHOD", "client", "One request that left, with its answer, by its method: `GET`."),
    SpanRow(PUBLISH, "internal", "The records of an item became one object of the lake."),
    SpanRow(f"{SETTLE} QUEUE", "client", "The end of an item was written down, and its message left the queue."),
    SpanRow(ISOLATE, "internal", "An item that workers had died over ran alone in a process."),
)

# -- metrics -----------------------------------------------------------------------------------------------------------

REQUEST_DURATION: Final = "http.client.request.duration"
PROCESS_DURATION: Final = "messaging.process.duration"
SENT_MESSAGES: Final = "messaging.client.sent.messages"
CONSUMED_MESSAGES: Final = "messaging.client.consumed.messages"
ITEMS: Final = "haulier.items"
WRITTEN_RECORDS: Final = "haulier.records"
WRITTEN_BYTES: Final = "haulier.bytes"
RETRIES: Final = "haulier.retries"
POISON: Final = "haulier.poison"
ITEMS_LEFT: Final = "haulier.items.left"
ITEMS_UNDER_WAY: Final = "haulier.items.under_way"
IN_FLIGHT: Final = "haulier.requests.in_flight"
WAITING: Final = "haulier.requests.waiting"
SHARE: Final = "haulier.requests.share"
LIMIT: Final = "haulier.requests.limit"
BREAKER: Final = "haulier.breaker.is_open"
PAUSE: Final = "haulier.pause.seconds"
HOLD: Final = "haulier.hold.is_on"
WORKERS: Final = "haulier.workers"

REQUEST_BOUNDARIES: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0),
)
"""Those of OpenTelemetry's conventions, which end at 10 s, and on to half an hour. Untold, the SDK takes its own, which
are for milliseconds: all below 5 s would be alike."""
PROCESS_BOUNDARIES: Final = (
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    *(20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0),
)


@dataclass(frozen=True)
class MetricRow:
    """``adds_up``: the sum over all workers means something. If not, each tells the same, and the largest counts."""

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    unit: str
    text: str
    attributes: tuple[str, ...] = ()
    adds_up: bool = True
    boundaries: tuple[float, ...] = ()


_OF_ITEM: Final = (STREAM, ITEM_KIND)
_OF_MESSAGE: Final = (MESSAGING_SYSTEM, DESTINATION, OPERATION_NAME)
METRICS: Final = (
    MetricRow(
        REQUEST_DURATION,
        "histogram",
        "s",
        "Time of each request that left, to the last byte of its answer.",
        (METHOD, SERVER_ADDRESS, SERVER_PORT, STATUS_CODE, ERROR_TYPE, STREAM, IS_OF_ISSUER),
        boundaries=REQUEST_BOUNDARIES,
    ),
    MetricRow(
        PROCESS_DURATION,
        "histogram",
        "s",
        "Time of each delivery of an item, until what became of it was written down or was left to the next group.",
        (*_OF_MESSAGE, *_OF_ITEM, OUTCOME, ERROR_TYPE),
        boundaries=PROCESS_BOUNDARIES,
    ),
    MetricRow(SENT_MESSAGES, "counter", "{message}", "Items that were put on the queue.", _OF_MESSAGE),
    MetricRow(CONSUMED_MESSAGES, "counter", "{message}", "Deliveries that were taken off it.", _OF_MESSAGE),
    MetricRow(ITEMS, "counter", "{item}", "Deliveries, by what became of them.", (*_OF_ITEM, OUTCOME, IS_ADOPTED)),
    MetricRow(WRITTEN_RECORDS, "counter", "{record}", "Records that became visible in the lake.", _OF_ITEM),
    MetricRow(WRITTEN_BYTES, "counter", "By", "Bytes of these records.", _OF_ITEM),
    MetricRow(RETRIES, "counter", "{retry}", "Requests that were repeated, and items that come again.", (ERROR_CAUSE,)),
    MetricRow(
        POISON, "counter", "{item}", "Items that were poisoned.", (*_OF_ITEM, POISON_REASON, ERROR_TYPE, ERROR_CAUSE)
    ),
    MetricRow(
        ITEMS_LEFT,
        "gauge",
        "{item}",
        "Items of open runs that have not ended: the depth. It is told by who looked at the account of the runs within "
        "five minutes: `run`, and workers that found nothing to take.",
        adds_up=False,
    ),
    MetricRow(ITEMS_UNDER_WAY, "gauge", "{item}", "Items that a worker has in work."),
    MetricRow(IN_FLIGHT, "gauge", "{request}", "Requests that a worker has in flight."),
    MetricRow(WAITING, "gauge", "{request}", "Requests that wait for a free place or for the end of a pause."),
    MetricRow(SHARE, "gauge", "{request}", "Requests that a worker may have in flight."),
    MetricRow(
        LIMIT, "gauge", "{request}", "Requests that all workers may have in flight, as the governor sees it.", (), False
    ),
    MetricRow(BREAKER, "gauge", "1", "1 while the API is down for all workers, else 0.", (), False),
    MetricRow(PAUSE, "gauge", "s", "Time that is left of a pause of all workers.", (), False),
    MetricRow(HOLD, "gauge", "1", "1 while a person has paused the source, else 0.", (), False),
    MetricRow(WORKERS, "gauge", "{worker}", "Workers of the source, as they know each other.", (), False),
)
METRIC_ROWS: Final = {row.name: row for row in METRICS}
