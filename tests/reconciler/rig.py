"""A reconciler on ports in memory and a real store, started and killed as often as a test likes."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from ports import MemoryExaminer, MemoryMetrics, MemoryRouter, MemoryRuntime, MemorySource, until

from reconciler.access import Access
from reconciler.clock import Clock, SystemClock
from reconciler.loop import Reconciler
from reconciler.ports import Examiner
from reconciler.store import Store


class Rig:
    """One reconciler at a time on ports that outlive it, as Envoy, replicas and the disk do."""

    def __init__(self, folder: Path) -> None:
        self.source, self.router, self.runtime = MemorySource(), MemoryRouter(), MemoryRuntime()
        self.metrics = MemoryMetrics()
        self.examiner: Examiner = MemoryExaminer()
        self.clock: Clock = SystemClock()
        self.url = f"sqlite:///{folder / 'memory.db'}"
        self.reconciler: Reconciler | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> Reconciler:
        store = Store(self.url)
        store.migrate()
        self.reconciler = Reconciler(
            source=self.source,
            router=self.router,
            runtime=self.runtime,
            store=store,
            access=Access(store),
            clock=self.clock,
            metrics=self.metrics,
            examiner=self.examiner,
        )
        await self.reconciler.restore()
        self._task = asyncio.create_task(self.reconciler.run())
        return self.reconciler

    async def kill(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self.reconciler:
            self.reconciler.store.close()
        self.router.forget_subscribers()
        self.runtime.forget_subscribers()
        self.metrics.forget_subscribers()

    def status(self, name: str) -> str:
        memory = self.reconciler.memories.get(name) if self.reconciler else None
        ready = [found for found in memory.conditions if found.type == "Ready"] if memory else []
        return f"{ready[0].status} {ready[0].reason}" if ready else "absent"

    async def until(self, condition: Callable[[], bool]) -> None:
        await until(
            condition,
            lambda: self.reconciler and [(m.phase, m.conditions) for m in self.reconciler.memories.values()],
        )
