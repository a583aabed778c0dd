"""What a member tells the governor: samples of its answers, and when it has enough of them for the next step."""

from multidict import CIMultiDict, CIMultiDictProxy

from haulier.api.http.transport import Response
from haulier.api.limits.governor import Governor, Phase
from haulier.api.scope.beat_report import MAX_CLASS_SAMPLES, BeatReport

HEADERS = CIMultiDictProxy(CIMultiDict[str]())


def answer(report: BeatReport, now: float, seconds: float = 0.5) -> bool:
    """A good answer that came now to a request sent so long ago; whether the next step is due."""
    response = Response(200, HEADERS, b"", first_byte_seconds=seconds, seconds=seconds)
    return report.note_success(response, now, is_first_page=True)


def seeing(governor: Governor, part: float = 1.0, now: float = 10.0) -> BeatReport:
    report = BeatReport()
    report.see(governor, now, part)
    return report


def test_step_is_due_with_an_answer_for_each_place() -> None:
    """While it starts, as many answers as the limit are told of at once."""
    report = seeing(Governor(limit=8.0))
    assert [answer(report, 11.0) for _ in range(8)] == [False] * 7 + [True]


def test_step_is_due_with_its_own_part() -> None:
    """One of four members does not wait for the answers of the others, which it never sees."""
    report = seeing(Governor(limit=8.0), part=0.25)
    assert [answer(report, 11.0) for _ in range(2)] == [False, True]


def test_step_is_due_with_what_is_missing() -> None:
    """What others have told of already is not waited for."""
    report = seeing(Governor(limit=8.0, seen=5))
    assert [answer(report, 11.0) for _ in range(3)] == [False, False, True]


def test_no_step_is_in_a_hurry_later_or_where_nothing_is_governed() -> None:
    """With `--fixed` no beat but the regular ones is made, however many answers there are."""
    for report in (seeing(Governor(phase=Phase.STEADY)), seeing(Governor(), part=0.0)):
        assert not any(answer(report, 11.0) for _ in range(500))


def test_answers_to_requests_of_an_earlier_limit_do_not_count() -> None:
    """They met another load."""
    report = seeing(Governor(limit=1.0), now=10.0)
    assert not answer(report, 10.4, seconds=0.5)
    assert report.take_report().samples == {}
    assert answer(report, 10.6, seconds=0.5)


def test_what_went_out_while_the_step_was_made_counts() -> None:
    """A beat takes some milliseconds, in which every answer sends the next request: those meet the load of now."""
    report = seeing(Governor(limit=1.0), now=10.0)
    assert not answer(report, 10.44, seconds=0.5)
    assert answer(report, 10.46, seconds=0.5)


def test_many_answers_are_told_of_by_samples() -> None:
    """The row has no room for all: those that are kept are spread over all of them, the last ones too."""
    report = seeing(Governor(limit=256.0))
    for number in range(256):
        answer(report, 20.0, seconds=0.1 + number / 1_000)
    told = report.take_report()
    samples = told.samples["first"]
    assert MAX_CLASS_SAMPLES / 2 <= len(samples) <= MAX_CLASS_SAMPLES
    assert len(samples) * told.each == 256
    assert samples[-1] >= 0.34
    assert report.take_report().each == 1


def test_member_that_is_behind_follows_a_step_of_the_start() -> None:
    """Another member's step is followed at once; later on the next beat is soon enough."""
    report = seeing(Governor(epoch=1))
    assert not report.is_behind(Governor(epoch=1))
    assert report.is_behind(Governor(epoch=2))
    assert not report.is_behind(Governor(epoch=2, phase=Phase.STEADY))
