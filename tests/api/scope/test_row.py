"""The scope row: what it says, and what is refused."""

from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given
from msgspec.structs import replace

from haulier.api.limits.governor import Governor, Phase
from haulier.api.scope.changes import (
    Beat,
    after_beat,
    after_leave,
    with_hold,
    with_limit,
    with_pause,
    with_pause_lifted,
)
from haulier.api.scope.orders import Hold, InFlightLimit
from haulier.api.scope.row import FORMAT, ScopeRow, decode, encode
from haulier.errors import HaulierError, NewerFormatError


def beat(name: str = "a", **changes: Any) -> Beat:
    given: dict[str, Any] = {
        "number": 1,
        "offer": 0,
        "in_flight": 4,
        "wants": True,
        "is_fixed": True,
        "keep_seconds": 9.0,
        "wall": 1_000.0,
    }
    return Beat(name=name, **(given | changes))


def test_newer_format_is_refused_in_words() -> None:
    """A row written by a newer haulier is left alone, and the error says what to do."""
    body = msgspec.json.encode({"v": FORMAT + 1, "members": "something else"})
    with pytest.raises(NewerFormatError, match="Upgrade haulier on this machine; nothing was changed"):
        decode(body)


@pytest.mark.parametrize("body", [b"", b"no row", b"[]", b'{"v": "x"}', b'{"v": 1, "members": 3}'])
def test_what_is_no_row_is_said(body: bytes) -> None:
    """Bytes that are no row are an error of ours, not of the JSON library."""
    with pytest.raises(HaulierError, match="cannot be read"):
        decode(body)


def test_nobody_wrote_yet() -> None:
    """No document is an empty row."""
    assert decode(None) == ScopeRow()


def test_round_trip() -> None:
    """A row comes out as it went in."""
    row = with_pause(after_beat(after_beat(ScopeRow(), beat("a")), beat("b", had_success=True)), 5.0, 7.0)
    assert decode(encode(row)) == row


def test_first_beat_takes_what_there_is() -> None:
    """Who comes first has the whole cap at once; who comes second has none until some is given back."""
    row = after_beat(after_beat(ScopeRow(), beat("a")), beat("b"))
    assert {name: one.share for name, one in row.members.items()} == {"a": 4, "b": 0}


def test_offer_is_kept_and_the_rest_goes_back() -> None:
    """A member keeps what it offers to keep, and no more than its target beyond that."""
    row = after_beat(after_beat(ScopeRow(), beat("a")), beat("b"))
    row = after_beat(row, beat("a", offer=3))
    assert row.members["a"].share == 3
    assert after_beat(row, beat("b")).members["b"].share == 1


def test_who_was_dropped_has_nothing_whatever_it_remembers() -> None:
    """A member that the others have dropped begins at 0, even if it believes that it holds a share."""
    row = after_beat(ScopeRow(), beat("a", offer=0))
    row = after_beat(row, beat("b", gone={"a": 1}))
    assert list(row.members) == ["b"]
    assert row.members["b"].share == 4
    row = after_beat(row, beat("a", number=2, offer=4))
    assert row.members["a"].share == 0
    # Others still believe that it fell silent at its first beat; that it came back at its second they can tell.
    assert "a" in after_beat(row, beat("c", gone={"a": 1})).members


def test_who_beat_in_between_is_neither_silent_nor_gone() -> None:
    """What a member believed of another counts only if the other has not beaten since."""
    row = after_beat(after_beat(ScopeRow(), beat("a")), beat("a", number=2, offer=4))
    row = after_beat(row, beat("b", silent={"a": 1}, gone={"a": 1}))
    assert {name: one.share for name, one in row.members.items()} == {"a": 4, "b": 0}


def test_leaving_with_requests_in_flight_keeps_their_places() -> None:
    """Who leaves in a hurry leaves what it has in flight taken."""
    row = after_leave(after_beat(ScopeRow(), beat("a")), "a", in_use=3)
    assert row.members["a"].share == 3
    assert after_leave(row, "a", in_use=0).members == {}
    assert after_leave(ScopeRow(), "nobody", in_use=2) == ScopeRow()


