"""The keyed queue: once each, again when added while running, sooner of two appointments."""

import asyncio

from reconciler.queue import KeyQueue


async def take(queue: KeyQueue) -> str:
    return await asyncio.wait_for(queue.take(), 1)


async def test_a_key_waits_once() -> None:
    queue = KeyQueue()
    queue.add_all(["a", "b", "a"])
    assert [await take(queue), await take(queue)] == ["a", "b"]
    queue.done("a")
    queue.done("b")
    assert queue.idle


async def test_added_while_running_runs_once_more() -> None:
    queue = KeyQueue()
    queue.add("a")
    await take(queue)
    queue.add("a")
    queue.add("a")
    assert queue.pending("a")
    queue.done("a")
    assert await take(queue) == "a"
    queue.done("a")
    assert queue.idle


async def test_two_workers_never_have_the_same_key() -> None:
    queue = KeyQueue()
    queue.add("a")
    await take(queue)
    queue.add("a")
    second = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not second.done()
    queue.done("a")
    assert await asyncio.wait_for(second, 1) == "a"


async def test_the_sooner_appointment_holds() -> None:
    queue = KeyQueue()
    queue.add_after("a", 0.01)
    queue.add_after("a", 60)
    assert await take(queue) == "a"


async def test_adding_clears_an_appointment() -> None:
    queue = KeyQueue()
    queue.add_after("a", 0.01)
    queue.add("a")
    assert await take(queue) == "a"
    queue.done("a")
    await asyncio.sleep(0.03)
    assert queue.idle
