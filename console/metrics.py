"""Live metrics for the reconciler: what Envoy reports of endpoints in a move, counted and told."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from observability.evidence import Reading
from observability.losses import Look, Losses
from observability.tallies import Tallies
from reconciler.clock import Clock
from router.attempts import Attempt

log = logging.getLogger(__name__)

QUIET_S: Final = 0.25
"""Seconds between two calls about the same endpoint, at least."""


class LiveMetrics:
    """The `Metrics` port on Envoy's evidence. `connected`: whether an Envoy is there whose evidence would come."""

    def __init__(self, epoch: str, clock: Clock, connected: Callable[[], bool]) -> None:
        self.tallies = Tallies(epoch)
        self._clock = clock
        self._connected = connected
        self._subscribers: list[Callable[[str], None]] = []
        self._losses = Losses()
        self._quiet: dict[str, bool] = {}
        """Endpoints called about less than `QUIET_S` ago → whether there is more to tell since."""

    def reading(self, endpoint: str) -> Reading | None:
        """Return the endpoint's counters; None while no evidence can come, which is not the same as no requests."""
        if self._losses.deaf or not self._connected():
            return None
        return self.tallies.reading(endpoint, self._clock.now())

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

    def audit(self, sent: int, received: int) -> None:
        """Compare what Envoy has sent with what came, both counted in entries, and warn of what is lost."""
        lost = self._losses.compare(Look(sent, received))
        if lost:
            log.warning(
                "%d entries of evidence were lost between Envoy and Headgate (%d received so far); "
                "counts of moving endpoints are too low by as many",
                lost,
                received,
            )

    def _tell(self, endpoint: str) -> None:
        self._quiet[endpoint] = False
        asyncio.get_running_loop().call_later(QUIET_S, self._again, endpoint)
        for changed in self._subscribers:
            changed(endpoint)

    def _again(self, endpoint: str) -> None:
        if self._quiet.pop(endpoint):
            self._tell(endpoint)
