"""A forecast takes the same decisions as the real thing, in a world where nothing is late."""

from dataclasses import replace
from datetime import timedelta

import pytest
from policies import POLICIES
from world import AUTH, START, World, deployment, endpoint

from reconciler.forecast import forecast, stages
from reconciler.plan import Want
from spec.policy import RolloutPolicy


def serving(policy: RolloutPolicy, count: int = 2) -> World:
    world = World()
    world.commit(endpoint({"blue": 100}, deployment("blue", "1", count), policy=policy))
    world.run()
    return world


def next_release(policy: RolloutPolicy, count: int = 2) -> Want:
    return Want("c2", endpoint({"blue": 100}, deployment("blue", "2", count), policy=policy), AUTH)


def test_the_built_in_ladder() -> None:
    policy = POLICIES["stepwise"]
    world = serving(policy)
    assert world.memory is not None
    found = forecast(next_release(policy), world.memory, world.now)
    shares = [dict(split).get("blue@200000000000", 0) for _, split in stages(found)]
    assert shares == [0, 500, 2500, 5000, 10_000]
    assert timedelta(seconds=45) <= found.earliest <= timedelta(seconds=46)
    assert found.peak == 4
    assert found.settles


def test_approvals_are_counted_and_take_no_time_of_their_own() -> None:
    policy = POLICIES["careful"]
    world = serving(policy)
    assert world.memory is not None
    found = forecast(next_release(policy), world.memory, world.now)
    assert found.approvals == 1
    assert timedelta(seconds=60) <= found.earliest <= timedelta(seconds=61)


def test_a_proportional_surge_needs_fewer_replicas() -> None:
    world = serving(POLICIES["proportional"], 4)
    assert world.memory is not None
    found = forecast(next_release(POLICIES["proportional"], 4), world.memory, world.now)
    assert found.peak < 8
    assert found.settles


def test_a_frozen_policy_ends_after_the_freeze() -> None:
    policy = POLICIES["frozen"]
    world = serving(policy)
    assert world.memory is not None
    found = forecast(next_release(policy), world.memory, START + timedelta(minutes=6))
    assert found.earliest >= timedelta(minutes=4, seconds=45)


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_policy_comes_to_its_end(name: str) -> None:
    world = serving(POLICIES[name])
    assert world.memory is not None
    found = forecast(next_release(POLICIES[name]), world.memory, world.now)
    assert found.settles
    assert dict(found.target) == {"blue@200000000000": 10_000}


def test_a_commit_that_changes_nothing_moves_nothing() -> None:
    policy = POLICIES["stepwise"]
    world = serving(policy)
    assert world.memory is not None
    assert world.memory.spec is not None
    found = forecast(Want("c2", replace(world.memory.spec), AUTH), world.memory, world.now)
    assert [split for _, split in stages(found)] == [world.memory.spec and found.source]
    assert found.earliest == timedelta()
