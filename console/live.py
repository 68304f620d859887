"""A running Headgate as the console's `Service`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Protocol

from console import shapes
from console.foresight import Foresight
from console.news import announce
from console.orders import Orders
from console.plans import PlanShape, Proposal
from console.rollouts import Explanation, MirroredShape, OrderAnswer, OrderBody, OrderName, RolloutShape
from console.service import EventQuery, LogQuery, MissingError, RefusedError
from console.settings import Settings
from console.views import Address, Subject, endpoint_detail, endpoint_status
from forge.location import mask
from observability.events import Event
from reconciler.loop import Reconciler
from reconciler.state import Memory
from router.credentials import KeyType
from router.table import KeyAuth
from router.tls import ServerCertificate
from runtime.logs import Container, Line, Pick
from spec.errors import TransientError

LOADED_WITHIN_S = 300.0
ACKNOWLEDGED_WITHIN_S = 30.0
SAMPLE = "sample-request.json"


class Logs(Protocol):
    """What a runtime kept of its replicas' output."""

    def sources(self, endpoint: str, deployment: str, container: Container) -> list[str]:
        """Whose lines there are. Blocks."""
        ...

    def read(self, endpoint: str, deployment: str, lines: int, container: Container, *, pick: Pick) -> list[Line]:
        """The last lines. Blocks."""
        ...

    def follow(
        self, endpoint: str, deployment: str, container: Container, *, lines: int, pick: Pick
    ) -> AsyncIterator[Line]:
        """The last lines and then each new one, for ever."""
        ...


