"""A small world for the reconciler: an Envoy that acknowledges late, a runtime that is slow, and time by hand."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from observability.evidence import NOTHING, OUTCOMES, Reading, Tally
from observability.verdict import Verdict
from reconciler.decide import decide
from reconciler.orders import Order, OrderKind
from reconciler.plan import ApplyRelease, DropRoute, ForgetRelease, Plan, PutRoute, Seen, Want
from reconciler.routing import serve
from reconciler.split import Split, split_at
from reconciler.state import Memory, Paused, Shifting, split_of
from reconciler.trial import Examined
from router.table import EndpointRoute, KeyAuth, RouteSeen
from runtime.replica import Preparation, ReleaseSeen, ReleaseWant, ReplicaSeen, ReplicaState, Stage
from spec.catalog import DeploymentSpec, EndpointSpec
from spec.policy import IMMEDIATE, RolloutPolicy
from spec.release import Environment, InstanceType, Recipe, ReleaseRef, Server

AUTH = KeyAuth("p" * 32, "s" * 32)
START = datetime(2030, 1, 1, tzinfo=UTC)
ENDPOINT = "fraud"
LONGEST = 5.5
"""Seconds that a request may take: its queueing and its timeout."""


def recipe(timeout_ms: int = 5000) -> Recipe:
    return Recipe(
        server=Server.INFERENCE_SERVER,
        runtime="process",
        environment=Environment("test"),
        instance_type=InstanceType("Standard_DS2_v2", 2, 7 * 2**30),
        request_timeout_ms=timeout_ms,
    )


def deployment(name: str, content: str, count: int = 1) -> DeploymentSpec:
    ref = ReleaseRef(ENDPOINT, name, content.ljust(12, "0"))
    return DeploymentSpec(name, ref, recipe(), count, f"{name}.yml")


def endpoint(
    traffic: dict[str, int],
    *deployments: DeploymentSpec,
    mirror: dict[str, int] | None = None,
    policy: RolloutPolicy = IMMEDIATE,
) -> EndpointSpec:
    return EndpointSpec(
        name=ENDPOINT,
        auth_mode="key",
        file="endpoint.yml",
        traffic=tuple(sorted((name, share) for name, share in traffic.items() if share)),
        mirror_traffic=tuple((mirror or {}).items()),
        deployments=tuple(sorted(deployments, key=lambda found: found.name)),
        policy=policy,
    )


@dataclass
class Replica:
    id: str
    port: int
    state: ReplicaState = ReplicaState.STARTING
    restarts: int = 0
    reason: str = ""
    requests: list[datetime] = field(default_factory=list)
    """When each request in flight will end."""

    @property
    def in_flight(self) -> int:
        return len(self.requests)

    @property
    def never_ready(self) -> bool:
        return self.state is ReplicaState.STARTING and not self.restarts

    def seen(self) -> ReplicaSeen:
        return ReplicaSeen(self.id, self.state, "127.0.0.1", self.port, self.restarts, reason=self.reason)


@dataclass
class Release:
    want: ReleaseWant
    preparation: Preparation = field(default_factory=lambda: Preparation(Stage.PREPARING, "building"))
    replicas: list[Replica] = field(default_factory=list)

    def seen(self) -> ReleaseSeen:
        return ReleaseSeen(self.preparation, self.want.count, tuple(replica.seen() for replica in self.replicas))


@dataclass
class Envoy:
    """The last push, the pushes it has not answered yet, and what it serves."""

    pushed: int = 0
    acknowledged: int = 0
    route: EndpointRoute | None = None
    serving: EndpointRoute | None = None
    waiting: list[tuple[int, EndpointRoute | None]] = field(default_factory=list)
    served: set[Split] = field(default_factory=set)
    rejected: str | None = None
    miscounts: set[int] = field(default_factory=set)
    """Ports at which it counts a request that is none."""

    def push(self, route: EndpointRoute | None) -> None:
        self.pushed += 1
        self.route, self.rejected = route, None
        self.waiting.append((self.pushed, route))

    def answer(self) -> None:
        """Take the oldest push that waits."""
        if self.waiting:
            self.acknowledged, self.serving = self.waiting.pop(0)
            self.served.add(self.serving.split if self.serving else ())


class World:
    """Envoy, runtime, clock and the memory that survives; `violations` collects what must never happen."""

    def __init__(self, first_port: int = 10_000) -> None:
        self.now = START
        self.envoy = Envoy()
        self.releases: dict[str, Release] = {}
        self.memory: Memory | None = None
        self.spec: EndpointSpec | None = None
        self.problems: tuple = ()
        self.held = ""
        self.auth = AUTH
        self.router_known = True
        self.runtime_known = True
        self.plans: list[Plan] = []
        self.violations: list[str] = []
        self.epoch = "first"
        self.counting = True
        self.tallies: dict[str, Tally] = {}
        self.examined: dict[tuple[str, str], Examined] = {}
        self.order: Order | None = None
        self._ports = first_port
        self._granted: tuple[object, dict[str, int]] = (None, {})

    def seen(self) -> Seen:
        flights = {
            ("127.0.0.1", replica.port): replica.in_flight + (replica.port in self.envoy.miscounts)
            for release in self.releases.values()
            for replica in release.replicas
        }
        envoy = self.envoy
        route = (
            RouteSeen(envoy.route, envoy.pushed, envoy.acknowledged, envoy.rejected) if self.router_known else None
        )
        releases = {name: found.seen() for name, found in self.releases.items()} if self.runtime_known else None
        reading = Reading(self.epoch, self.now, dict(self.tallies)) if self.counting else None
        return Seen(route, releases, flights, reading, dict(self.examined))

    def want(self) -> Want:
        return Want("c1", self.spec, self.auth, self.problems, self.held, order=self.order)

    def saw(self, release: str, **outcomes: int) -> None:
        """Live requests were answered: `ok`, `5xx` and so on (`_5xx` where Python needs a name)."""
        counts = {name.removeprefix("_"): count for name, count in outcomes.items()}
        answered = sum(count for name, count in counts.items() if name not in ("reset", "429"))
        latency = (0,) * 10 + (answered,) + (0,) * (len(NOTHING.latency) - 11)
        fresh = Tally(tuple(counts.get(name, 0) for name in OUTCOMES), latency)
        self.tallies[release] = self.tallies.get(release, NOTHING) + fresh

    def examine(self, gate: str, release: str, verdict: Verdict) -> None:
        """An examination has ended."""
        self.examined[gate, release] = Examined(self.now, verdict, f"it was {verdict}")

    def command(self, kind: OrderKind) -> Plan:
        """Somebody orders something; it is given to one pass."""
        self.order = Order(kind, "1", "somebody")
        plan = self.step()
        self.order = None
        return plan

    def plan(self) -> Plan:
        return decide(self.want(), self.seen(), self.memory or Memory(ENDPOINT), self.now)

    def step(self, crash_after: int | None = None) -> Plan:
        """One pass: decide, persist, apply; a crash leaves the later actions undone."""
        plan = self.plan()
        self.memory = plan.memory
        for action in plan.actions[:crash_after]:
            self.apply(action)
        self.plans.append(plan)
        return plan

    def run(self, passes: int = 30) -> Plan:
        """Good weather: Envoy answers, replicas get ready, requests end, until a pass does nothing."""
        plan = self.step()
        for _ in range(passes):
            self.fair_weather()
            plan = self.step()
            if not plan.actions and plan.wake_at is None and not self.envoy.waiting and not self.busy():
                return plan
        return plan

    def busy(self) -> bool:
        return any(
            replica.state in {ReplicaState.STARTING, ReplicaState.STOPPING}
            for release in self.releases.values()
            for replica in release.replicas
        )

    def fair_weather(self) -> None:
        while self.envoy.waiting:
            self.envoy.answer()
        for release in self.releases.values():
            self.prepare(release)
            for replica in list(release.replicas):
                replica.requests = []
                if replica.state is ReplicaState.STOPPING:
                    release.replicas.remove(replica)
                elif replica.state is not ReplicaState.READY and not replica.reason:
                    replica.state = ReplicaState.READY
        self.wait(1)

    def wait(self, seconds: float) -> None:
        """Time passes, and requests end in it."""
        self.now += timedelta(seconds=seconds)
        for release in self.releases.values():
            for replica in release.replicas:
                replica.requests = [end for end in replica.requests if end > self.now]

    def request(self, replica: Replica, seconds: float = LONGEST) -> None:
        """A request starts; none takes longer than `LONGEST`."""
        replica.requests.append(self.now + timedelta(seconds=seconds))

    def prepare(self, release: Release) -> None:
        if release.preparation.stage is Stage.PREPARING:
            release.preparation = Preparation(Stage.PREPARED)
        self.fill(release)

    def fill(self, release: Release) -> None:
        if release.preparation.stage is not Stage.PREPARED:
            return
        while len(release.replicas) < release.want.count:
            self._ports += 1
            release.replicas.append(Replica(f"{release.want.release.name}-{self._ports}", self._ports))

    def apply(self, action: object) -> None:
        if not isinstance(action, ApplyRelease) and not (self.router_known and self.runtime_known):
            self.violations.append(f"{type(action).__name__} while something was unknown")
        match action:
            case PutRoute(route):
                self._check_route(route)
                self.envoy.push(route)
            case DropRoute():
                self.envoy.push(None)
            case ApplyRelease(want):
                self._apply(want)
            case ForgetRelease(ref):
                self._forget(ref.name)

    def _apply(self, want: ReleaseWant) -> None:
        release = self.releases.setdefault(want.release.name, Release(want))
        release.want = want
        for replica in release.replicas:
            if replica.id in want.stop and len(release.replicas) > want.count:
                self._check_stop(replica)
                replica.state = ReplicaState.STOPPING
        self.fill(release)

    def _forget(self, name: str) -> None:
        release = self.releases.pop(name, None)
        for replica in release.replicas if release else ():
            self._check_stop(replica)

    def _check_stop(self, replica: Replica) -> None:
        serving = self.envoy.serving
        for backend in serving.backends if serving else ():
            for host in backend.hosts:
                used = backend.release in dict(serving.split) or backend.release in dict(serving.pinned).values()
                if host.port == replica.port and not host.draining and used and replica.state is ReplicaState.READY:
                    self.violations.append(f"{replica.id} was stopped while Envoy still sends to it")
        if replica.in_flight:
            self.violations.append(f"{replica.id} was stopped with a request in flight")

    def _check_route(self, route: EndpointRoute) -> None:
        total = sum(share for _, share in route.split)
        if total not in {0, 10_000}:
            self.violations.append(f"split totals {total}")
        ready = {
            name
            for name, release in self.releases.items()
            if any(replica.state is ReplicaState.READY for replica in release.replicas)
        }
        served = set(dict(self.envoy.serving.split)) if self.envoy.serving else set()
        somebody = bool(ready & (served | set(dict(route.split))))
        for name in dict(route.split) if somebody else ():
            if name not in ready and name not in served:
                self.violations.append(f"{name} got traffic before a replica was ready")
        for name in set(dict(route.split)) - served - set(dict(self.envoy.route.split) if self.envoy.route else ()):
            fresh = [replica for replica in self.releases[name].replicas if replica.never_ready]
            if fresh:
                self.violations.append(f"{name} got traffic before all its replicas were ready once")
        open_ports = {host.port for backend in route.backends for host in backend.hosts if not host.draining}
        ports = {
            replica.port
            for release in self.releases.values()
            for replica in release.replicas
            if replica.state is ReplicaState.READY
        }
        if not open_ports <= ports:
            self.violations.append("a replica that is not ready is in the route")
        self._check_base(route, ready)

    def _check_base(self, route: EndpointRoute, ready: set[str]) -> None:
        """A move starts only when Envoy has confirmed what was before; a share that was lost may come back."""
        phase = self.memory.phase if self.memory else None
        split = split_of(phase) if phase else ()
        if isinstance(phase, Shifting | Paused):
            run = phase.run
            split = split_at(run.source, run.target, run.carried)
        base = dict(split) if self._was_served(split) else {}
        pushed = dict(self.envoy.route.split) if self.envoy.route else {}
        serving = dict(self.envoy.serving.split) if self.envoy.serving else {}
        granted = self._granted[1] if self._granted[0] == phase else {}
        if self.envoy.waiting and set(pushed) <= ready and set(serving) <= ready:
            for name, share in route.split:
                if share > max(known.get(name, 0) for known in (pushed, serving, base, granted)):
                    self.violations.append(f"{name} got a larger share from a base that was not confirmed")
        self._granted = (phase, {**granted, **dict(route.split)})

    def _was_served(self, split: Split) -> bool:
        """Whether Envoy ever served this split, whole or without releases that had no replica then."""
        return any(served == serve(split, frozenset(dict(served))) for served in self.envoy.served)

    def kill_replica(self, name: str, index: int = 0) -> None:
        """A replica dies; the runtime starts it again under its id, on another port."""
        replica = self.releases[name].replicas[index]
        self._ports += 1
        replica.state, replica.port, replica.requests = ReplicaState.STARTING, self._ports, []
        replica.restarts += 1

    def live_split(self) -> dict[str, float]:
        serving = self.envoy.serving
        return {name: share / 100 for name, share in serving.split} if serving else {}

    def commit(self, spec: EndpointSpec | None) -> None:
        self.spec = spec

    def condition(self, kind: str) -> str | None:
        found = [item for item in self.plans[-1].conditions if item.type == kind]
        return f"{found[0].status} {found[0].reason}" if found else None


def with_count(spec: EndpointSpec, name: str, count: int) -> EndpointSpec:
    return replace(
        spec,
        deployments=tuple(
            replace(found, instance_count=count) if found.name == name else found for found in spec.deployments
        ),
    )
