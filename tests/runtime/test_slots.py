"""Whose turn it is."""

import asyncio

import pytest

from runtime.slots import Slots


async def run(slots: Slots, name: str, size: int, told: list[str], *, seconds: float = 0.02) -> None:
    async with slots.held(size, lambda: told.append(f"{name} waits")):
        told.append(name)
        await asyncio.sleep(seconds)


async def test_of_those_that_come_together_the_smallest_is_first() -> None:
    slots, told = Slots(1, gathering=0.02), list[str]()
    await asyncio.gather(*(run(slots, f"{size}", size, told, seconds=0.05) for size in (9, 5, 1, 7)))
    assert [name for name in told if "waits" not in name] == ["1", "5", "7", "9"]
    assert "1 waits" not in told
    assert told.count("9 waits") == 1


async def test_so_many_at_a_time_and_equals_as_they_came() -> None:
    slots, most, now, order = Slots(2, gathering=0.01), 0, 0, []

    async def one(number: int) -> None:
        nonlocal most, now
        async with slots.held(3, lambda: None):
            now += 1
            most = max(most, now)
            order.append(number)
            await asyncio.sleep(0.01)
            now -= 1

    await asyncio.gather(*map(one, range(7)))
    assert (most, order) == (2, list(range(7)))


@pytest.mark.parametrize("seconds", [0.005, 0.05], ids=["before its turn", "while it waits"])
async def test_one_that_is_cancelled_takes_no_slot_with_it(seconds: float) -> None:
    slots, told = Slots(1, gathering=0.01), list[str]()
    holder = asyncio.create_task(run(slots, "holder", 1, told, seconds=0.1))
    gone = asyncio.create_task(run(slots, "gone", 2, told))
    await asyncio.sleep(seconds)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await holder
    await asyncio.wait_for(run(slots, "last", 3, told), 5)
    assert [name for name in told if "waits" not in name] == ["holder", "last"]


async def test_one_that_is_cancelled_as_its_turn_comes_gives_it_back() -> None:
    slots, told = Slots(1, gathering=0.0), list[str]()
    gone = asyncio.create_task(run(slots, "gone", 1, told))
    await asyncio.sleep(0)
    slots._grant()  # noqa: SLF001
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await asyncio.wait_for(run(slots, "last", 3, told), 5)
    assert "gone" not in told
    assert told[-1] == "last"


async def test_a_fault_within_gives_it_back() -> None:
    slots = Slots(1, gathering=0.01)
    with pytest.raises(ValueError, match="broken"):
        async with slots.held(1, lambda: None):
            raise ValueError("broken")
    await asyncio.wait_for(run(slots, "last", 3, []), 5)