@given(
    pauses=st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e4)), min_size=1, max_size=8),
)
def test_pause_is_never_shortened(pauses: list[tuple[float, float]]) -> None:
    """G5: of all pauses the one that ends last counts, in whatever order they are written."""
    row = ScopeRow()
    for wall, seconds in pauses:
        before = row.pause_until
        row = with_pause(row, wall, seconds)
        assert row.pause_until >= before
    assert row.pause_until == max(wall + seconds for wall, seconds in pauses)


def test_beat_lengthens_a_pause_that_a_jump_of_the_wall_clock_shortened() -> None:
    """The clock was set forwards by an hour: whoever knows the pause writes what is left of it again."""
    row = with_pause(ScopeRow(), 1_000.0, 60.0)
    row = after_beat(row, beat(wall=4_610.0, pause_left=50.0))
    assert (row.pause_until, row.pause_seconds) == (4_660.0, 50.0)
    assert after_beat(row, beat(wall=4_611.0, pause_left=49.0)).pause_until == 4_660.0


def test_success_is_counted_by_beats() -> None:
    """A beat that had a success counts it once and says when; others leave it as it is."""
    row = after_beat(ScopeRow(), beat(had_success=True))
    row = after_beat(row, beat(wall=1_001.0))
    assert (row.successes, row.last_success_at) == (1, 1_000.0)


def test_first_member_begins_afresh_but_keeps_the_pause() -> None:
    """What an earlier run proved proves nothing of this one; what the API asked for still holds."""
    row = with_pause(after_beat(ScopeRow(), beat(had_success=True)), 1_000.0, 500.0)
    row = after_beat(after_leave(row, "a", 0), beat("b"))
    assert (row.successes, row.pause_until) == (0, 1_500.0)


@pytest.mark.parametrize("is_killed", [False, True])
def test_first_member_begins_near_what_was_borne(is_killed: bool) -> None:
    """However the members of before ended, what they found out stands in the row."""
    row = after_beat(ScopeRow(), beat("a", in_flight=100, is_fixed=False))
    row = replace(row, governor=Governor(limit=80.0, phase=Phase.STEADY))
    if not is_killed:
        row = after_leave(row, "a", 0)
    row = after_beat(row, beat("b", in_flight=100, is_fixed=False, wall=2_000.0, gone={"a": 1}))
    assert (row.members["b"].share, row.governor.borne, row.governor.borne_at) == (40, 80.0, 1_000.0)


def test_fixed_member_neither_uses_nor_loses_what_was_borne() -> None:
    """A run with `--fixed` between two others."""
    row = after_leave(
        replace(ScopeRow(beat_at=1_000.0), governor=Governor(limit=80.0, phase=Phase.STEADY)), "nobody", 0
    )
    row = after_beat(row, beat("a", in_flight=100, wall=2_000.0))
    assert row.members["a"].share == 100
    row = after_beat(after_leave(row, "a", 0), beat("b", in_flight=100, is_fixed=False, wall=3_000.0))
    assert row.members["b"].share == 40


def test_orders_outlive_the_members_and_the_first_hold_stays() -> None:
    """What a person ordered is there for whoever comes next. Two people pause: the first one's words stay. An older
    haulier, which would drop the orders with its next beat, refuses a row that has some."""
    first, second = (Hold(by=name, since=1.0) for name in ("ann@host", "bob@host"))
    row = after_beat(ScopeRow(), beat("a"))
    assert row.v == 1
    row = with_limit(with_hold(with_hold(row, first), second), InFlightLimit(in_flight=2, by="ann@host", since=1.0))
    row = after_beat(after_leave(row, "a", 0), beat("b", number=1))
    assert (row.held, row.members["b"].share, row.v) == (first, 2, FORMAT)
    assert decode(encode(row)) == row
    lifted = with_pause_lifted(row, 5.0)
    assert (lifted.held, lifted.limit, lifted.v) == (None, row.limit, FORMAT)
    assert with_limit(lifted, None).v == 1


@pytest.mark.parametrize(("is_found", "phase"), [(False, Phase.STARTING), (True, Phase.STEADY)])
def test_a_raised_limit_lets_the_governor_double_again_unless_the_api_had_stopped_it(
    is_found: bool, phase: Phase
) -> None:
    row = ScopeRow(governor=Governor(limit=4.0, phase=Phase.STEADY, is_found=is_found))
    assert with_limit(row, InFlightLimit(in_flight=32, by="ann@host", since=1.0)).governor.phase is phase
