"""A coroutine in a thread of its own, from `with` to its end."""

import asyncio
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

PATIENCE_S = 60.0
"""How long the end of the block waits for the coroutine's."""


@dataclass
class Background(ABC):
    """Runs `_run` until `_stop` is set, which the end of the block does."""

    _stop: threading.Event = field(default_factory=threading.Event, kw_only=True)
    _thread: threading.Thread | None = field(default=None, kw_only=True)

    @abstractmethod
    async def _run(self) -> None:
        """What runs."""

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(PATIENCE_S)
