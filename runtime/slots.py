"""So many things at a time; of those that wait the smallest goes first."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

GATHERING = 0.25
"""Seconds that pass before a free slot is given, so that what comes together is put in order."""


class Slots:
    """A semaphore whose waiters are ordered by size, and by their coming where sizes are equal."""

    def __init__(self, count: int, *, gathering: float = GATHERING) -> None:
        self._free = count
        self._gathering = gathering
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._came = 0

    @asynccontextmanager
    async def held(self, size: int, waits: Callable[[], None]) -> AsyncIterator[None]:
        """Hold a slot for the block; `waits` is called once if others are before this one."""
        await self._enter(size, waits)
        try:
            yield
        finally:
            self._free += 1
            self._grant()

    async def _enter(self, size: int, waits: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._came += 1
        heapq.heappush(self._waiting, (size, self._came, turn))
        loop.call_later(self._gathering, self._grant)
        try:
            with suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(turn), 2 * self._gathering)
            waits()
            await turn
        except asyncio.CancelledError:
            self._give_back(turn)
            raise

    def _give_back(self, turn: "asyncio.Future[None]") -> None:
        """Of one who was cancelled: its slot, if it was given one at that very moment."""
        if turn.done() and not turn.cancelled():
            self._free += 1
            self._grant()
        turn.cancel()

    def _grant(self) -> None:
        while self._free and self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self._free -= 1
                turn.set_result(None)
