"""What happens to the installation: replicas taken over, the source unreadable or readable again, commits read."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from console.screen import count, short
from observability.events import Event, EventType
from reconciler.loop import Reconciler
from runtime.replica import ReleaseSeen
from spec.catalog import Catalog
from spec.errors import HeadgateError
from spec.release import ReleaseRef

LOOK_S = 1.0
"""Seconds between looks: the source itself tells nobody that it failed."""
log = logging.getLogger(__name__)


@dataclass
class SourceNews:
    """Tells every change of the source's state once, as events and in the log."""

    reconciler: Reconciler
    _problem: str | None = None
    _commit: str | None = None

    async def follow(self) -> None:
        """Tell until cancelled."""
        while True:
            for event in self.tell():
                await announce(self.reconciler, event)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.reconciler.changed(self.reconciler.revision), LOOK_S)

    def tell(self) -> Iterator[Event]:
        """What has changed since the last call."""
        seen = self.reconciler.source.seen()
        before, self._problem = self._problem, seen.problem
        if seen.problem and seen.problem != before:
            yield self._event(
                "SourceUnreadable", f"{seen.problem.rstrip('. ')}. {self._meanwhile()}", EventType.WARNING
            )
        if before and not seen.problem:
            yield self._event("SourceReadable", f"at commit {short(seen.attempted)}")
        catalog = self.reconciler.catalog
        if catalog is not None and catalog.commit != self._commit:
            self._commit = catalog.commit
            yield self._event("CommitRead", summary(catalog), _kind(catalog))

    def _meanwhile(self) -> str:
        if self.reconciler.catalog is not None or self.reconciler.memories:
            return "What is live goes on; Headgate looks again by itself, and at once with `headgate sync`."
        return (
            "Nothing could be read yet, so nothing is served. Mend it, or stop with Ctrl-C and name another "
            "repository; Headgate looks again by itself, and at once with `headgate sync`."
        )

    def _event(self, reason: str, message: str, kind: EventType = EventType.NORMAL) -> Event:
        return Event(self.reconciler.clock.now(), "", reason, message, kind, commit=self._commit or "")


async def announce(reconciler: Reconciler, event: Event) -> None:
    """Tell, log and keep an event of the installation; a store that is away takes nothing else with it."""
    kind = logging.WARNING if event.type is EventType.WARNING else logging.INFO
    log.log(kind, "%s: %s", event.reason, event.message)
    try:
        await reconciler.announce(event)
    except HeadgateError as error:
        log.warning("an event was not kept: %s", error)


def adoption(releases: Mapping[ReleaseRef, ReleaseSeen] | None, now: datetime) -> Event | None:
    """What was found running at the start; None where nothing was."""
    found = [release for release in (releases or {}).values() if release.replicas]
    replicas = sum(len(release.replicas) for release in found)
    if not replicas:
        return None
    ready = sum(len(release.ready) for release in found)
    rest = "" if ready == replicas else f"; {replicas - ready} of them not ready"
    message = f"taken over {count(replicas, 'replica')} of {count(len(found), 'release')} that went on serving{rest}"
    return Event(now, "", "ReplicasAdopted", message)


def forgetting(database: Path, now: datetime) -> Event:
    """What follows where memory is gone though a Headgate ran here before."""
    message = (
        f"{database} is gone: every endpoint gets new keys, and keys and tokens given out before are refused. Give "
        "clients the new ones (`headgate keys show`), or stop Headgate and restore the file from a backup."
    )
    return Event(now, "", "MemoryLost", message, EventType.WARNING)


def summary(catalog: Catalog) -> str:
    """How much a commit declares, and how many of its files are wrong."""
    declared = len({*catalog.endpoints, *catalog.broken})
    wrong = sum(problem.is_error for problem in catalog.problems)
    errors = f", {wrong} error{'' if wrong == 1 else 's'} (`headgate status` shows where)" if wrong else ""
    return f"{short(catalog.commit)} declares {declared or 'no'} endpoint{'' if declared == 1 else 's'}{errors}"


def _kind(catalog: Catalog) -> EventType:
    return EventType.WARNING if any(problem.is_error for problem in catalog.problems) else EventType.NORMAL
