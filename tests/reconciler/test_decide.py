"""One test a behaviour of the decision, on a world whose time is moved by hand."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from world import ENDPOINT, Release, World, deployment, endpoint, recipe, with_count

from reconciler.plan import ApplyRelease, DropRoute, ForgetRelease, PutRoute
from reconciler.state import Removing, Reverting, Settled, Shifting, Warming
from router.table import KeyAuth
from runtime.replica import Blame, Preparation, ReleaseWant, ReplicaState, Stage
from spec.problem import Problem

BLUE = "blue@100000000000"
BLUE2 = "blue@200000000000"
GREEN = "green@100000000000"
NONE = Release(ReleaseWant(deployment("none", "0").release, recipe(), 0))


@pytest.fixture
def world() -> Iterator[World]:
    found = World()
    yield found
    assert found.violations == []


def serving_blue(world: World, count: int = 1) -> None:
    world.commit(endpoint({"blue": 100}, deployment("blue", "1", count)))
    world.run()
    assert world.live_split() == {BLUE: 100}


class TestFirstDeployment:
    def test_starts_replicas_and_answers_404_meanwhile(self, world: World) -> None:
        world.commit(endpoint({"blue": 100}, deployment("blue", "1", 2)))
        plan = world.step()
        assert [type(action) for action in plan.actions] == [ApplyRelease, PutRoute]
        assert plan.actions[0].want.count == 2
        assert plan.actions[1].route.split == ()
        assert isinstance(plan.memory.phase, Warming)

    def test_moves_in_one_step_once_all_replicas_are_ready(self, world: World) -> None:
        world.commit(endpoint({"blue": 100}, deployment("blue", "1", 2)))
        world.run()
        assert world.live_split() == {BLUE: 100}
        assert world.memory.phase == Settled(((BLUE, 10_000),))
        assert world.condition("Ready") == "True Serving"

    def test_does_not_move_while_one_of_two_is_missing(self, world: World) -> None:
        world.commit(endpoint({"blue": 100}, deployment("blue", "1", 2)))
        world.step()
        world.fair_weather()
        world.releases[BLUE].replicas[0].state = ReplicaState.STARTING
        world.step()
        assert isinstance(world.memory.phase, Warming)

    def test_never_ready_says_why(self, world: World) -> None:
        world.commit(endpoint({"blue": 100}, deployment("blue", "1")))
        world.step()
        world.fair_weather()
        replica = world.releases[BLUE].replicas[0]
        replica.state, replica.restarts, replica.reason = ReplicaState.WAITING, 2, "InitFailed"
        world.step()
        assert world.condition("Ready") == "False InitFailed"
        assert world.condition("Stalled") == "True InitFailed"
        assert world.condition("ReplicaFailure") == "True InitFailed"
        assert world.live_split() == {}

    def test_a_wrong_requirement_fails_at_once(self, world: World) -> None:
        world.commit(endpoint({"blue": 100}, deployment("blue", "1")))
        world.step()
        failed = Preparation(Stage.FAILED, "no such package: nmpy", "EnvironmentBuildFailed", Blame.RELEASE)
        world.releases[BLUE].preparation = failed
        world.step()
        assert world.condition("Ready") == "False EnvironmentBuildFailed"

    def test_a_registry_that_is_away_is_waited_for(self, world: World) -> None:
        world.commit(endpoint({"blue": 100}, deployment("blue", "1")))
        world.step()
        away = Preparation(Stage.FAILED, "the registry is away", "RegistryUnavailable", Blame.WORLD)
        world.releases[BLUE].preparation = away
        world.step()
        assert world.condition("Ready") == "Unknown RegistryUnavailable"
        assert world.condition("Stalled") is None


class TestChange:
    def test_second_pass_does_nothing(self, world: World) -> None:
        serving_blue(world)
        plan = world.step()
        assert plan.actions == ()
        assert plan.events == ()

    def test_new_release_takes_over_only_when_ready(self, world: World) -> None:
        serving_blue(world)
        world.commit(endpoint({"blue": 100}, deployment("blue", "2")))
        world.step()
        assert world.live_split() == {BLUE: 100}
        world.run()
        assert world.live_split() == {BLUE2: 100}

    def test_old_release_is_drained_then_stopped(self, world: World) -> None:
        serving_blue(world)
        world.commit(endpoint({"blue": 100}, deployment("blue", "2")))
        world.run()
        assert set(world.releases) == {BLUE2}
        assert [known.ref.name for known in world.memory.releases] == [BLUE2]

    def test_old_release_waits_for_its_requests(self, world: World) -> None:
        serving_blue(world)
        world.commit(endpoint({"blue": 100}, deployment("blue", "2")))
        for _ in range(4):
            world.step()
            world.fair_weather()
            world.request(world.releases[BLUE].replicas[0])
        world.step()
        assert world.live_split() == {BLUE2: 100}
        assert BLUE in world.releases
        world.releases[BLUE].replicas[0].requests = []
        world.step()
        assert BLUE not in world.releases

    def test_the_longest_request_ends_the_wait(self, world: World) -> None:
        """Envoy may go on counting a request that its client gave up; nothing that old can still be answered."""
        serving_blue(world)
        world.commit(endpoint({"blue": 100}, deployment("blue", "2")))
        for _ in range(12):
            world.step()
            world.fair_weather()
            world.envoy.miscounts = {replica.port for replica in world.releases.get(BLUE, NONE).replicas}
        assert BLUE not in world.releases

    def test_failing_candidate_leaves_the_old_one_serving(self, world: World) -> None:
        serving_blue(world)
        world.commit(endpoint({"blue": 100}, deployment("blue", "2")))
        world.step()
        failed = Preparation(Stage.FAILED, "no such package", "EnvironmentBuildFailed", Blame.RELEASE)
        world.releases[BLUE2].preparation = failed
        world.run()
        assert world.live_split() == {BLUE: 100}
        assert world.condition("Ready") == "False EnvironmentBuildFailed"

    def test_revert_while_warming_returns_at_once(self, world: World) -> None:
        serving_blue(world)
        world.commit(endpoint({"blue": 100}, deployment("blue", "2")))
        world.step()
        world.commit(endpoint({"blue": 100}, deployment("blue", "1")))
        world.run()
        assert world.memory.phase == Settled(((BLUE, 10_000),))
        assert set(world.releases) == {BLUE}
        assert world.condition("Ready") == "True Serving"

    def test_superseded_shift_returns_to_its_source_first(self, world: World) -> None:
        serving_blue(world)
        world.commit(endpoint({"blue": 100}, deployment("blue", "2")))
        world.step()
        world.fair_weather()
        world.step()
        assert isinstance(world.memory.phase, Shifting)
        world.commit(endpoint({"blue": 100}, deployment("blue", "3")))
        plan = world.step()
        assert isinstance(plan.memory.phase, Reverting)
        assert plan.actions[-1].route.split == ((BLUE, 10_000),)
        world.run()
        assert world.live_split() == {"blue@300000000000": 100}

    def test_traffic_edit_alone_moves_without_new_replicas(self, world: World) -> None:
        both = (deployment("blue", "1"), deployment("green", "1"))
        world.commit(endpoint({"blue": 100}, *both))
        world.run()
        before = {name: id(found) for name, found in world.releases.items()}
        world.commit(endpoint({"blue": 90, "green": 10}, *both))
        world.run()
        assert world.live_split() == {BLUE: 90, GREEN: 10}
        assert {name: id(found) for name, found in world.releases.items()} == before

    def test_traffic_to_nobody_is_one_step(self, world: World) -> None:
        serving_blue(world)
        world.commit(endpoint({}, deployment("blue", "1")))
        world.run()
        assert world.live_split() == {}
        assert world.envoy.serving.pinned == (("blue", BLUE),)
        assert set(world.releases) == {BLUE}

    def test_a_late_acknowledgement_of_an_older_push_is_not_the_goal(self, world: World) -> None:
        serving_blue(world)
        world.commit(endpoint({"blue": 100}, deployment("blue", "2")))
        world.step()
        world.fair_weather()
        world.step()
        world.step()
        assert isinstance(world.memory.phase, Shifting)
        assert len(world.envoy.waiting) == 1
        assert BLUE in world.releases


class TestWithoutShare:
    def test_deployment_at_zero_is_reached_by_its_header(self, world: World) -> None:
        world.commit(endpoint({"blue": 100}, deployment("blue", "1"), deployment("green", "1")))
        world.run()
        assert dict(world.envoy.serving.pinned) == {"blue": BLUE, "green": GREEN}

    def test_its_new_release_swaps_in_when_ready(self, world: World) -> None:
        world.commit(endpoint({"blue": 100}, deployment("blue", "1"), deployment("green", "1")))
        world.run()
        world.commit(endpoint({"blue": 100}, deployment("blue", "1"), deployment("green", "2")))
        world.step()
        assert dict(world.envoy.serving.pinned)["green"] == GREEN
        world.run()
        assert dict(world.envoy.serving.pinned)["green"] == "green@200000000000"
        assert GREEN not in world.releases

    def test_mirror_reaches_a_ready_release_without_share(self, world: World) -> None:
        both = (deployment("blue", "1"), deployment("green", "1"))
        world.commit(endpoint({"blue": 100}, *both, mirror={"green": 10}))
        world.run()
        assert world.envoy.serving.mirror == (GREEN, 10)

    def test_a_share_for_the_mirror_ends_the_mirror(self, world: World) -> None:
        both = (deployment("blue", "1"), deployment("green", "1"))
        world.commit(endpoint({"blue": 100}, *both, mirror={"green": 10}))
        world.run()
        world.commit(endpoint({"blue": 50, "green": 50}, *both))
        world.run()
        assert world.envoy.serving.mirror is None


class TestSize:
    def test_up_at_once(self, world: World) -> None:
        serving_blue(world)
        world.commit(with_count(world.spec, "blue", 3))
        plan = world.step()
        assert [action.want.count for action in plan.actions] == [3]
        world.run()
        assert len(world.envoy.serving.backends[0].hosts) == 3

    def test_down_drains_before_it_stops(self, world: World) -> None:
        serving_blue(world, 3)
        world.commit(with_count(world.spec, "blue", 1))
        plan = world.step()
        route = plan.actions[-1].route
        assert sum(host.draining for host in route.backends[0].hosts) == 2
        assert len(world.releases[BLUE].replicas) == 3
        assert all(replica.state is ReplicaState.READY for replica in world.releases[BLUE].replicas)
        world.run()
        assert len(world.releases[BLUE].replicas) == 1
        assert world.memory.retiring == ()

    def test_up_again_in_mid_drain_takes_them_back(self, world: World) -> None:
        serving_blue(world, 3)
        world.commit(with_count(world.spec, "blue", 1))
        world.step()
        world.commit(with_count(world.spec, "blue", 3))
        world.run()
        assert len(world.releases[BLUE].replicas) == 3
        assert not any(host.draining for host in world.envoy.serving.backends[0].hosts)

    def test_an_older_release_grows_with_its_deployment(self, world: World) -> None:
        serving_blue(world)
        world.commit(endpoint({"blue": 100}, deployment("blue", "2", 4)))
        world.step()
        assert world.releases[BLUE].want.count == 4
        assert world.releases[BLUE2].want.count == 4


class TestLoss:
    def test_a_dead_replica_leaves_the_route(self, world: World) -> None:
        serving_blue(world, 2)
        world.kill_replica(BLUE)
        world.step()
        assert len(world.envoy.route.backends[0].hosts) == 1

    def test_share_of_a_release_without_replicas_goes_to_the_ready_ones(self, world: World) -> None:
        both = (deployment("blue", "1"), deployment("green", "1"))
        world.commit(endpoint({"blue": 90, "green": 10}, *both))
        world.run()
        world.kill_replica(BLUE)
        world.step()
        assert dict(world.envoy.route.split) == {GREEN: 10_000}
        world.run()
        assert world.live_split() == {BLUE: 90, GREEN: 10}

    def test_a_lost_route_is_put_again(self, world: World) -> None:
        serving_blue(world)
        world.envoy.push(None)
        world.run()
        assert world.live_split() == {BLUE: 100}

    def test_an_edited_route_is_put_right(self, world: World) -> None:
        serving_blue(world)
        world.envoy.push(replace(world.envoy.route, split=()))
        world.run()
        assert world.live_split() == {BLUE: 100}

    def test_a_stray_release_is_stopped(self, world: World) -> None:
        serving_blue(world)
        stray = World(first_port=20_000)
        stray.commit(endpoint({"x": 100}, deployment("x", "9")))
        stray.run()
        world.releases |= stray.releases
        plan = world.step()
        assert [type(action) for action in plan.actions] == [ForgetRelease]


class TestKeys:
    def test_a_new_key_is_no_news_of_the_endpoint(self, world: World) -> None:
        serving_blue(world)
        world.auth = KeyAuth("n" * 32, "s" * 32)
        plan = world.step()
        assert plan.actions[-1].route.auth == world.auth
        assert (world.condition("Ready"), plan.events) == ("True Serving", ())
        world.fair_weather()
        assert world.step().events == ()


class TestUnknown:
    @pytest.mark.parametrize("part", ["router_known", "runtime_known"])
    def test_removes_and_shifts_nothing(self, world: World, part: str) -> None:
        serving_blue(world)
        world.commit(None)
        setattr(world, part, False)
        plan = world.step()
        assert plan.actions == ()
        assert world.condition("Ready") == "Unknown Deleting" or world.condition("Ready") == "Unknown Unobserved"
        assert plan.memory.phase == Settled(((BLUE, 10_000),))

    def test_starts_replicas_while_the_router_is_unknown(self, world: World) -> None:
        world.router_known = False
        world.commit(endpoint({"blue": 100}, deployment("blue", "1")))
        plan = world.step()
        assert [type(action) for action in plan.actions] == [ApplyRelease]


class TestRemoval:
    def test_routes_out_then_drained_then_stopped_then_forgotten(self, world: World) -> None:
        serving_blue(world)
        world.commit(None)
        plan = world.step()
        assert [type(action) for action in plan.actions] == [DropRoute]
        assert isinstance(plan.memory.phase, Removing)
        world.run()
        assert world.releases == {}
        assert world.memory is None

    def test_taken_back_while_draining(self, world: World) -> None:
        serving_blue(world)
        spec = world.spec
        world.commit(None)
        world.step()
        world.commit(spec)
        world.run()
        assert world.live_split() == {BLUE: 100}
        assert world.releases[BLUE].replicas[0].restarts == 0

    def test_invalid_spec_keeps_the_last_good_one(self, world: World) -> None:
        serving_blue(world)
        world.commit(None)
        world.problems = (Problem("endpoint.yml", 3, 1, "traffic", "totals 90", "90", "0 or 100"),)
        plan = world.step()
        assert plan.actions == ()
        assert world.condition("Ready") == "False InvalidSpec"
        assert "endpoint.yml:3:1" in plan.conditions[0].message

    def test_held_removal_keeps_serving_and_says_so(self, world: World) -> None:
        serving_blue(world)
        world.commit(None)
        world.held = "the commit removes 1 of 1 endpoints"
        plan = world.step()
        assert plan.actions == ()
        assert world.condition("Ready") == "False RemovalHeld"

    def test_an_endpoint_that_never_was_good_has_no_route(self, world: World) -> None:
        world.problems = (Problem("endpoint.yml", 1, 1, "name", "missing"),)
        plan = world.step()
        assert plan.actions == ()
        assert plan.memory.endpoint == ENDPOINT
        assert world.condition("Ready") == "False InvalidSpec"
