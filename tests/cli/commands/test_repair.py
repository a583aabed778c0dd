"""`haulier repair`: what it says, and when it refuses."""

from __future__ import annotations

from tests.cli.conftest import Place


def test_repair_says_what_it_sent(shop: Place) -> None:
    """First what it would send, then what it sent; and then there is nothing to be sent any more."""
    assert shop.run("enqueue").code == 0
    planned = shop.run("status", "--json").json["planned"]
    said = shop.run("repair")
    assert (said.code, f"{planned} items of run" in said.err, "none is lost" in said.err) == (0, True, True)
    assert shop.run("clear").code == 0
    said = shop.run("repair", "--dry-run", "--json")
    assert (said.json["state"], said.json["missing"], said.json["lost"], said.json["sent"]) == (
        "open",
        planned,
        planned,
        0,
    )
    assert "would be sent" in said.err
    said = shop.run("repair", "--json")
    assert (said.json["sent"], said.json["is_exact"]) == (planned, True)
    assert "not ended, and not on the queue" in said.err
    assert "Work them with: haulier work" in said.err
    assert shop.run("run").code == 0


def test_repair_refuses_a_run_that_is_closed(shop: Place) -> None:
    """In words, with the command that helps; exit code 2."""
    assert shop.run("run").code == 0
    said = shop.run("repair")
    assert said.code == 2
    assert "is complete, which is final" in said.err
    assert "starts a new run" in said.err


def test_repair_wants_a_queue_that_others_see(shop: Place) -> None:
    """A queue in memory is another one for each command."""
    assert shop.run("enqueue").code == 0
    said = shop.run("repair", "--queue", "memory")
    assert (said.code, "cannot be shared between processes" in said.err) == (2, True)
