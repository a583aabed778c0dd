"""The kinds of paging, and the seam for one's own: `from haulier.api.paging.pages import Cursor, Offset, Paginator`."""

from haulier.api.paging.counting import Offset, PageNumber
from haulier.api.paging.cursors import Cursor, Key, Seek
from haulier.api.paging.links import LinkHeader, NextUrl, OData
from haulier.api.paging.paginator import PageAnswer, PageRequest, Paginator, Single

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
