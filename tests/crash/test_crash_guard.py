"""G4 in real processes: an item that kills its worker is poisoned for that, and for nothing that only looks like it."""

from __future__ import annotations

import os
import signal

import pytest

from haulier.worker.settings import MAX_CRASHES, SILENT_DELIVERIES
from tests.crash.stand import Stand, is_alive, until

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(240)]

LEASE = ("--lease", "1")


def enqueue(stand: Stand, *deeds: str) -> None:
    (stand.folder / "deeds").write_text(" ".join(deeds))
    assert stand.call("enqueue") == 0


def test_an_item_that_kills_its_process_is_poisoned_while_its_neighbours_end_done(stand: Stand) -> None:
    """Workers of the fleet die over it until it has cost five, then it runs alone, and three deaths are seen."""
    enqueue(stand, "kill_1", "good_1", "good_2", "good_3", "good_4")
    stand.kill_silently(SILENT_DELIVERIES - 2, "kill_1")
    code, said = stand.run("run", "--workers", "2", *LEASE)
    assert code == 3, said
    assert stand.lines() == [b'{"name":"good_%d"}' % number for number in (1, 2, 3, 4)]
    assert {name: record["reason"] for name, record in stand.poison().items()} == {"kill_1": "crashed"}
    # On a machine so busy that a lease ran out, two workers may have been witnesses of the last one.
    assert min(stand.crashes().values()) >= MAX_CRASHES
    assert len(stand.workings("kill_1")) >= 2 + MAX_CRASHES
    assert "A worker ended (killed by SIGKILL); another takes its place." in said


def test_however_the_process_ends(stand: Stand) -> None:
    """An exit code, a segmentation fault, `sys.exit`: alone by now, so that one worker does it all and lives on."""
    enqueue(stand, "exit_1", "fault_1", "leave_1", "good_1")
    stand.kill_silently(SILENT_DELIVERIES, "exit_1", "fault_1", "leave_1")
    code, said = stand.run("run", *LEASE)
    assert code == 3, said
    assert stand.lines() == [b'{"name":"good_1"}']
    assert {record["reason"] for record in stand.poison().values()} == {"crashed"}
    assert sorted(stand.poison()) == ["exit_1", "fault_1", "leave_1"]
    assert len(stand.crashes()) == 3
    assert min(stand.crashes().values()) >= MAX_CRASHES


def kill_at_work(stand: Stand, *, alone: bool) -> None:
    """Start a worker, and kill it once it, or a subprocess of it, has turned to the item."""
    so_far = len(stand.workings("wait_hard"))
    worker = stand.start("work", *LEASE)
    until(lambda: len(stand.workings("wait_hard")) > so_far)
    process, parent = stand.workings("wait_hard")[-1]
    assert (parent if alone else process) == worker.pid
    os.killpg(worker.pid, signal.SIGKILL)
    stand.end(worker)
    until(lambda: not is_alive(process))
    stand.forget_members()


def test_ten_kills_of_workers_that_hold_an_item_never_poison_it(stand: Stand) -> None:
    """Deaths without a witness, of a worker or of one whose item runs alone: the item is innocent, and ends done.

    Children whose workers died end too, though their event loop is blocked."""
    enqueue(stand, "wait_hard")
    stand.kill_silently(SILENT_DELIVERIES - 1, "wait_hard")
    kill_at_work(stand, alone=False)
    kill_at_work(stand, alone=True)
    stand.kill_silently(2, "wait_hard")
    kill_at_work(stand, alone=True)
    kill_at_work(stand, alone=True)
    (stand.folder / "go").touch()
    assert stand.call("run", *LEASE) == 0
    assert stand.lines() == [b'{"name":"wait_hard"}']
    assert (stand.poison(), stand.crashes()) == ({}, {})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_to_the_subprocess_never_count(stand: Stand, number: signal.Signals) -> None:
    """To the child alone: its worker goes on, and so does the item."""
    enqueue(stand, "wait_soft")
    stand.kill_silently(SILENT_DELIVERIES, "wait_soft")
    worker = stand.start("run", *LEASE)
    until(lambda: stand.workings("wait_soft"))
    ((process, parent),) = stand.workings("wait_soft")
    assert parent == worker.pid
    os.kill(process, number)
    until(lambda: len(stand.workings("wait_soft")) > 1)
    (stand.folder / "go").touch()
    code, said = stand.end(worker)
    assert code == 0, said
    assert stand.lines() == [b'{"name":"wait_soft"}']
    assert (stand.poison(), stand.crashes()) == ({}, {})


def test_a_drain_ends_the_subprocess_too(stand: Stand) -> None:
    """The item goes back at once, uncounted; nothing of it is left running."""
    enqueue(stand, "wait_hard")
    stand.kill_silently(SILENT_DELIVERIES, "wait_hard")
    worker = stand.start("work", *LEASE, "--grace", "0.2")
    until(lambda: stand.workings("wait_hard"))
    ((process, _),) = stand.workings("wait_hard")
    worker.send_signal(signal.SIGTERM)
    code, said = stand.end(worker)
    assert code == 4, said
    assert not is_alive(process)
    assert (stand.depth().ready, stand.depth().leased) == (1, 0)
    assert stand.crashes() == {}


def test_a_worker_whose_event_loop_is_blocked_for_a_lease_ends(stand: Stand) -> None:
    """Its items are another's by then. For half a lease it goes on, and nothing is lost."""
    enqueue(stand, "block_6", "block_60")
    code, said = stand.run("work", *LEASE)
    assert code == 1, said
    assert "the event loop hangs; this worker ends" in said
    assert len(stand.workings("block_60")) == 1
