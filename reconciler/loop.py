"""The loop: wake, observe, decide, persist, apply, sleep. It decides nothing itself."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import ParamSpec, TypeVar

from forge.snapshot import Difference, Snapshot
from observability.events import Event, EventType
from reconciler import wants
from reconciler.access import Access
from reconciler.clock import Clock
from reconciler.decide import decide
from reconciler.examinations import Examinations
from reconciler.keeping import keep, remembered
from reconciler.narration import narrate_release
from reconciler.orders import Answer, Order
from reconciler.plan import Action, ApplyRelease, DropRoute, ForgetRelease, Plan, PutRoute, Seen, Want
from reconciler.ports import Examiner, Metrics, Router, Runtime, Source
from reconciler.queue import KeyQueue
from reconciler.removal import held
from reconciler.state import Memory, Removing, run_of
from reconciler.store import Store
from router.table import RouteSeen
from runtime.replica import ReleaseSeen
from spec.catalog import Catalog, EndpointSpec, differing
from spec.errors import HeadgateError
from spec.loader import Loaded, load
from spec.release import Recipe, ReleaseRef

WORKERS = 8
FIRST_BACKOFF, LONGEST_BACKOFF = 0.75, 60.0
"""Seconds between tries of one key that fails; doubled each time."""

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


class Reconciler:
    """Everything that is known of an installation, and the tasks that keep it true. For one event loop."""

    def __init__(  # noqa: PLR0913 (its ports, and what the installation has)
        self,
        *,
        source: Source,
        router: Router,
        runtime: Runtime,
        store: Store,
        access: Access,
        clock: Clock,
        metrics: Metrics,
        examiner: Examiner,
        conda: bool = False,
    ) -> None:
        self.source, self.router, self.runtime, self.metrics = source, router, runtime, metrics
        self.store, self.access, self.clock = store, access, clock
        self.conda = conda
        self.queue = KeyQueue()
        self.examinations = Examinations(examiner, clock, self.queue.add)
        self.memories: dict[str, Memory] = {}
        self.plans: dict[str, Plan] = {}
        self.loaded: Loaded | None = None
        self.catalog: Catalog | None = None
        """What the newest readable commit asks for (see `keep`); None until Git was reached."""
        self._declared: dict[str, EndpointSpec] = {}
        """The last good specs that were read, which no decision may have taken over yet."""
        self.snapshot: Snapshot | None = None
        self.held: dict[str, str] = {}
        self.confirmed: frozenset[str] = frozenset()
        self.applied: str | None = None
        self.revision = 0
        self.since = clock.now()
        self._orders: dict[str, list[tuple[Order, asyncio.Future[Answer]]]] = {}
        self._moved = asyncio.Event()
        self._failures: dict[str, int] = {}
        self._releases: dict[ReleaseRef, ReleaseSeen] = {}
        self._refs: dict[str, set[ReleaseRef]] = {}
        """Endpoint → what the runtime has or had of it, so that observing one does not look at all."""
        self._untold: dict[str, list[Event]] = {}
        self._unready: set[str] = set()
        self._asked_anew: set[str] = set()
        """Endpoints of which a commit asks something that no decision has looked at yet."""
        self._database = ThreadPoolExecutor(1, "store")
        self._listeners: list[Callable[[Event], None]] = []

    def listen(self, heard: Callable[[Event], None]) -> Callable[[], None]:
        """Call `heard` for every event from now on, on the event loop; returns what ends that."""
        self._listeners.append(heard)
        return lambda: self._listeners.remove(heard)

    async def in_store(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one call of the store on its own thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._database, lambda: call(*args, **kwargs))

    async def restore(self) -> None:
        """Read memory and hand the router every remembered route; only then may Envoy be answered."""
        self.memories = await self.in_store(self.store.load)
        self.confirmed = wants.confirmed(await self.in_store(self.store.fact, "confirmed"))
        self.applied = await self.in_store(self.store.fact, "applied")
        await self.in_store(self.access.load, self.clock.now())
        self._unready = set(self.memories)
        for name, memory in self.memories.items():
            if not self.access.has(name):
                await self.in_store(self.access.ensure, name)
            if memory.route is not None:
                auth = self.access.auth(name, wants.auth_mode(memory, None))
                self.router.put(replace(memory.route, auth=auth))

    def recipes(self) -> dict[ReleaseRef, Recipe]:
        """Every release that may have to start again, with its recipe: the roots of artifact collection."""
        known = (known for memory in self.memories.values() for known in memory.releases)
        return {found.ref: found.recipe for found in known}

    async def run(self) -> None:
        """Reconcile until cancelled."""
        self.since = self.clock.now()
        self.router.subscribe(self.queue.add)
        self.metrics.subscribe(self.queue.add)
        self.runtime.subscribe(self._release_changed)
        for ref in self.runtime.seen() or {}:
            self._refs.setdefault(ref.endpoint, set()).add(ref)
        self.queue.add_all(self.memories)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow())
                for _ in range(WORKERS):
                    tasks.create_task(self._work())
        finally:
            self.queue.close()
            await self.examinations.close()
            self._database.shutdown(wait=True)

    async def announce(self, event: Event) -> None:
        """Keep and tell an event that belongs to no decision. Raises `TransientError` if it cannot be kept."""
        self._tell(event)
        await self.in_store(self.store.add_events, (event,))

    async def changed(self, since: int) -> None:
        """Return as soon as `revision` is greater than `since`."""
        while self.revision <= since:
            self._moved.clear()
            await self._moved.wait()

    async def confirm(self, names: frozenset[str]) -> None:
        """Let held removals happen."""
        self.confirmed |= names
        await self.in_store(self.store.keep_fact, "confirmed", wants.confirmed_text(self.confirmed))
        self._hold()
        self.queue.add_all(names)

    async def order(self, name: str, order: Order) -> Answer:
        """Give an order to the next decision on an endpoint; return once what became of it is persisted."""
        if not self._concerns(name):
            return Answer(order.id, done=False, message=f"there is no endpoint {name}")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._orders.setdefault(name, []).append((order, answer))
        self.queue.add(name)
        return await answer

    def want(self, memory: Memory) -> Want:
        """What Git asks of the endpoint now."""
        auth = self.access.auth(memory.endpoint, wants.auth_mode(memory, self.catalog))
        return wants.want(memory, self.catalog, self.held, auth, self.snapshot.message if self.snapshot else "")

    def observe(self, name: str) -> Seen:
        """What router and runtime say of the endpoint."""
        router, runtime = self.router.seen(), self.runtime.seen()
        return Seen(
            route=None if router is None else router.routes.get(name, RouteSeen(None, 0, 0)),
            releases=None
            if runtime is None
            else {ref.name: runtime[ref] for ref in self._refs.get(name, ()) if ref in runtime},
            in_flight=router.in_flight if router else {},
            reading=self.metrics.reading(name),
            examined=self.examinations.outcomes(name),
            since=self.since,
        )

    async def _follow(self) -> None:
        """Turn each commit into wants."""
        async for difference in self.source.watch():
            await self._read(difference)

    async def _read(self, difference: Difference) -> None:
        """Load a commit and queue whom it concerns; nothing else runs between the two."""
        before, snapshot = self.catalog, difference.snapshot
        loaded = await asyncio.to_thread(
            load, snapshot.commit, snapshot.files, self.loaded, difference.changes, conda=self.conda
        )
        catalog = keep(loaded.catalog, remembered(self.memories, self._declared))
        self.loaded, self.catalog, self.snapshot = loaded, catalog, snapshot
        known = {name: spec for name, spec in self._declared.items() if name in self.memories}
        self._declared = {**known, **catalog.endpoints}
        back = self.confirmed & (catalog.endpoints.keys() | catalog.broken.keys())
        self.confirmed -= back
        if before is None:
            self._meet_strangers()
        changed = differing(before, catalog) if before else self._everybody()
        if changed or before is None or before.unattributed != catalog.unattributed:
            changed |= self._hold()
        self._unready |= changed
        self._asked_anew |= changed
        self.queue.add_all(sorted(changed))
        self._touch()
        if back:
            await self.in_store(self.store.keep_fact, "confirmed", wants.confirmed_text(self.confirmed))
        await self._settle_applied()

    def _everybody(self) -> frozenset[str]:
        catalog = self.catalog
        named = frozenset(catalog.endpoints) | frozenset(catalog.broken) if catalog else frozenset()
        return named | frozenset(self.memories)

    def _hold(self) -> frozenset[str]:
        """Recompute which removals are held; return the endpoints for which that changed."""
        catalog = self.catalog
        if catalog is None:
            return frozenset()
        live = [name for name, memory in self.memories.items() if _exists(memory)]
        before, self.held = (
            self.held,
            held(
                live,
                catalog.endpoints.keys() | catalog.broken.keys(),
                catalog.max_removed_share,
                self.confirmed,
                unreadable=bool(catalog.unattributed),
            ),
        )
        return frozenset(name for name in {*before, *self.held} if before.get(name) != self.held.get(name))

    async def _work(self) -> None:
        while True:
            name = await self.queue.take()
            try:
                await self._reconcile(name)
            except HeadgateError as error:
                self._back_off(name, str(error))
            except Exception as error:
                log.exception("a bug while reconciling %s", name)
                self._back_off(name, f"internal error: {error!r}; please report it with the log")
            else:
                self._failures.pop(name, None)
            finally:
                self.queue.done(name)
                self._touch()

    async def _reconcile(self, name: str) -> None:
        memory = self.memories.get(name) or Memory(name)
        if not self._concerns(name):
            return
        if not self.access.has(name):
            await self.in_store(self.access.ensure, name)
        if _draining(memory):
            await self.router.refresh()
        now = self.clock.now()
        waiting = self._orders.get(name, [])
        given = waiting[0] if waiting else None
        want = replace(self.want(memory), order=given[0] if given else None)
        plan = decide(want, self.observe(name), memory, now)
        self._asked_anew.discard(name)
        await self._persist(name, memory, plan)
        self._answer(name, given, plan)
        self._examine(name, plan)
        for action in plan.actions:
            await self._apply(action)
        if plan.wake_at is not None:
            self.queue.add_after(name, (plan.wake_at - now).total_seconds())
        await self._note_ready(name, plan)

    def _answer(self, name: str, given: tuple[Order, asyncio.Future[Answer]] | None, plan: Plan) -> None:
        """Tell who gave an order what became of it; one that the decision could not take yet waits for the next."""
        if given is None or plan.answer is None:
            return
        rest = self._orders.pop(name)[1:]
        if rest:
            self._orders[name] = rest
            self.queue.add(name)
        if not given[1].done():
            given[1].set_result(plan.answer)

    def _examine(self, name: str, plan: Plan) -> None:
        if plan.memory is None:
            self.examinations.forget(name)
        elif run_of(plan.memory.phase) is None and not plan.examinations:
            self.examinations.settle(plan.memory)
        else:
            self.examinations.start(plan.memory, plan.examinations)

    def _concerns(self, name: str) -> bool:
        """Whether anything is known of the name: a late wake-up for a removed endpoint does nothing."""
        catalog = self.catalog
        return name in self.memories or (
            catalog is not None and (name in catalog.endpoints or name in catalog.broken)
        )

    async def _persist(self, name: str, before: Memory, plan: Plan) -> None:
        untold = self._untold.pop(name, [])
        if plan.memory != before or name not in self.memories or untold or plan.events:
            try:
                await self.in_store(self.store.save, name, plan.memory, (*untold, *plan.events))
            except HeadgateError:
                self._untold[name] = untold + self._untold.get(name, [])
                raise
        for event in plan.events:
            self._tell(event)
        if plan.memory is not None:
            self.memories[name], self.plans[name] = plan.memory, plan
            return
        self.memories.pop(name, None)
        self.plans.pop(name, None)
        await self.in_store(self.access.forget, name)

    async def _apply(self, action: Action) -> None:
        match action:
            case ApplyRelease(want):
                await self.runtime.apply(want)
            case PutRoute(route):
                self.router.put(route)
            case DropRoute(endpoint):
                self.router.drop(endpoint)
            case ForgetRelease(release):
                await self.runtime.forget(release)

    async def _note_ready(self, name: str, plan: Plan) -> None:
        if name in self._asked_anew:
            # Decided on a former commit, it says nothing of this one.
            return
        ready = plan.memory is None or any(
            found.type == "Ready" and found.status == "True" for found in plan.conditions
        )
        (self._unready.discard if ready else self._unready.add)(name)
        await self._settle_applied()

    async def _settle_applied(self) -> None:
        catalog = self.catalog
        if catalog is None or self._unready or catalog.unattributed or self.applied == catalog.commit:
            return
        self.applied = catalog.commit
        await self.in_store(self.store.keep_fact, "applied", catalog.commit)

    def _back_off(self, name: str, message: str) -> None:
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        seconds = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** (failures - 1))
        log.warning("%s: %s; trying again in %.1f s", name, message, seconds)
        if failures == 1:
            self._tell(Event(self.clock.now(), name, "ReconcileFailed", message, EventType.WARNING))
        self.queue.add_after(name, seconds)

    def _release_changed(self, ref: ReleaseRef) -> None:
        after = (self.runtime.seen() or {}).get(ref)
        told = narrate_release(ref, self._releases.get(ref), after, self.clock.now())
        refs = self._refs.setdefault(ref.endpoint, set())
        if after is None:
            self._releases.pop(ref, None)
            refs.discard(ref)
        else:
            self._releases[ref] = after
            refs.add(ref)
        self._untold.setdefault(ref.endpoint, []).extend(told)
        for event in told:
            self._tell(event)
        self.queue.add(ref.endpoint)

    def _meet_strangers(self) -> None:
        """Look at endpoints that only the runtime knows: Git, once read, says whether they are strays."""
        for ref in self.runtime.seen() or {}:
            self.memories.setdefault(ref.endpoint, Memory(ref.endpoint))

    def _tell(self, event: Event) -> None:
        for heard in list(self._listeners):
            heard(event)

    def _touch(self) -> None:
        self.revision += 1
        self._moved.set()


def _exists(memory: Memory) -> bool:
    return memory.spec is not None and not isinstance(memory.phase, Removing)


def _draining(memory: Memory) -> bool:
    leaving = [retiring for _, retiring in memory.retiring]
    leaving += [known.retiring for known in memory.releases if known.retiring]
    return any(retiring.acknowledged for retiring in leaving)
