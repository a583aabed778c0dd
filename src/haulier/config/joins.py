"""`join`: several values in one parameter of one request."""

from __future__ import annotations

from haulier.config.fields import Field, TableShape
from haulier.config.request_kinds import JsonPath
from haulier.config.value_kinds import NamedValue, TableOf, Text, WholeNumber
from haulier.sources.joined import Join

WITH = Field("with", Text(), "The text between two values.", 'with = "|"', is_required=True, to="separator")
AT = Field("at", JsonPath(), "The path in a record of the value that it belongs to.", 'at = "id"', is_required=True)
MISSING = Field(
    "missing",
    NamedValue({"fail": False, "skip": True}),
    "The meaning of a value for which no record comes: a failure, or that the API has none. It is counted.",
    'missing = "skip"',
    to="may_miss",
)
JOIN_TABLE = TableOf(TableShape("How several values are asked for by one request.", WITH, AT, MISSING), Join)
JOIN = Field("join", JOIN_TABLE, JOIN_TABLE.shape.doc, 'join = { with = "|", at = "id" }')
JOINED_BATCH = Field(
    "batch",
    WholeNumber(),
    "With `join`, the number of values in one request, which is an item. It has fewer where they are long.",
    "batch = 50",
)
