"""The machine in all weathers: late acknowledgements, dying replicas, crashes in mid-plan, pushes at any moment."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from policies import POLICIES
from world import ENDPOINT, LONGEST, Replica, World, deployment, endpoint

from observability.verdict import Verdict
from reconciler.facts import target
from reconciler.orders import KINDS, OrderKind
from reconciler.refusals import shunned
from reconciler.run import Run
from reconciler.state import Memory, Moving, Paused, Removing, Settled, run_of
from reconciler.target import target_split
from runtime.replica import ReplicaState
from spec.catalog import EndpointSpec
from spec.problem import Problem

CONTENTS = st.sampled_from("123")
COUNTS = st.integers(1, 3)
NAMES = st.sampled_from(["immediate", *POLICIES])
ORDERS = st.sampled_from(KINDS)
TRAFFIC = st.sampled_from([{"blue": 100}, {"blue": 90, "green": 10}, {"green": 100}, {}, {"blue": 1, "green": 99}])


@st.composite
def specs(draw: st.DrawFn) -> EndpointSpec | None:
    if draw(st.integers(0, 4)) == 0:
        return None
    traffic = draw(TRAFFIC)
    names = set(traffic) | set(draw(st.sets(st.sampled_from(["blue", "green"]))))
    found = [deployment(name, draw(CONTENTS), draw(COUNTS)) for name in sorted(names)]
    idle = [name for name in sorted(names) if name not in traffic]
    mirror = {idle[0]: 20} if idle and traffic and draw(st.booleans()) else None
    return endpoint(traffic, *found, mirror=mirror, policy=POLICIES[draw(NAMES)])


class Weather(RuleBasedStateMachine):
    """Any order of events; `violations` must stay empty, and good weather must bring what Git asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.approved: set[object] = set()
        """Moves that somebody let go on."""
        self.last: Run | None = None

    @rule(spec=specs())
    def push(self, spec: EndpointSpec | None) -> None:
        self.world.commit(spec)
        self.world.problems, self.world.held = (), ""

    @rule()
    def push_nonsense(self) -> None:
        self.world.commit(None)
        self.world.problems = (Problem("endpoint.yml", 1, 1, "name", "missing"),)

    @rule()
    def decide(self) -> None:
        self.world.step()

    @rule(done=st.integers(0, 3))
    def crash(self, done: int) -> None:
        """Memory is written, some actions are done, and the process is gone."""
        self.world.step(crash_after=done)

    @rule()
    def acknowledge(self) -> None:
        self.world.envoy.answer()

    @rule(seconds=st.floats(0.1, 20))
    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    @rule(data=st.data(), seconds=st.floats(0.01, LONGEST))
    def request(self, data: st.DataObject, seconds: float) -> None:
        """A request starts on a host that Envoy serves from."""
        replicas = self.served()
        if replicas:
            self.world.request(data.draw(st.sampled_from(replicas)), seconds)

    def served(self) -> list[Replica]:
        """The replicas that Envoy chooses among."""
        serving = self.world.envoy.serving
        backends = serving.backends if serving else ()
        split = dict(serving.split) if serving else {}
        ports = {
            host.port for found in backends if found.release in split for host in found.hosts if not host.draining
        }
        everybody = [replica for release in self.world.releases.values() for replica in release.replicas]
        return [found for found in everybody if found.port in ports and found.state is ReplicaState.READY]

    @rule(spec=specs(), looks=st.integers(1, 12))
    def change_under_load(self, spec: EndpointSpec | None, looks: int) -> None:
        """Every replica that gets traffic has a long request, at each of a few quick looks."""
        world = self.world
        self.push(spec)
        for _ in range(looks):
            world.step()
            world.envoy.answer()
            for release in world.releases.values():
                world.prepare(release)
                for replica in release.replicas:
                    if replica.state is ReplicaState.STARTING:
                        replica.state = ReplicaState.READY
            for replica in self.served():
                world.request(replica)
            world.wait(0.3)

    @rule()
    def finish_requests(self) -> None:
        for release in self.world.releases.values():
            for replica in release.replicas:
                replica.requests = []

    @rule(data=st.data())
    def replica_ready(self, data: st.DataObject) -> None:
        if not self.world.releases:
            return
        release = self.world.releases[data.draw(st.sampled_from(sorted(self.world.releases)))]
        self.world.prepare(release)
        starting = [replica for replica in release.replicas if replica.state is ReplicaState.STARTING]
        if starting:
            data.draw(st.sampled_from(starting)).state = ReplicaState.READY

    @rule(data=st.data())
    def replica_dies(self, data: st.DataObject) -> None:
        alive = [
            (name, index)
            for name, release in sorted(self.world.releases.items())
            for index, replica in enumerate(release.replicas)
            if replica.state is ReplicaState.READY
        ]
        if alive:
            self.world.kill_replica(*data.draw(st.sampled_from(alive)))

    @rule()
    def replicas_stop(self) -> None:
        for release in self.world.releases.values():
            release.replicas = [found for found in release.replicas if found.state is not ReplicaState.STOPPING]

    @rule(router=st.booleans(), runtime=st.booleans())
    def know(self, router: bool, runtime: bool) -> None:  # noqa: FBT001 -- hypothesis passes them by name
        self.world.router_known, self.world.runtime_known = router, runtime

    @rule(counts=st.lists(st.sampled_from([0, 0, 0, 1, 10]), min_size=2, max_size=2), ok=st.integers(0, 40))
    def answer(self, counts: list[int], ok: int) -> None:
        """Every release that Envoy serves answered some requests, and failed some."""
        serving = self.world.envoy.serving
        for index, (name, share) in enumerate(serving.split if serving else ()):
            self.world.saw(name, ok=ok * share // 1000, **{"5xx": counts[index % 2]})

    @rule(kind=ORDERS)
    def order(self, kind: OrderKind) -> None:
        if self.world.memory is None:
            return
        run = run_of(self.world.memory.phase)
        plan = self.world.command(kind)
        if run is not None and kind in ("promote", "promote-full") and plan.answer and plan.answer.done:
            self.approved.add((run.source, run.target, run.started))

    @rule(on=st.booleans())
    def count(self, on: bool) -> None:  # noqa: FBT001 -- hypothesis passes it by name
        self.world.counting = on

    @rule()
    def restart(self) -> None:
        """Headgate comes back: counters and outcomes that were not remembered are gone."""
        world = self.world
        world.epoch, world.tallies, world.examined = world.epoch + "'", {}, {}

    @rule(verdict=st.sampled_from(Verdict))
    def examined(self, verdict: Verdict) -> None:
        self.examine(verdict)

    def examine(self, verdict: Verdict) -> None:
        for one in self.world.plans[-1].examinations if self.world.plans else ():
            self.world.examine(one.gate, one.release.name, verdict)

    def sunshine(self) -> None:
        """Releases answer well, examinations end well, somebody approves, and time passes."""
        world = self.world
        for name, _ in world.envoy.serving.split if world.envoy.serving else ():
            world.saw(name, ok=2000)
        world.wait(20)
        world.fair_weather()
        world.step()
        self.examine(Verdict.GOOD)
        if world.memory is not None and isinstance(world.memory.phase, Paused):
            self.order("promote")

    @rule()
    @precondition(lambda self: self.world.memory is not None)
    def good_weather(self) -> None:
        """Everything works for a while: the endpoint is what Git asks for, and a further pass does nothing."""
        world = self.world
        world.router_known = world.runtime_known = world.counting = True
        for _ in range(60):
            self.sunshine()
        world.run(60)
        if world.memory is None:
            assert world.releases == {}
            assert world.envoy.serving is None
            return
        spec = world.memory.spec if world.problems else world.spec
        assert isinstance(world.memory.phase, Settled), world.memory.phase
        assert world.memory.phase.split == target(world.memory, spec)
        assert dict(world.envoy.serving.split if world.envoy.serving else ()) == dict(world.memory.phase.split)
        if not world.memory.refused:
            assert world.memory.phase.split == target_split(spec)
            wanted = {found.release.name: found.instance_count for found in spec.deployments} if spec else {}
            assert {name: len(found.replicas) for name, found in world.releases.items()} == wanted
        assert world.step().actions == ()

    @invariant()
    def nothing_forbidden_happened(self) -> None:
        assert self.world.violations == []

    @invariant()
    def what_was_refused_gets_no_share(self) -> None:
        memory = self.world.memory
        if memory is None or memory.spec is None or not isinstance(memory.phase, Settled) or memory.route is None:
            return
        assert not set(dict(memory.phase.split)) & shunned(memory, memory.spec.policy)

    @invariant()
    def an_approval_is_never_skipped(self) -> None:
        """`careful` asks for one at 10 %: nothing goes further without somebody's word."""
        memory = self.world.memory
        if memory is None or not isinstance(memory.phase, Moving):
            return
        run = memory.phase.run
        if run.straight or run.policy != POLICIES["careful"] or run.fraction <= POLICIES["careful"].steps[0].weight:
            return
        assert (run.source, run.target, run.started) in self.approved

    @invariant()
    def no_share_stays_against_a_bad_verdict(self) -> None:
        memory = self.world.memory
        if memory is None or not isinstance(memory.phase, Moving) or not memory.phase.run.fraction:
            return
        assert not [one for one in memory.phase.run.said if one.verdict is Verdict.BAD and not one.dry_run]

    @invariant()
    def no_share_is_inherited(self) -> None:
        """Another target begins at 0, from the same base."""
        memory = self.world.memory
        run = run_of(memory.phase) if memory is not None else None
        if run is not None and run.fraction and self.last is not None and self.last.started == run.started:
            assert run.target == self.last.target or not self.last.fraction
        self.last = run

    @invariant()
    def live_releases_are_remembered(self) -> None:
        world = self.world
        if world.memory is None or world.envoy.serving is None or isinstance(world.memory.phase, Removing):
            return
        known = {release.ref.name for release in world.memory.releases}
        assert set(dict(world.envoy.serving.split)) <= known | set(world.releases)

    @invariant()
    def a_second_decision_agrees_with_the_first(self) -> None:
        """Deciding twice on the same world is deciding once: memory is a fixpoint."""
        world = self.world
        first = world.plan()
        if first.memory is None:
            return
        before, world.memory = world.memory, first.memory
        second = world.plan()
        world.memory = before
        assert second.actions == first.actions
        assert second.memory == first.memory
        assert first.memory.endpoint == (before or Memory(ENDPOINT)).endpoint


TestWeather = Weather.TestCase
TestWeather.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
