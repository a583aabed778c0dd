"""The kinds of paging, and the seam for one's own: `from haulier.api.pages import Cursor, Offset, Paginator`."""

from haulier.api.pages_count import Offset, PageNumber
from haulier.api.pages_cursor import Cursor, Key, Seek
from haulier.api.pages_link import LinkHeader, NextUrl, OData
from haulier.api.paginator import PageAnswer, PageRequest, Paginator, Single

__all__ = [
    "Cursor",
    "Key",
    "LinkHeader",
    "NextUrl",
    "OData",
    "Offset",
    "PageAnswer",
    "PageNumber",
    "PageRequest",
    "Paginator",
    "Seek",
    "Single",
]
