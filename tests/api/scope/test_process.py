"""What is said about a process: gone only if it surely is."""

import subprocess
import sys

import pytest

from haulier.api.scope.process import is_gone, this_process

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells; elsewhere nobody is ever said to be gone"
)

CHILD = "from haulier.api.scope.process import this_process; print(this_process(), flush=True); input()"


def test_the_living_are_not_gone() -> None:
    """This process is here."""
    assert this_process()
    assert not is_gone(this_process())


def test_the_dead_are_gone_collected_or_not() -> None:
    """A process that was killed is gone, even while its parent has not collected it."""
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        mark = child.stdout.readline().strip()
        assert not is_gone(mark)
        child.kill()
        child.stdout.read()
        while not is_gone(mark):
            pass  # The pipe closes a moment before the process has ended; the test's time limit ends a failure.
    assert is_gone(mark)


@pytest.mark.parametrize("mark", ["", "another-boot/{process}", "{place}/", "{place}/x:1", "no mark at all"])
def test_doubt_is_not_gone(mark: str) -> None:
    """Another machine's or container's process, or a mark that nobody understands: nobody is said to be gone."""
    place, _, process = this_process().rpartition("/")
    assert not is_gone(mark.format(place=place, process=process))


def test_an_id_used_again_is_another_process() -> None:
    """The same number with another start time is not the same process."""
    place, _, process = this_process().rpartition("/")
    assert is_gone(f"{place}/{process.partition(':')[0]}:1")
