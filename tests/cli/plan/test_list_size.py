"""What the first page of a list says of the rest: never less than is known."""

from __future__ import annotations

import pytest

from haulier.cli.plan.list_size import leaves, list_records, list_requests
from haulier.cli.plan.sample import SampledPage
from haulier.cli.plan.uncertain import Uncertain, at_least, exactly


def page(**fields: int | bool | None) -> SampledPage:
    return SampledPage(item="items-1", **{"records": 100, "size": 100, "most": 100, "requests": 1} | fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "requests", "records"),
    [
        (page(), exactly(1), exactly(100)),
        (page(records=0), exactly(1), exactly(0)),
        (page(has_more=True), at_least(2), at_least(100)),
        (page(has_more=True, total=950, is_total_exact=True), exactly(10), exactly(950)),
        (page(has_more=True, total=950, is_total_exact=True, looks_behind_full_end=True), exactly(10), exactly(950)),
        (page(has_more=True, total=900, is_total_exact=True, looks_behind_full_end=True), exactly(10), exactly(900)),
        (page(total=100, is_total_exact=True, looks_behind_full_end=True), exactly(2), exactly(100)),
        (page(has_more=True, total=950), at_least(2, 10), at_least(100, 950)),
        (page(has_more=True, total=950, is_total_least=True), at_least(10), at_least(950)),
        (page(has_more=True, total=700, is_total_exact=True, beside_requests=2), exactly(9), exactly(700)),
        (page(has_more=True, extra_requests=2), at_least(4), at_least(100)),
        (page(has_more=True, records=7, extra_requests=2), exactly(3), exactly(7)),
        (page(is_known=False, requests=2), at_least(2), at_least(100)),
    ],
    ids=[
        *(
            "one page",
            "empty",
            "more",
            "exact total",
            "short last page",
            "full last page",
            "full only page",
            "estimate",
        ),
        *(
            "so many or more",
            "more beside the pages",
            "ends by empty pages",
            "a short page before empty ones",
            "a processor's own",
        ),
    ],
)
def test_a_list_is_told_by_its_first_page(first: SampledPage, requests: Uncertain, records: Uncertain) -> None:
    assert list_requests(first) == requests
    assert list_records(first) == records


def test_a_list_above_the_cap_is_divided() -> None:
    """In halves, each of which takes a request: 950 records and a cap of 300 are 4 items behind 3 that are divided."""
    first = page(has_more=True, total=950, is_total_exact=True, cap=300)
    assert leaves(first) == at_least(4, 4)
    assert list_requests(first) == at_least(11, 3 + 4 * 3)
    assert leaves(page(has_more=True, total=300, is_total_exact=True, cap=300)) == exactly(1)
