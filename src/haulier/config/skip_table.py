"""`skip`: rows that stand among the records and are none."""

from __future__ import annotations

from haulier.api.paging.totals import Total
from haulier.api.records.skipped_rows import Skip
from haulier.config.fields import Field, TableReader, TableShape
from haulier.config.graphql_fields import ALLOWED_ERRORS
from haulier.config.request_kinds import JsonPath
from haulier.config.value_kinds import Flag, ListOf, Scalar, TableOf

AT = Field(
    "at",
    JsonPath(),
    "The path in a row, with a value that is not null, false, 0 or empty.",
    'at = "missing"',
    is_required=True,
)
IS = Field("is", Scalar(), "The value that is meant.", 'is = "deleted"', to="equals")
NULL = Field(
    "null", Flag(), "Whether null is meant. With the path `.`, it is a row that is null.", "null = true", to="is_null"
)
SKIP = Field(
    "skip",
    ListOf(TableOf(TableShape("Rows that are no records.", AT, IS, NULL), Skip)),
    "Rows that stand among the records and are none, such as those that say that a record is missing. Each rule takes "
    "rows; they are counted.",
    'skip = [{ at = "missing" }]',
)


def check_skip(total: Total | None, table: TableReader) -> None:
    """`SourceFileError` for a total that leaves out rows which nothing skips."""
    if total is not None and not total.counts_skipped and SKIP not in table and ALLOWED_ERRORS not in table:
        place = table.place.at("total").at("counts_skipped")
        raise place.error("no rows are skipped.", "Write `skip`, or remove this key.")
