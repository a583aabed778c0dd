"""What real APIs do, as seven tables, and for each row the tests that name it, all of them through the client or
`haulier run`.

Tests name a table and its row: "Failures, `500`". A row that is added to a table is added here; a test that is renamed
or dropped leaves its row without one, and red.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]

LINK, CURSOR, COUNT = "api/paging/test_links.py", "api/paging/test_cursors.py", "api/paging/test_positions.py"
STOP, SIZE, TOTALS = "api/paging/test_stop_rules.py", "api/paging/test_page_size.py", "api/paging/test_totals.py"
LIMITS, FAILURES, BODIES = (f"api/wire/test_table_{name}.py" for name in ("limits", "failures", "bodies"))
BYTES, TOO_MUCH = "sources/test_table_bytes.py", "sources/test_too_much.py"
WAITS, STAYS, PASSES = (
    f"{LIMITS}::test_nobody_asks_before_its_time",
    f"{FAILURES}::test_a_row_that_stays_so",
    f"{FAILURES}::test_a_row_that_passes",
)
COSTS, STUMP = (
    f"{BODIES}::test_a_fault_costs_a_request_and_nobody_a_record",
    f"{BODIES}::test_a_fault_that_stays_is_never_a_success",
)
LINE = f"{BYTES}::test_every_record_comes_out_byte_for_byte_on_one_line"
RAW = f"{BYTES}::test_what_is_no_json_is_kept_raw_and_its_neighbours_are_in_the_lake"

TABLES = {
    "Paging": "docs/apis/README.md#how-to-read-which-api",
    "Ends": "docs/misreadings.md#where-a-list-ends",
    "Waits": "docs/apis/answers.md#how-long-to-wait",
    "Vendors": "docs/apis/answers.md#throttling-with-status-403",
    "Failures": "docs/protocol.md#what-is-charged",
    "Bodies": "docs/sandbox.md#faults",
    "Bytes": "docs/running.md#reading-bronze",
}
"""Ways of paging; where a list ends; waits and limits in headers; what single vendors do with them; failures of a
request; bodies that are cut or wrong; values that JSON libraries change. Each with what users read about it."""

ROWS: dict[str, dict[str, list[str]]] = {
    "Paging": {
        "Link header": [f"{LINK}::test_row_link_header", f"{LINK}::test_link_header_in_several_lines"],
        "page + per_page": [
            f"{COUNT}::test_row_page_and_total_pages_header",
            f"{COUNT}::test_row_page_past_the_end_is_400",
            f"{STOP}::test_guard_4_clamped_page_number",
        ],
        "offset + limit + total": [f"{COUNT}::test_row_offset_limit_total"],
        "offset + limit without total": [f"{COUNT}::test_row_offset_limit_no_total"],
        "seek by last ID": [
            f"{CURSOR}::test_row_seek_by_last_id_with_has_more",
            f"{CURSOR}::test_row_seek_since_id",
            f"{CURSOR}::test_row_seek_in_a_query_language",
        ],
        "opaque token": [
            f"{CURSOR}::test_row_opaque_token_in_body",
            f"{CURSOR}::test_row_token_deep_in_the_body",
            f"{CURSOR}::test_row_token_sent_in_a_body",
            f"{CURSOR}::test_row_token_that_expires_with_400",
        ],
        "next URL in body, absolute": [
            f"{LINK}::test_row_next_url_absolute",
            f"{LINK}::test_row_next_url_with_empty_page",
        ],
        "next URL in body, relative": [f"{LINK}::test_row_next_url_relative_with_done"],
        "company-scoped OData": [f"{LINK}::test_row_company_scoped_odata"],
        "OData v4": [f"{LINK}::test_row_odata_v4"],
        "incremental export": [f"{LINK}::test_row_incremental_export"],
        "continue token with server snapshot": [f"{CURSOR}::test_row_continue_token_that_expires"],
        "header cursor": [f"{CURSOR}::test_row_header_cursor"],
        "All records in one page": [f"{STOP}::test_single_page"],
    },
    "Ends": {
        "Rule 1": [f"{STOP}::test_stop_1_own_end_sign"],
        "Rule 2": [f"{STOP}::test_stop_2_exact_total"],
        "Rule 3": [f"{STOP}::test_stop_3_empty_page"],
        "page cap": [f"{TOO_MUCH}::test_an_item_of_too_many_pages_is_divided", f"{STOP}::test_guard_4_page_cap"],
        "max_body": [f"{SIZE}::test_row_413_body_over_max_body"],
        "deadline": ["worker/test_dispatch.py::test_an_item_has_a_deadline_from_its_first_request"],
        "Rule 4": [f"{STOP}::test_guard_4_repeated_request", f"{STOP}::test_guard_4_equal_pages"],
        "records path": [f"{STOP}::test_missing_records_path_is_no_end"],
        "no trace": ["api/paging/test_no_trace.py::test_a_list_of_one_page_says_what_it_was_taken_for"],
    },
    "Waits": {
        "Retry-After": [
            WAITS,
            f"{LIMITS}::test_row_retry_after_of_over_15_minutes",
            f"{LIMITS}::test_row_retry_after_of_over_a_day",
        ],
        "RateLimit / RateLimit-Policy": [WAITS, f"{LIMITS}::test_row_ratelimit_nothing_left_under_a_good_answer"],
        "X-RateLimit-*": [WAITS],
    },
    "Vendors": {
        "GitHub": [WAITS],
        "Microsoft Graph": [WAITS, f"{LIMITS}::test_everybody_waits"],
        "Dataverse": [WAITS],
        "Azure services": [WAITS],
        "HubSpot": [WAITS, f"{LIMITS}::test_row_hubspot_a_list_that_stops_at_10000_is_never_truncated"],
        "Shopify": [WAITS, f"{LIMITS}::test_row_shopify_seek_instead_of_page"],
        "Zendesk": [WAITS],
        "Atlassian": [WAITS],
        "Stripe": [WAITS],
        "Salesforce": [WAITS],
        "ServiceNow, GitLab, Okta ...": [WAITS],
    },
    "Failures": {
        "200/206": [f"{FAILURES}::test_row_200_206"],
        "200 + non-JSON content type, HTML, empty body, body not complete JSON": [STAYS, PASSES],
        "200 + error predicate": [STAYS, PASSES],
        "204, 205": [STAYS, f"{FAILURES}::test_row_204_that_may_be"],
        "301/302/307/308": [f"{FAILURES}::test_row_redirects"],
        "304": [STAYS],
        "400": [STAYS, f"{FAILURES}::test_row_400_page_past_the_end", f"{FAILURES}::test_row_400_expired_token"],
        "401": [STAYS, "api/identity/test_oauth2.py::test_a_401_renews_the_token_once_for_all_in_flight"],
        "402, 403": [STAYS, f"{FAILURES}::test_row_402_403_throttling"],
        "404, 410": [STAYS, f"{FAILURES}::test_row_404_410"],
        "405, 406, 411, 414, 415, 416, 422, 431, 451, 501, 505": [STAYS],
        "407, TLS verify failure": [STAYS, f"{FAILURES}::test_row_tls"],
        "408, 425": [STAYS, PASSES],
        "409": [STAYS, PASSES],
        "412": [STAYS],
        "413": [
            STAYS,
            f"{SIZE}::test_row_413_the_page_size_is_halved",
            f"{TOO_MUCH}::test_large_records_cost_requests_and_no_division",
            f"{TOO_MUCH}::test_one_record_that_is_too_large_is_poisoned_alone",
        ],
        "421, 423, 424": [STAYS, PASSES],
        "429": [STAYS, f"{FAILURES}::test_row_429_by_header"],
        "500": [f"{FAILURES}::test_row_500", f"{FAILURES}::test_row_500_smaller_page_once"],
        "502, 503, 504": [
            STAYS,
            f"{FAILURES}::test_row_503_with_retry_after",
            "divide/test_caps.py::test_what_times_out_again_is_divided",
        ],
        "507, 508, 511": [STAYS, f"{FAILURES}::test_row_511"],
        "520-530 (CDN)": [STAYS, PASSES],
        "connect refused, DNS failure, no route": [f"{FAILURES}::test_row_connect_refused"],
        "reset before headers on a reused connection": [f"{FAILURES}::test_row_stale_connection"],
        "reset or EOF in the body, Content-Length mismatch, chunk error, gzip not at end, CRC": [STAYS, PASSES],
        "read time-out": [f"{FAILURES}::test_row_time_out"],
        "slow loris": ["api/wire/test_connections.py::test_one_byte_at_a_time_is_given_up"],
        "page invariants": [
            f"{FAILURES}::test_row_page_invariants_equal_page",
            f"{FAILURES}::test_row_page_invariants_more_rows_than_asked",
            f"{FAILURES}::test_row_page_invariants_total_shrank",
            f"{FAILURES}::test_row_page_invariants_sort_order_broken",
        ],
        "full": ["worker/test_loop.py::test_a_full_disk_ends_the_worker_and_charges_nobody"],
        "processor": ["divide/test_python_sources.py::test_twenty_items_of_a_broken_processor_are_handed_back"],
        "drain": ["worker/test_loop.py::test_a_drain_hands_the_rest_back_at_once_and_uncounted"],
    },
    "Bodies": {
        "Content-Length larger than body; chunk cut; no final chunk": [COSTS, STUMP],
        "Content-Length smaller than body": [COSTS, STUMP],
        "close-delimited body cut": [COSTS, STUMP],
        "proxy re-chunked a short body cleanly": [COSTS, STUMP],
        "gzip cut, length agrees / connection closed": [COSTS, STUMP],
        "gzip with two members": [f"{BODIES}::test_row_gzip_with_two_members"],
        "gzip label on plain body; bad CRC; duplicate Content-Length": [COSTS, STUMP],
        "gzip without trailer": [COSTS, STUMP],
        "redirect loop": [f"{BODIES}::test_row_redirect_loop"],
        "1 byte each 0.4 s": [f"{BODIES}::test_row_one_byte_at_a_time"],
        "cross-host redirect": [f"{BODIES}::test_row_cross_host_redirect"],
    },
    "Bytes": {
        "2^63": [LINE],
        "2^64, 30 digits": [LINE],
        "1e2, 1.10, 17+ digits, -0": [LINE],
        "1E400": [LINE],
        "NaN, Infinity": [RAW],
        "duplicate keys": [LINE],
        "lone surrogate": [LINE, "api/records/test_surrogates.py::test_g6_whatever_stands_around_it"],
        "invalid UTF-8, Latin-1": [RAW],
        "BOM": [LINE],
        "two documents, trailing comma, control chars": [RAW],
        "new column after row 100": [LINE],
        "type change after row 100": [LINE],
    },
}
"""Of Paging these are for later: OData v2/v3, delta feeds, GraphQL, scroll and PIT, asynchronous jobs; single files
that are no JSON are refused in words. Parts of rows that are built nowhere: conditional requests (304 keeps the last
file), and smaller batches of IDs on 414 and 431, since nobody puts batches into an address."""


@cache
def told_in(path: str) -> dict[str, str]:
    """The tests of a file, and what they are about: their names and texts, and those of the tables beside them."""
    text = (TESTS / path).read_text(encoding="utf-8")
    module = ast.parse(text)
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    tables = [node for node in module.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    beside = "\n".join(_words(node) for node in tables)
    return {node.name: f"{node.name.replace('_', ' ')}\n{_words(node)}\n{beside}" for node in functions}


def _words(node: ast.AST) -> str:
    """Every text in it, each on one line."""
    texts = [found.value for found in ast.walk(node) if isinstance(found, ast.Constant)]
    return "\n".join(" ".join(str(text).split()) for text in texts)


@pytest.mark.parametrize(("table", "row"), [(table, row) for table, rows in ROWS.items() for row in rows])
def test_a_row_has_a_test_that_names_it(table: str, row: str) -> None:
    """All tests of its list are there, and the first says which row it is about."""
    for number, test in enumerate(ROWS[table][row]):
        path, _, name = test.partition("::")
        found = told_in(path)
        assert name in found, f"{test} is gone: which test shows row {row!r} of {table} now?"
        assert number or row.lower() in found[name].lower(), f"{test} does not name row {row!r} of {table}"
