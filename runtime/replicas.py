"""One replica: started, watched, started again when it ends, stopped."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from runtime import prober, system
from runtime.cgroups import Group
from runtime.children import Command, Leader, SpawnError, spawn
from runtime.endings import End, after
from runtime.limits import Watched, hints
from runtime.prober import Health, Target
from runtime.records import Record
from runtime.replica import ReplicaSeen, ReplicaState
from runtime.site import Launch, Prepare, Prepared, Site

_log = logging.getLogger(__name__)

_HUNG = 5.0
"""Seconds that a replica which answers no probe has to obey SIGTERM."""
_SWEEPS = 40
_SWEEP = 0.05
"""Seconds between looks for what SIGKILL has left."""


@dataclass(frozen=True, slots=True)
class Events:
    """Whom a replica tells."""

    changed: Callable[[], None]
    gone: Callable[[str], None]


class Replica:
    """One slot of a release; its id and its log survive restarts of its process."""

    def __init__(self, site: Site, record: Record, prepare: Prepare, events: Events) -> None:
        self._site = site
        self._record = record
        self._prepare = prepare
        self._events = events
        self._who = system.Identity(site.installation, str(record.release), record.id)
        self._log_path = site.logs.path(record.release, record.id)
        self._log_start = 0
        self._leader: Leader | None = None
        self._group = Group(site.host.cgroups, record.id) if site.host.cgroups else None
        self._kills = 0
        self._cause = End(record.reason, record.message)
        """Why it last ended; an empty reason: it never did."""
        self._doom: asyncio.Future[End] | None = None
        self._confirmation: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self.seen = ReplicaSeen(record.id, ReplicaState.STARTING, restarts=record.restarts, since=record.started_at)

    @property
    def stopping(self) -> bool:
        """Whether it is on its way out."""
        return self._record.stopping

    @property
    def record(self) -> Record:
        """What the disk knows of it."""
        return self._record

    def begin(self, prepared: Prepared) -> None:
        """Start its first process."""
        self._run(self._live(None, prepared))

    def take_over(self, leader: Leader | None) -> None:
        """Adopt its process; None: it ended while nobody watched."""
        record = self._record
        self._leader = leader
        if record.port:
            self._site.ports.hold(record.port)
        if record.stopping:
            self._run(self._stop())
            self._show(ReplicaState.STOPPING)
        elif leader is None:
            self._run(self._resume())
            self._show(ReplicaState.WAITING, reason="Error", message="It has ended while no Headgate watched it.")
        else:
            self._run(self._live(leader, None))
            state = ReplicaState.READY if record.ready_at else ReplicaState.STARTING
            cause = End("", "") if record.ready_at else self._cause
            self._show(state, reason=cause.reason, message=cause.message, since=record.ready_at or record.started_at)

    def stop(self) -> None:
        """End it for good, gracefully; `gone` is told when nothing of it is left."""
        if self.stopping:
            return
        self._save(replace(self._record, stopping=True))
        self._run(self._stop())
        self._show(ReplicaState.STOPPING)

    def detach(self) -> None:
        """Watch it no longer; its processes go on."""
        for task in (self._task, self._confirmation):
            if task is not None:
                task.cancel()
        if self._leader is not None:
            self._leader.release()

    def watched(self) -> Iterator[Watched]:
        """Its memory limit, while a process runs whose memory no cgroup limits."""
        leader = self._leader
        if self._group is None and leader is not None and self._attended(leader):
            yield Watched(leader.pid, self._record.care.memory, partial(self._overweight, leader))

    def _overweight(self, leader: Leader, text: str) -> None:
        if self._attended(leader):
            self._condemn(End("OOMKilled", text, gently=False))

    def _attended(self, leader: Leader) -> bool:
        """Whether this is its present process, which runs and may run on."""
        present = leader is self._leader and not leader.ended.done()
        return present and self._doom is not None and not self._doom.done()

    def _run(self, work: Coroutine[None, None, None]) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._confirmation is not None:
            self._confirmation.cancel()
        self._task = asyncio.get_running_loop().create_task(work)
        self._task.add_done_callback(self._broke)

    def _broke(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        _log.error("The watch over replica %s of %s broke", self._who.replica, self._who.release, exc_info=error)
        self._show(ReplicaState.UNREADY, reason="InternalError", message=f"Headgate's watch over it broke: {error!r}")

    async def _live(self, leader: Leader | None, prepared: Prepared | None) -> None:
        if leader is not None:
            await self._rest(await self._attend(leader))
        while prepared := prepared or await self._prepare():
            self._log_start = await asyncio.to_thread(self._site.logs.position, self._log_path)
            async with self._site.starting:
                # A spawn holds up the loop for a moment: others get their turn between two of them.
                await asyncio.sleep(0)
                outcome = self._launch(prepared)
            prepared = None
            await self._rest(outcome if isinstance(outcome, End) else await self._attend(outcome))

    async def _resume(self) -> None:
        """Go on with a replica that has no process: it ended unseen, or was waiting, or was about to start."""
        if self._record.pid:
            await self._sweep(None)
            tail = await asyncio.to_thread(self._site.logs.tail, self._log_path, 60)
            await self._rest(after(None, tail, adopted=True))
        elif self._record.ends:
            delay = self._site.pace.delay(self._record.ends)
            self._show_waiting(self._cause, self._record.ends, f"It starts again in {delay:g} s.")
            await asyncio.sleep(delay)
        await self._live(None, None)

    def _launch(self, prepared: Prepared) -> Leader | End:
        port = self._site.ports.take()
        self._site.ports.give_back(self._record.port)
        now = self._site.clock()
        # The intent is on disk before the process exists: whatever happens next, it is found again.
        intent = replace(self._record, port=port, pid=0, birth="", started_at=now, ready_at=None)
        if not self._save(intent):
            return End("StateUnwritable", "Its record could not be written: see Headgate's log, and free disk space.")
        try:
            leader = spawn(self._command(prepared.launch(port)), self._log_path)
        except SpawnError as error:
            return End("Error", str(error))
        self._leader = leader
        self._save(replace(self._record, pid=leader.pid, birth=leader.birth))
        self._confine(leader)
        self._show(ReplicaState.STARTING, reason=self._cause.reason, message=self._cause.message, since=now)
        return leader

    def _command(self, launch: Launch) -> Command:
        env = system.without_identity(launch.env)
        threads = hints(min(self._record.care.cpu, self._site.host.cpu), env)
        return Command(launch.argv, {**env, **threads, **self._who.variables()}, launch.cwd)

    def _confine(self, leader: Leader) -> None:
        if self._group is None:
            return
        try:
            self._group.open(leader.pid, self._record.care.cpu, self._record.care.memory)
        except OSError as error:
            _log.warning("Replica %s runs without a cgroup, its memory is watched: %s", self._who.replica, error)
            self._group = None
            return
        self._kills = self._group.kills()

    async def _attend(self, leader: Leader) -> End:
        """Watch a process until it has ended, or has to."""
        record = self._record
        self._doom = asyncio.get_running_loop().create_future()
        health = prober.adopted(record.care, time.monotonic(), ready=record.ready_at is not None)
        target = Target(record.address, record.port)
        probing = asyncio.ensure_future(prober.watch(target, record.care, health, self._site.in_flight, self._judge))
        try:
            first: set[asyncio.Future[Any]] = {leader.ended, self._doom, probing}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if probing.done():
                probing.result()
        finally:
            probing.cancel()
        if self.seen.state is ReplicaState.READY:
            self._show(ReplicaState.UNREADY, reason="Error", message="Its process has ended.")
        end = await self._last_words(leader)
        await self._terminate(leader, min(record.care.grace, _HUNG) if end.gently else 0)
        return end

    async def _last_words(self, leader: Leader) -> End:
        if self._doom is not None and self._doom.done():
            return self._doom.result()
        code = leader.ended.result()
        tail = await asyncio.to_thread(self._site.logs.tail, self._log_path, 60, self._log_start)
        if code == -signal.SIGKILL and self._group is not None and self._group.kills() > self._kills:
            return End("OOMKilled", "The kernel ended it: it held more memory than its instance type has.")
        return after(code, tail, adopted=not leader.child)

    def _judge(self, health: Health) -> None:
        if self._doom is None or self._doom.done():
            return
        if health.liveness.passing is False:
            self._condemn(End("LivenessProbeFailed", _failing("liveness", health.liveness.failures)))
            return
        match health.readiness.passing, self.seen.state:
            case True, state if state is not ReplicaState.READY:
                self._confirm()
            case False, ReplicaState.READY:
                self._save(replace(self._record, ready_at=None))
                self._unready(ReplicaState.UNREADY, health)
            case False, ReplicaState.STARTING if self.seen.reason != "ReadinessProbeFailed":
                self._unready(ReplicaState.STARTING, health)

    def _unready(self, state: ReplicaState, health: Health) -> None:
        message = _failing("readiness", health.readiness.failures)
        self._show(state, reason="ReadinessProbeFailed", message=message)

    def _confirm(self) -> None:
        """Ready, if it is this replica that answers at its port."""
        if self._confirmation is None or self._confirmation.done():
            self._confirmation = asyncio.ensure_future(self._confirm_port())

    async def _confirm_port(self) -> None:
        leader = self._leader
        if leader is None or not self._attended(leader):
            return
        own = await asyncio.to_thread(
            lambda: system.listens(system.members(self._who, leader.pid), self._record.port)
        )
        if not self._attended(leader):
            return
        if not own:
            message = f"Another process listens at port {self._record.port}; it is started again at another one."
            self._condemn(End("PortTaken", message, gently=False, counts=False))
            return
        now = self._site.clock()
        self._save(replace(self._record, ready_at=now))
        self._show(ReplicaState.READY, since=now)

    def _condemn(self, end: End) -> None:
        if self._doom is None or self._doom.done():
            return
        self._doom.set_result(end)
        _log.warning("Replica %s of %s: %s: %s", self._who.replica, self._who.release, end.reason, end.message)
        self._show(ReplicaState.UNREADY, reason=end.reason, message=end.message)

    async def _rest(self, end: End) -> None:
        """Show why it ended, and wait out the back-off."""
        now = self._site.clock()
        record = self._record
        ends = record.ends + 1 if end.counts else record.ends
        if record.started_at and now - record.started_at >= timedelta(seconds=self._site.pace.long_life):
            ends = 1
        delay = self._site.pace.delay(ends) if end.counts else 0.0
        ended = replace(record, pid=0, birth="", ready_at=None, restarts=record.restarts + 1, ends=ends)
        self._save(replace(ended, reason=end.reason, message=end.message))
        self._cause = end
        self._show_waiting(end, ends if end.counts else 0)
        _log.warning(
            "Replica %s of %s ended (%s), next start in %g s", self._who.replica, self._who.release, end.reason, delay
        )
        await asyncio.sleep(delay)

    def _show_waiting(self, end: End, ends: int, otherwise: str = "") -> None:
        """Waiting for its next start, with why it ended; `otherwise` is said where nobody saw that."""
        looping = ends > 1
        message = f"{end.reason}: {end.message}" if looping and end.reason else end.message
        reason = "CrashLoopBackOff" if looping or not end.reason else end.reason
        self._show(ReplicaState.WAITING, reason=reason, message=message or otherwise)

    async def _stop(self) -> None:
        _log.info("Stopping replica %s of %s", self._who.replica, self._who.release)
        if self._leader is not None:
            await self._terminate(self._leader, self._record.care.grace)
        else:
            await self._sweep(None)
        self._site.records.remove(self._who.replica)
        self._site.ports.give_back(self._record.port)
        self._events.gone(self._who.replica)

    async def _terminate(self, leader: Leader, grace: float) -> None:
        """SIGTERM to the leader, `grace` seconds to obey, SIGKILL to all that is left of its session."""
        if grace and not leader.ended.done():
            system.send(leader.pid, leader.birth, signal.SIGTERM)
            await asyncio.wait({leader.ended}, timeout=grace)
        await self._sweep(leader)
        await asyncio.wait({leader.ended}, timeout=_SWEEP)
        self._leader = None
        leader.release()
        if self._group is not None:
            self._group.close()

    async def _sweep(self, leader: Leader | None) -> None:
        for _ in range(_SWEEPS):
            known = leader.pid if leader is not None and leader.held else None
            left = await asyncio.to_thread(system.members, self._who, known)
            if not left:
                return
            for found in left:
                system.send(found.pid, found.birth, signal.SIGKILL)
            await asyncio.sleep(_SWEEP)
        _log.error("Processes of replica %s survive SIGKILL: %s", self._who.replica, [found.pid for found in left])

    def _save(self, record: Record) -> bool:
        self._record = record
        try:
            self._site.records.write(record)
        except OSError as error:
            _log.error("The record of replica %s could not be written: %s", record.id, error)
            return False
        return True

    def _show(
        self, state: ReplicaState, *, reason: str = "", message: str = "", since: datetime | None = None
    ) -> None:
        record = self._record
        self.seen = ReplicaSeen(
            id=record.id,
            state=state,
            address=record.address if record.port else "",
            port=record.port,
            restarts=record.restarts,
            since=since or self._site.clock(),
            reason=reason,
            message=message,
            ready_at=record.ready_at,
        )
        self._events.changed()


def _failing(probe: str, failures: int) -> str:
    return f"The {probe} probe (GET /) failed {failures} times in a row."
