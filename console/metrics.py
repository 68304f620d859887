"""Live metrics for the reconciler: what Envoy reports of endpoints in a move, counted and told."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from observability.evidence import Reading
from observability.tallies import Tallies
from reconciler.clock import Clock
from router.attempts import Attempt

QUIET_S: Final = 0.25
"""Seconds between two calls about the same endpoint, at least."""


class LiveMetrics:
    """The `Metrics` port on Envoy's evidence. `connected`: whether an Envoy is there whose evidence would come."""

    def __init__(self, epoch: str, clock: Clock, connected: Callable[[], bool]) -> None:
        self.tallies = Tallies(epoch)
        self._clock = clock
        self._connected = connected
        self._subscribers: list[Callable[[str], None]] = []
        self._quiet: dict[str, bool] = {}
        """Endpoints called about less than `QUIET_S` ago → whether there is more to tell since."""

    def reading(self, endpoint: str) -> Reading | None:
        """Return the endpoint's counters; None while no Envoy is connected, which is not the same as no requests."""
        return self.tallies.reading(endpoint, self._clock.now()) if self._connected() else None

    def subscribe(self, changed: Callable[[str], None]) -> None:
        """Call `changed(endpoint)` on the event loop when there are new attempts, at most every `QUIET_S`."""
        self._subscribers.append(changed)

    def heard(self, batch: Sequence[Attempt]) -> None:
        """Count a batch and tell who subscribed; must run on the event loop."""
        for endpoint in self.tallies.count(batch, self._clock.now()):
            if endpoint in self._quiet:
                self._quiet[endpoint] = True
            else:
                self._tell(endpoint)

    def _tell(self, endpoint: str) -> None:
        self._quiet[endpoint] = False
        asyncio.get_running_loop().call_later(QUIET_S, self._again, endpoint)
        for changed in self._subscribers:
            changed(endpoint)

    def _again(self, endpoint: str) -> None:
        if self._quiet.pop(endpoint):
            self._tell(endpoint)
