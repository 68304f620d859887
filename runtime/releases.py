"""One release on this host: prepared, and given as many replicas as are wanted."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from runtime import limits
from runtime.children import Leader
from runtime.fault import as_failed
from runtime.limits import Watched
from runtime.records import Care, Record
from runtime.replica import Blame, Preparation, ReleaseSeen, ReleaseWant, ReplicaState, Stage
from runtime.replicas import Events, Replica
from runtime.site import Pace, Prepared, Preparer, Site, new_id
from spec.errors import HeadgateError, TransientError
from spec.release import Recipe, ReleaseRef

_log = logging.getLogger(__name__)

_T = TypeVar("_T")
_RETRY = Pace(first=5.0)
"""How often preparing is tried again while the world is away."""
_AFTER_A_BUG = 60.0


class Release:
    """The target of one release and what there is of it."""

    def __init__(
        self, ref: ReleaseRef, site: Site, preparer: Preparer[Any], changed: Callable[[ReleaseRef], None]
    ) -> None:
        self.ref = ref
        self._site = site
        self._preparer = preparer
        self._changed = changed
        self._recipe: asyncio.Future[Recipe] = asyncio.get_running_loop().create_future()
        self._wanted = 0
        self._preparation = Preparation(Stage.PENDING)
        self._preparing: asyncio.Task[Prepared | None] | None = None
        self._prepared_before: Prepared | None = None
        self._removing: asyncio.Task[None] | None = None
        self._growing: asyncio.Task[None] | None = None
        self._forgetting: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        self.replicas: dict[str, Replica] = {}

    def want(self, want: ReleaseWant) -> None:
        """Take a target: at once stop what it names and is too many; start what is missing once prepared."""
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._forgetting = None
        if not self._recipe.done():
            self._recipe.set_result(want.recipe)
            if self.replicas:
                # Adopted: what an earlier Headgate prepared may be gone by now, and its notes are not known.
                self._run(self._prepared())
        self._wanted = want.count
        for replica in self._surplus(want):
            replica.stop()
        self._fill()
        self._changed(self.ref)

    def adopt(self, record: Record, leader: Leader | None) -> None:
        """Take over a replica that an earlier Headgate had; its release counts as prepared until the next start.

        `wanted` stays 0, so that whoever wants the release says so again, with its recipe.
        """
        self._preparation = Preparation(Stage.PREPARED)
        self._add(record).take_over(leader)

    def forget(self, gone: Callable[[ReleaseRef], None]) -> None:
        """Stop everything, remove what was prepared, then tell."""
        if self._forgetting is None or self._forgetting.done():
            self._wanted = 0
            self._forgetting = self._run(self._vanish(gone))

    def detach(self) -> None:
        """Let go of everything without stopping it."""
        for task in (self._growing, self._preparing, self._forgetting):
            if task is not None:
                task.cancel()
        for replica in self.replicas.values():
            replica.detach()

    async def look(self) -> None:
        """Notice what was deleted or changed below its replicas, and put it back at the same path.

        Replicas go on: they find by path what they open anew, and what they have open is theirs still.
        """
        prepared = self._prepared_before
        if prepared is None or not self.replicas:
            return
        missing = await self._preparer.missing(prepared)
        busy = self._forgetting is not None or (self._preparing is not None and not self._preparing.done())
        if missing and self._prepared_before is prepared and not busy:
            _log.warning("Release %s: %s is gone or changed; it is put back", self.ref, missing)
            text = f"{missing} is gone or changed; it is put back, and replicas go on"
            self._tell(replace(self._preparation, reason="FilesMissing", message=text))
            self._run(self._mend(prepared))

    async def _mend(self, prepared: Prepared) -> None:
        # Not only what a start needs is looked for: all is made again.
        self._prepared_before = None
        if await self._prepared() is None:
            self._prepared_before = prepared
            return
        text = "everything is as Git says again"
        self._tell(replace(self._preparation, reason="FilesRestored", message=text))

    def watched(self) -> Iterator[Watched]:
        """The memory limits of its replicas."""
        for replica in self.replicas.values():
            yield from replica.watched()

    def snapshot(self) -> ReleaseSeen:
        """What is to be told of it."""
        replicas = sorted(self.replicas.values(), key=lambda replica: replica.record.slot)
        return ReleaseSeen(self._preparation, self._wanted, tuple(replica.seen for replica in replicas))

    def _surplus(self, want: ReleaseWant) -> list[Replica]:
        staying = [replica for replica in self.replicas.values() if not replica.stopping]
        named = [replica for replica in staying if replica.record.id in want.stop]
        named.sort(key=lambda replica: (replica.seen.state is ReplicaState.READY, -replica.record.slot))
        return named[: max(0, len(staying) - want.count)]

    def _missing(self) -> int:
        return self._wanted - sum(not replica.stopping for replica in self.replicas.values())

    def _fill(self) -> None:
        if self._missing() > 0 and not self._hopeless() and (self._growing is None or self._growing.done()):
            self._growing = self._run(self._grow())

    def _hopeless(self) -> bool:
        return self._preparation.stage is Stage.FAILED and self._preparation.blame is Blame.RELEASE

    async def _grow(self) -> None:
        prepared = await self._prepared()
        if prepared is None:
            return
        recipe = await self._recipe
        while self._missing() > 0:
            slot = min(set(range(len(self.replicas) + 1)) - {held.record.slot for held in self.replicas.values()})
            record = Record(new_id(self.ref), self.ref, slot, Care.of(recipe))
            self._add(record).begin(prepared)
            self._changed(self.ref)

    def _add(self, record: Record) -> Replica:
        events = Events(changed=lambda: self._changed(self.ref), gone=self._drop)
        replica = self.replicas[record.id] = Replica(self._site, record, self._prepared, events)
        self._empty.clear()
        return replica

    def _drop(self, replica: str) -> None:
        self.replicas.pop(replica, None)
        if not self.replicas:
            self._empty.set()
        self._changed(self.ref)

    async def _prepared(self) -> Prepared | None:
        """Prepare, together with whoever else waits for it now."""
        if self._preparing is None or self._preparing.done():
            self._preparing = self._run(self._prepare())
        return await asyncio.shield(self._preparing)

    async def _prepare(self) -> Prepared | None:
        recipe = await asyncio.shield(self._recipe)
        if self._removing is not None:
            # Taken back at the last moment: what is being removed is not laid out at the same time.
            await asyncio.wait({self._removing})
        if self._prepared_before is not None and await self._preparer.check(self._prepared_before):
            return self._prepared_before
        if self._preparation.stage is not Stage.PREPARED:
            self._tell(Preparation(Stage.PREPARING))
        try:
            prepared = await self._prepare_patiently(recipe)
        except HeadgateError as error:
            self._failed(error)
            return None
        notes = (*prepared.notes, *limits.notes(recipe.instance_type, self._site.host))
        self._tell(Preparation(Stage.PREPARED, notes=notes))
        self._prepared_before = prepared
        return prepared

    async def _prepare_patiently(self, recipe: Recipe) -> Prepared:
        failures = 0
        while True:
            try:
                prepared: Prepared = await self._preparer.prepare(self.ref, recipe, self._progress)
            except TransientError as error:
                failures += 1
                self._failed(error)
                await asyncio.sleep(_RETRY.delay(failures))
            else:
                return prepared

    def _progress(self, preparation: Preparation) -> None:
        """Show progress; preparing again, even in vain, takes nothing from a release that is prepared and serves."""
        again = preparation.stage is Stage.PREPARING or self._serving()
        if self._preparation.stage is Stage.PREPARED and again:
            reason = preparation.reason or self._preparation.reason
            preparation = replace(self._preparation, reason=reason, message=preparation.message)
        self._tell(preparation)

    def _serving(self) -> bool:
        return any(replica.seen.state is ReplicaState.READY for replica in self.replicas.values())

    def _failed(self, error: HeadgateError) -> None:
        failed = as_failed(error)
        _log.warning("Release %s could not be prepared: %s: %s", self.ref, failed.reason, failed.message)
        self._progress(failed)

    def _run(self, work: Coroutine[None, None, _T]) -> "asyncio.Task[_T]":
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._broke)
        return task

    def _broke(self, task: "asyncio.Task[_T]") -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        _log.error("Work on release %s broke", self.ref, exc_info=error)
        message = f"Headgate's own work on it broke: {error!r}"
        self._tell(Preparation(Stage.FAILED, message=message, reason="InternalError", blame=Blame.WORLD))
        asyncio.get_running_loop().call_later(_AFTER_A_BUG, self._fill)

    def _tell(self, preparation: Preparation) -> None:
        self._preparation = preparation
        self._changed(self.ref)

    async def _vanish(self, gone: Callable[[ReleaseRef], None]) -> None:
        for task in (self._growing, self._preparing):
            if task is not None:
                task.cancel()
        for replica in list(self.replicas.values()):
            replica.stop()
        await self._empty.wait()
        if self._recipe.done():
            self._removing = self._run(self._preparer.forget(self.ref, self._recipe.result()))
            await asyncio.shield(self._removing)
        gone(self.ref)