@dataclass
class LiveService:
    """Answers from the reconciler's memory; nothing here decides anything."""

    reconciler: Reconciler
    settings: Settings
    address: Address
    logs_of: Logs
    samples: Callable[[str], Awaitable[bytes | None]]
    certificate: Callable[[], ServerCertificate | None]
    stop_everything: Callable[[], None]
    conditions: Callable[[], tuple[shapes.Condition, ...]]
    foresight: Foresight
    mirrored: Callable[[str], Awaitable[Mapping[str, Mapping[str, int]]]]
    """Answers to an endpoint's mirrored requests, by release and status."""

    @property
    def orders(self) -> Orders:
        """Rollouts and orders to them."""
        return Orders(self.reconciler, self._subject)

    async def status(self) -> shapes.Status:
        """Everything, as it is known now."""
        return shapes.Status(
            source=self._source(),
            endpoints=tuple(endpoint_status(self._subject(name), self.address) for name in sorted(self._everybody())),
        )

    async def endpoint(self, name: str) -> shapes.EndpointDetail:
        """One endpoint with what explains its state."""
        self._memory(name)
        return endpoint_detail(self._subject(name), self.address)

    def revision(self) -> int:
        """Grows with every change of what `status` says."""
        return self.reconciler.revision

    async def changed(self, since: int) -> None:
        """Return as soon as `revision()` is greater than `since`."""
        await self.reconciler.changed(since)

    async def plan(self, revision: str | None = None, *, edits: bool = False) -> PlanShape:
        """What would change for a revision, for uncommitted edits, or for the newest commit; changes nothing."""
        await self._sync_if_reachable()
        return await self.foresight.plan(revision, edits=edits)

    async def propose(self, proposal: Proposal) -> PlanShape:
        """What would change for a catalog of the caller's own; changes nothing."""
        return await self.foresight.propose(proposal)

    async def sync(self) -> str:
        """Look at the source now; return its commit once it is loaded."""
        commit = await self.reconciler.source.sync()
        async with asyncio.timeout(LOADED_WITHIN_S):
            while self._commit() != commit and self.reconciler.source.seen().attempted == commit:
                await self.changed(self.revision())
        return commit

    async def confirm(self, commit: str | None) -> shapes.Confirmation:
        """Let the held removals happen."""
        held = self._held()
        if held is None:
            raise RefusedError("no removal is held: there is nothing to confirm")
        if commit is not None and not held.commit.startswith(commit):
            raise RefusedError(f"the held removals are of commit {held.commit[:12]}, not of {commit}")
        await self.reconciler.confirm(frozenset(held.removes))
        return shapes.Confirmation(commit=held.commit, removes=held.removes)

    async def keys(self, name: str) -> shapes.Keys:
        """Both keys."""
        self._memory(name)
        auth = self.reconciler.want(self._memory(name)).auth
        if not isinstance(auth, KeyAuth):
            raise RefusedError(f"endpoint {name} uses tokens: run `headgate token {name}`")
        return shapes.Keys(primary=auth.primary, secondary=auth.secondary)

    async def rotate(self, name: str, key_type: shapes.KeyType) -> shapes.Keys:
        """Replace one key and wait until the router acknowledged it."""
        await self.keys(name)
        reconciler = self.reconciler
        await reconciler.in_store(reconciler.access.rotate, name, KeyType(key_type))
        keys = await self.keys(name)
        reconciler.queue.add(name)
        await self._acknowledged(name)
        message = f"the {key_type} key is new, and the former one is no longer accepted"
        await announce(reconciler, Event(reconciler.clock.now(), name, "KeyRotated", message))
        return keys

    async def token(self, name: str) -> shapes.Token:
        """A fresh token."""
        memory = self._memory(name)
        if isinstance(self.reconciler.want(memory).auth, KeyAuth):
            raise RefusedError(f"endpoint {name} uses keys: run `headgate keys show {name}`")
        lifetime = timedelta(seconds=self.settings.token_lifetime)
        token = self.reconciler.access.token(name, self.reconciler.clock.now(), lifetime)
        return shapes.Token.model_validate(token.as_json())

    async def access(self, name: str) -> shapes.Access:
        """All that a caller on this machine needs to score."""
        auth = self.reconciler.want(self._memory(name)).auth
        credential = auth.primary if isinstance(auth, KeyAuth) else (await self.token(name)).access_token
        presented = self.certificate()
        ours = presented.ca_path if presented else None
        return shapes.Access(
            auth_mode="key" if isinstance(auth, KeyAuth) else "aml_token",
            scoring_uri=f"{self.address.base(name)}/score",
            credential=credential,
            ca_certificate=str(ours) if ours else None,
            certificate=presented.certificate_pem if presented and not ours else None,
            connect_to=f"{self.address.connect}:{self.address.port}",
        )

    async def sample(self, name: str) -> bytes | None:
        """The endpoint's `sample-request.json` of the newest commit, if its folder has one."""
        spec = self._memory(name).spec
        if spec is None:
            return None
        return await self.samples(str(PurePosixPath(spec.file).with_name(SAMPLE)))

    async def events(self, query: EventQuery) -> AsyncIterator[shapes.EventShape]:
        """Events, oldest first; with `follow` every new one until closed. Those of a removed endpoint are kept."""
        if query.endpoint and not await self._stored(replace(query, limit=1)):
            self._memory(query.endpoint)
        fresh: asyncio.Queue[Event] = asyncio.Queue()
        silence = self.reconciler.listen(fresh.put_nowait)
        try:
            for event in await self._stored(query):
                yield shapes.EventShape.of(event)
            while query.follow:
                event = await fresh.get()
                if query.endpoint in {"", event.endpoint}:
                    yield shapes.EventShape.of(event)
        finally:
            silence()

    async def logs(self, query: LogQuery) -> AsyncIterator[shapes.LogLine]:
        """Log lines of a deployment's replicas."""
        self._deployment(query)
        where = (query.endpoint, query.deployment)
        pick = Pick(query.release, query.replica, query.access, query.previous)
        await self._check_sources(query, pick)
        if not query.follow:
            read = self.logs_of.read
            for line in await asyncio.to_thread(read, *where, query.lines, query.container, pick=pick):
                yield shapes.LogLine(replica=line.source, text=line.text)
            return
        async for line in self.logs_of.follow(*where, query.container, lines=query.lines, pick=pick):
            yield shapes.LogLine(replica=line.source, text=line.text)

    async def _check_sources(self, query: LogQuery, pick: Pick) -> None:
        """Raise `MissingError` if a release or replica is named that has no log; what is followed may yet come."""
        if query.follow or not (query.release or query.replica):
            return
        known = await asyncio.to_thread(self.logs_of.sources, query.endpoint, query.deployment, query.container)
        if not any(map(pick.wants, known)):
            named = " and ".join(filter(None, (query.release, query.replica)))
            raise MissingError(
                f"{query.endpoint}/{query.deployment} has no log of {named}; it has: {', '.join(known) or 'none yet'}"
            )

    async def rollout(self, name: str) -> RolloutShape:
        """Where the endpoint's move is."""
        self._memory(name)
        return await self._with_mirrored(self.orders.status(name))

    async def follow_rollout(self, name: str) -> AsyncIterator[RolloutShape]:
        """Where the endpoint's move is, again and again until closed."""
        self._memory(name)
        async for found in self.orders.follow(name):
            yield await self._with_mirrored(found)

    async def _with_mirrored(self, found: RolloutShape) -> RolloutShape:
        memory = self.reconciler.memories.get(found.endpoint)
        mirror = memory.route.mirror if memory is not None and memory.route is not None else None
        if mirror is None:
            return found
        codes: Mapping[str, int] = {}
        with contextlib.suppress(TransientError):
            codes = (await self.mirrored(found.endpoint)).get(mirror[0], {})
        return found.model_copy(update={"mirrored": (MirroredShape.of(mirror[0], codes),)})

    async def order(self, name: str, kind: OrderName, body: OrderBody) -> OrderAnswer:
        """Give an order to the endpoint's move."""
        self._memory(name)
        return await self.orders.give(name, kind, body)

    async def explain(self, name: str) -> Explanation:
        """Why the endpoint is as it is."""
        self._memory(name)
        return await self.orders.explain(name)

    async def down(self) -> None:
        """Begin to stop Envoy, every replica and then Headgate itself."""
        self.stop_everything()

    def _source(self) -> shapes.SourceShape:
        reconciler, settings = self.reconciler, self.settings
        seen = reconciler.source.seen()
        return shapes.SourceShape(
            repository=mask(settings.repo or ""),
            branch=settings.branch,
            path=settings.path,
            attempted_commit=self._commit(),
            applied_commit=reconciler.applied,
            checked_at=seen.checked_at,
            problem=seen.problem,
            held=self._held(),
            problems=self._problems(),
            conditions=self.conditions(),
            conda=reconciler.conda,
        )

    def _commit(self) -> str | None:
        catalog = self.reconciler.catalog
        return catalog.commit if catalog else None

    def _problems(self) -> tuple[shapes.ProblemShape, ...]:
        catalog = self.reconciler.catalog
        return tuple(shapes.ProblemShape.of(problem) for problem in catalog.problems) if catalog else ()

    def _held(self) -> shapes.HeldRemoval | None:
        held = self.reconciler.held
        catalog = self.reconciler.catalog
        if not held or catalog is None or catalog.unattributed:
            return None
        return shapes.HeldRemoval(
            commit=catalog.commit, removes=tuple(sorted(held)), message=next(iter(held.values()))
        )

    def _everybody(self) -> set[str]:
        catalog = self.reconciler.catalog
        named = {*catalog.endpoints, *catalog.broken} if catalog else set[str]()
        return named | set(self.reconciler.memories)

    def _subject(self, name: str) -> Subject:
        reconciler = self.reconciler
        judged = None if reconciler.queue.pending(name) else self._commit()
        memory = reconciler.memories.get(name) or Memory(name)
        return Subject(memory, reconciler.observe(name), judged)

    def _memory(self, name: str) -> Memory:
        memory = self.reconciler.memories.get(name)
        if memory is not None:
            return memory
        known = ", ".join(sorted(self.reconciler.memories)) or "none yet"
        raise MissingError(f"there is no endpoint {name}; there is: {known}")

    def _deployment(self, query: LogQuery) -> None:
        spec = self._memory(query.endpoint).spec
        names = {found.name for found in spec.deployments} if spec else set[str]()
        names |= {known.ref.deployment for known in self._memory(query.endpoint).releases}
        if query.deployment not in names:
            known = ", ".join(sorted(names)) or "none yet"
            raise MissingError(f"endpoint {query.endpoint} has no deployment {query.deployment}; it has: {known}")

    async def _stored(self, query: EventQuery) -> list[Event]:
        reconciler = self.reconciler
        rows = await reconciler.in_store(reconciler.store.events, query.endpoint or None, 0, query.limit)
        return [event for _, event in rows]

    async def _acknowledged(self, name: str) -> None:
        """Return once Envoy serves the route with today's credentials; an endpoint without route needs none."""
        async with asyncio.timeout(ACKNOWLEDGED_WITHIN_S):
            while True:
                revision = self.revision()
                auth = self.reconciler.want(self._memory(name)).auth
                seen = self.reconciler.observe(name).route
                if seen and (seen.route is None or (seen.settled and seen.route.auth == auth)):
                    return
                await self.changed(revision)

    async def _sync_if_reachable(self) -> None:
        with contextlib.suppress(TransientError, TimeoutError):
            await self.sync()
