"""The embedded runtime: replicas are processes of this host, and outlive Headgate."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from runtime import limits, system
from runtime.children import Leader, adopt
from runtime.limits import Watched
from runtime.logs import Logs
from runtime.orphans import find_leader, remove, stop_installation
from runtime.prober import InFlight, nobody
from runtime.records import Record, Records
from runtime.releases import Release
from runtime.replica import ReleaseSeen, ReleaseWant
from runtime.site import Pace, Preparer, Site
from spec.errors import TransientError
from spec.release import ReleaseRef

__all__ = ["ProcessRuntime", "stop_installation"]

_log = logging.getLogger(__name__)

_ROTATE = 2.0
_TIDY = 30.0
"""Seconds between looks for strays and old logs."""
_LOOK = 30.0
"""Seconds in which each release's files are looked at once."""
_BREATH, _SHARE = 0.1, 20
"""With many releases or files it takes longer: so many seconds, and so many times a look's length, between two."""


def _now() -> datetime:
    return datetime.now(UTC)


class ProcessRuntime:
    """Fits `reconciler.ports.Runtime`; keeps its records in `<state>/replicas` and logs in `<state>/logs`.

    `in_flight` tells how many requests the router has in progress at a replica; without it no replica ever counts
    as busy. One instance per state directory at a time: the caller holds its lock.
    """

    def __init__(
        self,
        state: Path,
        installation: str,
        preparer: Preparer[Any],
        *,
        in_flight: InFlight = nobody,
        clock: Callable[[], datetime] = _now,
        pace: Pace | None = None,
    ) -> None:
        self.logs = Logs(state / "logs")
        self._state = state
        self._preparer = preparer
        records = Records(state / "replicas")
        self._site = Site(installation, records, self.logs, limits.detect(), in_flight, clock, pace or Pace())
        self._releases: dict[ReleaseRef, Release] = {}
        self._seen: Mapping[ReleaseRef, ReleaseSeen] | None = None
        self._subscribers: list[Callable[[ReleaseRef], None]] = []
        self._chores: list[asyncio.Task[None]] = []
        self._settled = False

    async def start(self) -> None:
        """Adopt every replica that runs, without touching it; afterwards `seen` answers."""
        records = await asyncio.to_thread(self._site.records.read)
        carriers = await asyncio.to_thread(system.carriers, self._site.installation)
        self._seen = MappingProxyType({})
        for record in records:
            process = find_leader(record, carriers)
            leader = adopt(process.pid, process.birth) if process else None
            self._adopt(record, process, leader)
        chores = (self._rotate(), self._tidy(), self._look(), limits.watch(self._watched))
        self._chores = [self._run(work) for work in chores]
        _log.info("Adopted %d replicas of %d releases", len(records), len(self._releases))

    async def close(self) -> None:
        """Let go of everything; replicas run on."""
        self._detach()
        await asyncio.sleep(0)

    async def stop_all(self) -> None:
        """Stop every replica of this installation, gracefully, and forget them."""
        self._detach()
        await stop_installation(self._state, self._site.installation)
        for release in list(self._releases):
            self._gone(release)

    async def settle(self, known: Collection[ReleaseRef]) -> None:
        """Say which releases exist: replicas of others are stopped, and from now on strays are too."""
        for ref in [ref for ref in self._releases if ref not in known]:
            _log.warning("Stopping the replicas of %s: nothing asks for that release", ref)
            await self.forget(ref)
        self._settled = True
        await self._remove_strays()

    async def apply(self, want: ReleaseWant) -> None:
        """Take an absolute target for one release. Raises `TransientError` before `start`."""
        self._started()
        release = self._releases.get(want.release)
        if release is None:
            release = self._add(want.release)
        release.want(want)

    async def forget(self, release: ReleaseRef) -> None:
        """Stop the release's replicas and remove what is kept of it; it leaves `seen` when that is done."""
        self._started()
        if release in self._releases:
            self._releases[release].forget(self._gone)

    def seen(self) -> Mapping[ReleaseRef, ReleaseSeen] | None:
        """Every release; None before `start`."""
        return self._seen

    def subscribe(self, changed: Callable[[ReleaseRef], None]) -> None:
        """Call `changed(release)` on the loop whenever `seen` differs for it."""
        self._subscribers.append(changed)

    def _started(self) -> None:
        if self._seen is None:
            raise TransientError("The process runtime has not looked at this host yet: try again in a moment.")

    def _add(self, ref: ReleaseRef) -> Release:
        release = self._releases[ref] = Release(ref, self._site, self._preparer, self._changed)
        return release

    def _adopt(self, record: Record, process: system.Found | None, leader: Leader | None) -> None:
        if process is not None and (process.pid, process.birth) != (record.pid, record.birth):
            record = replace(record, pid=process.pid, birth=process.birth)
            self._site.records.write(record)
        (self._releases.get(record.release) or self._add(record.release)).adopt(record, leader)

    def _detach(self) -> None:
        for task in self._chores:
            task.cancel()
        for release in self._releases.values():
            release.detach()

    def _changed(self, ref: ReleaseRef) -> None:
        release, seen = self._releases.get(ref), self._seen or {}
        now = release.snapshot() if release else None
        if now == seen.get(ref):
            return
        others = {other: its for other, its in seen.items() if other != ref}
        self._seen = MappingProxyType(others if now is None else {**others, ref: now})
        for subscriber in self._subscribers:
            subscriber(ref)

    def _gone(self, ref: ReleaseRef) -> None:
        self._releases.pop(ref, None)
        self._changed(ref)

    def _watched(self) -> Iterator[Watched]:
        for release in self._releases.values():
            yield from release.watched()

    def _replicas(self) -> dict[str, Path]:
        return {
            replica: self.logs.path(ref, replica)
            for ref, release in self._releases.items()
            for replica in release.replicas
        }

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(_ROTATE)
            await asyncio.to_thread(_rotate_all, self.logs, list(self._replicas().values()))

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_TIDY)
            await asyncio.to_thread(self.logs.prune, frozenset(self._replicas()))
            if self._settled:
                await self._remove_strays()

    async def _look(self) -> None:
        while True:
            refs = list(self._releases)
            pause = max(_BREATH, _LOOK / max(1, len(refs)))
            for ref in refs:
                begun = time.monotonic()
                if ref in self._releases:
                    await self._releases[ref].look()
                await asyncio.sleep(max(pause, _SHARE * (time.monotonic() - begun)))
            if not refs:
                await asyncio.sleep(pause)

    async def _remove_strays(self) -> None:
        found = await asyncio.to_thread(system.carriers, self._site.installation)
        strays = [process for process, who in found if who.replica not in self._replicas()]
        if strays:
            _log.warning("Stopping %d processes that belong to no replica", len(strays))
            await remove(strays)

    def _run(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(_broke)
        return task


def _rotate_all(logs: Logs, paths: list[Path]) -> None:
    for path in paths:
        try:
            logs.rotate(path)
        except OSError as error:
            _log.warning("The log %s could not be rotated: %s", path, error)


def _broke(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("A chore of the process runtime broke", exc_info=error)
