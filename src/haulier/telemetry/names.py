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
    AttributeRow(OPERATION_NAME, "text", "`send`, `process` or `settle`."),
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
