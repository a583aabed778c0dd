"""The source file that `haulier init` writes: it runs against the sandbox, and says what to change."""

from __future__ import annotations

STARTER = """\
# A source of haulier. As it stands it pulls from the sandbox, an API on this machine. In another terminal:
#
#     haulier sandbox --port 8002
#
# and then:
#
#     haulier try @FILE@      one item, one page, every request shown, nothing written
#     haulier run @FILE@
#
# Then put your own API in its place, from [api] on.
source = "@NAME@"
lake   = "lake"                                   # a folder, relative to this file

[api]
url       = "${SANDBOX_URL:-http://127.0.0.1:8002}"
# auth    = { bearer = "${API_TOKEN}" }           # or { header = ..., value = ... }, { query = ..., value = ... }
in_flight = 4                                     # most requests at once, of all workers together
# contact = "you@example.com"                     # so that the API's people can write before they block

[streams.items]                                   # one kind of record
get     = "/items"                                # the path of a page, behind the url
query   = { limit = 100 }
records = "items"                                 # where the records stand in an answer
pages   = { cursor = "next", query = "cursor" }   # how a page leads to the next; or offset, page, next_url, "link" ...
total   = { at = "total", is = "exact" }          # what the API promises for one item
expect  = { get = "/count", at = "count" }        # what it promises for all

[streams.items.full.ids]                          # ranges of IDs; or full.windows, full.values, full.once
query = { from_id = "{start}", to_id = "{end}" }  # how the API is told a range
last  = { get = "/items/newest", at = "id" }
step  = 1000                                      # IDs of one item
"""


def starter(name: str, file: str) -> str:
    """The text of a new source file named ``file`` for the source ``name``."""
    return STARTER.replace("@NAME@", name).replace("@FILE@", file)
