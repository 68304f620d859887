"""A queue of keys: each at most once; a key added while it runs runs once more."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable


class KeyQueue:
    """Keys in the order in which they were first added. For one event loop."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, None] = OrderedDict()
        self._running: set[str] = set()
        self._again: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._added = asyncio.Event()

    def add(self, key: str) -> None:
        """Let the key run as soon as there is a worker; clears a later appointment."""
        self._cancel(key)
        if key in self._running:
            self._again.add(key)
            return
        self._waiting[key] = None
        self._added.set()

    def add_all(self, keys: Iterable[str]) -> None:
        """Add several keys."""
        for key in keys:
            self.add(key)

    def add_after(self, key: str, seconds: float) -> None:
        """Let the key run after a delay, unless something adds it sooner; the sooner of two appointments holds."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= loop.time() + seconds:
            return
        self._cancel(key)
        self._timers[key] = loop.call_later(max(0.0, seconds), self.add, key)

    async def take(self) -> str:
        """The next key; it counts as running until `done`."""
        while not self._waiting:
            self._added.clear()
            await self._added.wait()
        key, _ = self._waiting.popitem(last=False)
        self._running.add(key)
        return key

    def done(self, key: str) -> None:
        """End the key's run; if it was added meanwhile it waits again."""
        self._running.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def pending(self, key: str) -> bool:
        """Whether the key waits or runs (an appointment does not count)."""
        return key in self._waiting or key in self._running

    @property
    def idle(self) -> bool:
        """Whether no key waits or runs."""
        return not self._waiting and not self._running

    def close(self) -> None:
        """Cancel all appointments."""
        for key in list(self._timers):
            self._cancel(key)

    def _cancel(self, key: str) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
