"""`format`: in what the bodies of a stream are written."""

from __future__ import annotations

from haulier.api.body_format import FORMAT_KINDS, BodyFormat
from haulier.api.paging.paginator import body_path_of
from haulier.api.paging.totals import Total
from haulier.api.records.line_reader import check_lines
from haulier.config.fields import Field, TableShape
from haulier.config.place import Place
from haulier.config.value_kinds import Choice, Flag, TableOf, Text, WordOr, errors_at
from haulier.errors import UsageError
from haulier.sources.recipe import ListLookup, StreamRecipe

KIND = Field(
    "kind",
    Choice(FORMAT_KINDS),
    "JSON; a JSON value a line (NDJSON, JSON Lines); a JSON text sequence (RFC 7464); or CSV, whose first line names "
    "the columns.",
    'kind = "csv"',
    is_required=True,
)
DELIMITER = Field(
    "delimiter",
    Text("one sign", may_be_blank=True),
    "The sign between the values of CSV; `\\t` is a tab.",
    'delimiter = ";"',
)
CHARSET = Field(
    "charset",
    Text("the name of a charset"),
    "The charset of the bodies, where `Content-Type` does not say it, or not rightly; without both it is UTF-8.",
    'charset = "windows-1252"',
)
MAY_LACK_NEWLINE = Field(
    "may_lack_newline",
    Flag(),
    "Whether the last line may have no end. A cut within it may go unseen then.",
    "may_lack_newline = true",
)
MAY_LACK_LENGTH = Field(
    "may_lack_length",
    Flag(),
    "Whether an answer of lines may come without `Content-Length` and chunks, and without a total. A cut between two "
    "lines goes unseen then.",
    "may_lack_length = true",
)
FORMAT = Field(
    "format",
    WordOr(
        {kind: BodyFormat(kind) for kind in FORMAT_KINDS},
        TableOf(
            TableShape("The format of a body.", KIND, DELIMITER, CHARSET, MAY_LACK_NEWLINE, MAY_LACK_LENGTH), BodyFormat
        ),
    ),
    "The format of the answers.",
    'format = "ndjson"',
)


def check_format(recipe: StreamRecipe | ListLookup, total: Total | None, place: Place) -> None:
    """`SourceFileError` for keys that the answers of a format cannot have."""
    with errors_at(place.at("format")):
        total_at = "" if total is None else total.at
        check_lines(recipe.format, recipe.records, recipe.shape, recipe.empty, total_at)
        if recipe.format.has_lines and (path := body_path_of(recipe.pages)):
            raise UsageError(
                f"`pages` reads {path!r} beside the records, where lines have nothing. Page by a header, the Link "
                "header, an offset, a page number or a record's key."
            )
