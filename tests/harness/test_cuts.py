"""The cuts themselves (`tests.harness.cuts.calls`): a dead process does nothing more, and a halted one waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.harness.cuts.calls import Cut, Cuts, Halt, every_cut


class Part:
    """Something that has calls, as a lake or a transport has."""

    size = 3

    def __init__(self) -> None:
        self.done: list[str] = []

    async def act(self, name: str) -> str:
        self.done.append(name)
        return name

    async def open(self) -> Part:
        return self

    async def close(self, part: Part) -> None:
        assert type(part) is Part
        self.done.append("closed")

    async def fail(self) -> None:
        raise ValueError("no")

    async def walk(self) -> AsyncIterator[int]:
        yield 1
        yield 2

    def plain(self) -> int:
        return 7


async def process(part: Part) -> str:
    """Five calls, with the clean-up that a killed process never does."""
    try:
        await part.act("a")
        own = await part.open()
        await own.act("b")
        async for number in part.walk():
            assert number
    finally:
        await part.act("clean up")
    return "ended"


async def test_a_process_without_a_cut_is_counted() -> None:
    """All else is the part's own: plain calls, attributes, and errors."""
    part, cuts = Part(), Cuts()
    wrapped = cuts.wrap(part)
    assert await cuts.run(process(wrapped)) == "ended"
    assert cuts.calls == ["Part.act", "Part.open", "Part.act", "Part.walk", "Part.act"]
    assert (wrapped.plain(), wrapped.size, cuts.is_dead) == (7, 3, False)
    with pytest.raises(ValueError, match="no"):
        await cuts.run(wrapped.fail())


@pytest.mark.parametrize(
    ("cut", "done"),
    [
        (Cut(1), []),
        (Cut(1, is_after=True), ["a"]),
        (Cut(3), ["a"]),
        (Cut("Part.open", is_after=True), ["a"]),
        (Cut(4), ["a", "b"]),
        (Cut("Part.walk", is_after=True), ["a", "b"]),
        (Cut(5, is_after=True), ["a", "b", "clean up"]),
    ],
)
async def test_nothing_is_done_after_the_cut(cut: Cut, done: list[str]) -> None:
    """No `finally`, no `except Exception`, and no task beside the one that was cut."""
    part, cuts = Part(), Cuts(cut)
    wrapped = cuts.wrap(part)
    assert await cuts.run(process(wrapped)) is None
    assert cuts.is_dead
    assert await cuts.run(wrapped.act("from the grave")) is None
    assert part.done == done


async def test_a_cut_comes_out_of_a_task_group() -> None:
    """A group wraps what its tasks raise; the process is dead all the same."""
    part, cuts = Part(), Cuts(Cut(2))
    wrapped = cuts.wrap(part)

    async def several() -> None:
        async with asyncio.TaskGroup() as group:
            for name in "abc":
                group.create_task(wrapped.act(name))

    await cuts.run(several())
    assert cuts.is_dead
    assert part.done == ["a"]


async def test_a_part_that_goes_back_is_unwrapped() -> None:
    """A lake takes the spools that it opened, and no stand-ins."""
    part, cuts = Part(), Cuts()
    wrapped = cuts.wrap(part)
    await wrapped.close(await wrapped.open())
    assert part.done == ["closed"]


async def test_every_cut_of_a_process() -> None:
    """One before each call, and one after the last."""
    whole = Cuts()
    await process(whole.wrap(Part()))
    assert list(every_cut(whole)) == [Cut(1), Cut(2), Cut(3), Cut(4), Cut(5), Cut(5, is_after=True)]


async def test_a_halted_process_waits_until_it_is_released() -> None:
    """The others go on meanwhile; a process that never comes so far is told of."""
    part, halt = Part(), Halt(Cut(3))
    running = asyncio.create_task(process(Cuts(on_call=halt).wrap(part)))
    assert await halt.reached(running)
    await part.act("another's")
    halt.release()
    assert await running == "ended"
    assert part.done == ["a", "another's", "b", "clean up"]
    ended = asyncio.create_task(process(Part()))
    assert not await Halt(Cut(99)).reached(ended)
