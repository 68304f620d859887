"""What the source does, told while Headgate runs: unreadable and why, readable again, and each commit read."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from console.screen import short
from observability.events import Event, EventType
from reconciler.loop import Reconciler
from spec.catalog import Catalog

LOOK_S = 1.0
"""Seconds between looks: the source itself tells nobody that it failed."""
log = logging.getLogger(__name__)


@dataclass
class SourceNews:
    """Tells every change of the source's state once, to the screen and to the log."""

    reconciler: Reconciler
    report: Callable[[Event], None]
    _problem: str | None = None
    _commit: str | None = None

    async def follow(self) -> None:
        """Tell until cancelled."""
        while True:
            self.tell()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.reconciler.changed(self.reconciler.revision), LOOK_S)

    def tell(self) -> None:
        """Tell what has changed since the last call."""
        seen = self.reconciler.source.seen()
        before, self._problem = self._problem, seen.problem
        if seen.problem and seen.problem != before:
            self._say("SourceUnreadable", f"{seen.problem.rstrip('. ')}. {self._meanwhile()}", EventType.WARNING)
        if before and not seen.problem:
            self._say("SourceReadable", f"at commit {short(seen.attempted)}")
        catalog = self.reconciler.catalog
        if catalog is not None and catalog.commit != self._commit:
            self._commit = catalog.commit
            self._say("CommitRead", summary(catalog), _kind(catalog))

    def _meanwhile(self) -> str:
        if self.reconciler.catalog is not None or self.reconciler.memories:
            return "What is live goes on; Headgate looks again by itself, and at once with `headgate sync`."
        return (
            "Nothing could be read yet, so nothing is served. Mend it, or stop with Ctrl-C and name another "
            "repository; Headgate looks again by itself, and at once with `headgate sync`."
        )

    def _say(self, reason: str, message: str, kind: EventType = EventType.NORMAL) -> None:
        log.log(logging.WARNING if kind is EventType.WARNING else logging.INFO, "%s: %s", reason, message)
        self.report(Event(self.reconciler.clock.now(), "", reason, message, kind))


def summary(catalog: Catalog) -> str:
    """How much a commit declares, and how many of its files are wrong."""
    declared = len({*catalog.endpoints, *catalog.broken})
    wrong = sum(problem.is_error for problem in catalog.problems)
    errors = f", {wrong} error{'' if wrong == 1 else 's'} (`headgate status` shows where)" if wrong else ""
    return f"{short(catalog.commit)} declares {declared or 'no'} endpoint{'' if declared == 1 else 's'}{errors}"


def _kind(catalog: Catalog) -> EventType:
    return EventType.WARNING if any(problem.is_error for problem in catalog.problems) else EventType.NORMAL
