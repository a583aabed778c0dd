"""How an answer differs from what the source says of it: that speaks of the source, and not of the records."""

from __future__ import annotations

from enum import StrEnum


class Shape(StrEnum):
    """What is wrong with the shape of a good answer."""

    NONE = ""
    """Nothing, or nothing that the source could say otherwise."""
    MISSING = "records missing"
    ASTRAY = "records astray"
    """More of their path is missing than what ``absent`` in `empty` allows for."""
    NULL = "records null"
    NOT_A_LIST = "not a list"
    NO_BODY = "no body"
    PAGING = "paging"
    """The answers contradict what the source says of its pages or its total."""
    OTHER = "other"
    """A flag, a total or a cursor is not where, or what, the source says."""
    RECORD = "record"
    """A record is not what the source says of all: it lacks the key, or has a field that is to be added."""
    HTML = "html"
    NOT_JSON = "not json"
    """It is labelled as something else, or as nothing."""
    UNPARSED = "unparsed"
    """It is said to be JSON, and is not. One record may do that to its page."""

    @property
    def may_be_of_data(self) -> bool:
        """Whether one record may be the reason, so that smaller items would come closer to it."""
        return self in _OF_DATA

    @property
    def remedy(self) -> str:
        """What a person should look at, or write."""
        return _REMEDIES.get(self, "")


_OF_DATA = {Shape.NONE, Shape.RECORD, Shape.HTML, Shape.NOT_JSON, Shape.UNPARSED}
_RECORDS = "Check `records` of the stream; where it means that there are no records, write"
_REMEDIES = {
    Shape.MISSING: f'{_RECORDS} empty = ["absent"].',
    Shape.ASTRAY: 'Check `records` of the stream. "absent" in `empty` is about the last key of that path; where more '
    "of it is left out, declare an exact `total`: an answer whose total is 0 has no records.",
    Shape.NULL: f'{_RECORDS} empty = ["null"].',
    Shape.NO_BODY: f'{_RECORDS} empty = ["no body"].',
    Shape.NOT_A_LIST: "Check `records` of the stream, which is the path of a list.",
    Shape.OTHER: "Check `pages` and `total` of the stream.",
    Shape.HTML: "Check `url` and the path of the stream: this is a page for people.",
    Shape.NOT_JSON: "Check `url`, path and headers of the stream: only JSON is read.",
}
