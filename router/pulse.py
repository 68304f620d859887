"""Whether a process answers, asked so that a busy Headgate or a suspended machine does not count against it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from spec.errors import TransientError

PROBE_S = 2.0
"""Seconds between questions."""
UNRESPONSIVE_S = 10.0
"""Seconds of silence after which it counts as not running."""
HUNG_S = 30.0
"""Seconds of silence after which it is not waited for any longer; a start with 20,000 endpoints takes 5 of them."""


class Pulse:
    """Asks again and again; the earlier questions stay open, so that a late answer to any of them is one.

    `ask` gets how long it may wait at most, and raises `TransientError`.
    """

    def __init__(self, ask: Callable[[float], Awaitable[object]]) -> None:
        self._ask = ask
        self._open: set[asyncio.Task[None]] = set()
        self._silence = 0.0

    async def beat(self) -> float:
        """Ask once more, and return for how many seconds nobody has answered or refused; 0: somebody just did."""
        loop = asyncio.get_running_loop()
        if not self._silence:
            await asyncio.sleep(PROBE_S)
        began = loop.time()
        self._open.add(asyncio.create_task(self._asked()))
        done, self._open = await asyncio.wait(self._open, timeout=PROBE_S, return_when=asyncio.FIRST_COMPLETED)
        if done:
            self._silence = 0.0
        elif loop.time() - began < 2 * PROBE_S:
            self._silence += PROBE_S
        else:
            # Headgate was late itself, and answers may lie unread.
            self.close()
        return self._silence

    def close(self) -> None:
        """Give up the open questions."""
        for question in self._open:
            question.cancel()
        self._open = set()

    async def _asked(self) -> None:
        with suppress(TransientError):
            await self._ask(3 * HUNG_S)
