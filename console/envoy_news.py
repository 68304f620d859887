"""Envoy's process: its condition, and what happens to it, told in the log and as events."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from console import shapes
from console.news import announce
from observability.events import Event, EventType
from reconciler.loop import Reconciler
from router.supervisor import Phase, ProcessSeen

_REASONS = {
    Phase.RUNNING: "Running",
    Phase.UNRESPONSIVE: "EnvoyUnresponsive",
    Phase.BACKING_OFF: "BackingOff",
    Phase.STOPPED: "Stopped",
}


def condition(seen: ProcessSeen) -> shapes.Condition:
    """The condition `EnvoyRunning` of the installation."""
    running = seen.phase is Phase.RUNNING
    return shapes.Condition(
        type="EnvoyRunning",
        status="True" if running else "False",
        reason=_REASONS[seen.phase],
        message=seen.message or (f"Envoy runs with pid {seen.pid}" if running else "Envoy does not run"),
    )


def event(before: ProcessSeen, after: ProcessSeen, now: datetime) -> Event | None:
    """What there is to tell; nothing of a first start, of a stop that was asked for, and of more words."""
    match before.phase, after.phase:
        case Phase.RUNNING, Phase.UNRESPONSIVE:
            return Event(now, "", "EnvoyUnresponsive", after.message, EventType.WARNING)
        case Phase.UNRESPONSIVE, Phase.RUNNING:
            return Event(now, "", "EnvoyAnswers", f"Envoy (pid {after.pid}) answers again; it was not restarted")
        case ((Phase.RUNNING | Phase.UNRESPONSIVE), Phase.BACKING_OFF):
            return Event(now, "", "EnvoyEnded", after.message, EventType.WARNING)
        case Phase.BACKING_OFF, Phase.RUNNING:
            return Event(now, "", "EnvoyRestarted", f"Envoy was started again, with pid {after.pid}")
    return None


@dataclass
class EnvoyNews:
    """Tells each change once."""

    _changes: asyncio.Queue[ProcessSeen] = field(default_factory=asyncio.Queue)
    _seen: ProcessSeen = field(default_factory=ProcessSeen)

    def note(self, seen: ProcessSeen) -> None:
        """Keep what was just seen, to tell it."""
        self._changes.put_nowait(seen)

    async def follow(self, reconciler: Reconciler) -> None:
        """Tell until cancelled."""
        while True:
            before, self._seen = self._seen, await self._changes.get()
            if (news := event(before, self._seen, reconciler.clock.now())) is not None:
                await announce(reconciler, news)
