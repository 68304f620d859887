"""What a move would look like if all went well: `decide` itself, in a world where nothing is late. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from observability.evidence import NOTHING, OUTCOMES, Reading, Tally
from observability.verdict import Verdict
from reconciler import ladder
from reconciler.decide import decide
from reconciler.orders import Order
from reconciler.plan import ApplyRelease, DropRoute, ForgetRelease, Plan, PutRoute, Seen, Want
from reconciler.split import Split
from reconciler.state import Memory, Paused, Removing, Reverting, Settled, run_of, split_of
from reconciler.trial import Examined, Key
from router.table import EndpointRoute, RouteSeen
from runtime.replica import Preparation, ReleaseSeen, ReplicaSeen, ReplicaState, Stage
from spec.policy import Pause, Weight

MOST_PASSES = 600
"""A ladder has a hundred steps at most, and each takes a few passes."""
TICK = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Stop:
    """One moment of the move at which what is served, or waited for, changes."""

    after: timedelta
    """From the beginning, at the earliest."""
    split: Split
    replicas: int
    """Of all releases together."""
    waits_for: str
    """What the step waits for: time and gates, an approval, nothing more."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The way from the present split to what Git asks for."""

    source: Split
    target: Split
    stops: tuple[Stop, ...]
    earliest: timedelta
    """Replicas' start and approvals take longer by as much as they take."""
    approvals: int
    peak: int
    """Most replicas at once."""
    settles: bool
    """Whether it ends at the target: False, where it waits for something that no good weather brings."""


@dataclass(slots=True)
class _World:
    """Envoy acknowledges at once, replicas are ready at once, and every request is answered well."""

    now: datetime
    route: EndpointRoute | None
    counts: dict[str, int]
    pushes: int = 1
    examined: dict[Key, Examined] = field(default_factory=dict)
    answers: int = 0

    def seen(self, memory: Memory) -> Seen:
        releases = {name: _release(name, count) for name, count in self.counts.items()}
        live = (name for name, _ in split_of(memory.phase))
        well = Tally((self.answers, *(0,) * (len(OUTCOMES) - 1)), (self.answers, *NOTHING.latency[1:]))
        reading = Reading("forecast", self.now, dict.fromkeys(live, well))
        return Seen(RouteSeen(self.route, self.pushes, self.pushes), releases, {}, reading, dict(self.examined))

    def take(self, plan: Plan) -> None:
        """Do what a plan asks for."""
        for action in plan.actions:
            match action:
                case ApplyRelease(want):
                    self.counts[want.release.name] = want.count
                case ForgetRelease(release):
                    self.counts.pop(release.name, None)
                case PutRoute(route):
                    self.route, self.pushes = route, self.pushes + 1
                case DropRoute():
                    self.route, self.pushes = None, self.pushes + 1
        for one in plan.examinations:
            self.examined[one.gate, one.release.name] = Examined(self.now, Verdict.GOOD, "assumed")


def forecast(want: Want, memory: Memory, now: datetime) -> Forecast:
    """The move that `want` brings about, by the same decisions that will be taken when it happens."""
    counts = {known.ref.name: known.count for known in memory.releases if known.retiring is None}
    world = _World(now, memory.route, counts)
    begin = split_of(memory.phase)
    stops, memory = _run(want, memory, world, now)
    settled = isinstance(memory.phase, Settled) and not run_of(memory.phase)
    return Forecast(
        source=begin,
        target=split_of(memory.phase),
        stops=stops,
        earliest=stops[-1].after if stops else timedelta(),
        approvals=sum(stop.waits_for == "approval" for stop in stops),
        peak=max((stop.replicas for stop in stops), default=sum(counts.values())),
        settles=settled,
    )


def _run(want: Want, memory: Memory, world: _World, begin: datetime) -> tuple[tuple[Stop, ...], Memory]:
    stops: list[Stop] = []
    order: Order | None = None
    for _ in range(MOST_PASSES):
        plan = decide(replace(want, order=order), world.seen(memory), memory, world.now)
        if plan.memory is None or isinstance(plan.memory.phase, Removing):
            break
        before, memory = memory, plan.memory
        world.take(plan)
        _note(stops, memory, world, begin)
        order = Order("promote", "forecast") if _awaits_approval(memory) else None
        if order is None and memory.phase == before.phase and not plan.actions:
            if _is_over(memory) or plan.wake_at is None:
                break
            world.answers += 100_000
            world.now = max(plan.wake_at, world.now + TICK)
    return tuple(stops), memory


def _is_over(memory: Memory) -> bool:
    return isinstance(memory.phase, Settled)


def _awaits_approval(memory: Memory) -> bool:
    phase = memory.phase
    if not isinstance(phase, Paused):
        return False
    return phase.manual or (isinstance(phase.run.rung, Pause) and phase.run.rung.for_s is None)


def _note(stops: list[Stop], memory: Memory, world: _World, begin: datetime) -> None:
    """Remember the moment if what is served, or waited for, is another than at the last."""
    stop = Stop(world.now - begin, split_of(memory.phase), sum(world.counts.values()), _waits_for(memory))
    last = stops[-1] if stops else None
    if last is not None and (last.split, last.waits_for) == (stop.split, stop.waits_for):
        stops[-1] = replace(last, replicas=max(last.replicas, stop.replicas))
    else:
        stops.append(stop)


def _waits_for(memory: Memory) -> str:
    run = run_of(memory.phase)
    if isinstance(memory.phase, Reverting):
        return "the way back"
    if run is None:
        return ""
    if _awaits_approval(memory):
        return "approval"
    if not run.begun:
        return "replicas"
    if isinstance(run.rung, Weight) and run.fraction != run.rung.weight:
        return "replicas"
    return ladder.entered(run)[1] if run.rung is not None else "acknowledgement"


def _release(name: str, count: int) -> ReleaseSeen:
    replicas = tuple(
        ReplicaSeen(f"{name}-{index}", ReplicaState.READY, "127.0.0.1", 1 + (hash(name) + index) % 60_000)
        for index in range(count)
    )
    return ReleaseSeen(Preparation(Stage.PREPARED), count, replicas)


def stages(found: Forecast) -> Iterator[tuple[timedelta, Split]]:
    """The splits that are served one after another, and from when at the earliest."""
    last: Split | None = None
    for stop in found.stops:
        if stop.split != last:
            yield stop.after, stop.split
            last = stop.split
