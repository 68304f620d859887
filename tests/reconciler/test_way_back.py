"""The way back to S: who waits until it can carry the load, what serves meanwhile, and what is refused."""

from dataclasses import replace
from datetime import timedelta

import pytest
from moves import (
    AT,
    BAD,
    CANDIDATE,
    NEW,
    NEWER,
    OLD,
    POLICY,
    STABLE,
    T0,
    WAITING,
    WATCH,
    WIDER,
    facts,
)

from reconciler.rollout import advance
from reconciler.state import Phase, Reverting, Settled, Shifting
from reconciler.transition import Facts

SMALLER = replace(POLICY, surge="proportional")


@pytest.mark.parametrize(
    ("phase", "found", "carried"),
    [
        (Shifting(AT), facts(looks=BAD, ready=CANDIDATE), True),
        (Shifting(AT), facts(live=STABLE, ready=frozenset()), True),
        (Shifting(AT), facts(target=NEWER), False),
        (Shifting(AT), facts(target=OLD), False),
        (Shifting(replace(AT, fraction=0, sized=1000)), facts(target=NEWER), True),
        (Shifting(WIDER), facts(100, acknowledged=False), False),
        (Settled(NEW, WATCH), facts(1, looks=BAD), True),
        (Settled(NEW, WATCH), facts(1, target=OLD), False),
        # Behind a shield there is no hurry, unless stable can carry the load anyhow.
        (Shifting(AT), facts(looks=BAD, ready=CANDIDATE, shielded=True), False),
        (Shifting(AT), facts(live=STABLE, ready=frozenset(), shielded=True), False),
        (Settled(NEW, WATCH), facts(1, looks=BAD, ready=CANDIDATE, shielded=True), False),
        (Shifting(AT), facts(looks=BAD, shielded=True), True),
        (Shifting(AT), facts(looks=BAD, ready=STABLE, shielded=True), True),
        (Settled(NEW, WATCH), facts(1, looks=BAD, shielded=True), True),
        (Shifting(replace(AT, policy=SMALLER)), facts(looks=BAD, policy=SMALLER, shielded=True), False),
        (Settled(NEW, replace(WATCH, policy=SMALLER)), facts(1, looks=BAD, shielded=True), False),
        (Shifting(replace(AT, policy=SMALLER)), facts(looks=BAD, policy=SMALLER), True),
    ],
)
def test_who_waits_until_stable_can_carry_the_load(phase: Phase, found: Facts, carried: bool) -> None:  # noqa: FBT001
    back = advance(phase, found).phase
    assert isinstance(back, Reverting)
    assert (back.carried, back.source, back.since) == (carried, OLD, found.now)


@pytest.mark.parametrize("changes", [{"looks": BAD}, {"now": T0 + timedelta(seconds=100)}, {"live": STABLE}])
def test_what_is_left_is_not_judged_once_traffic_is_on_its_way(changes: dict[str, object]) -> None:
    back = advance(WAITING, facts(ready=frozenset(), **changes)).phase
    assert isinstance(back, Reverting)
    assert (back.carried, back.leaving, back.source, back.since) == (True, None, OLD, T0)


def test_what_turns_bad_while_it_is_left_is_refused() -> None:
    refusal = advance(WAITING, facts(7, ready=CANDIDATE, looks=BAD)).refusal
    assert refusal is not None
    assert (refusal.target, refusal.guilty, refusal.policy) == (NEW, ("blue@2",), POLICY)
    warm = replace(WAITING, left=NEW, leaving=WATCH)
    undone = advance(warm, facts(7, ready=CANDIDATE, looks=BAD)).refusal
    assert undone is not None
    assert (undone.target, undone.guilty) == (NEW, ("blue@2",))


def test_what_serves_in_place_of_a_lost_release_is_the_base_of_what_comes_next() -> None:
    three = replace(WAITING, left=(("blue@1", 5000), ("blue@2", 3000), ("green@1", 2000)))
    live = frozenset({"blue@2", "green@1"})
    after = advance(three, facts(100, ready=live, live=live, target=NEWER)).phase
    assert after == Settled((("blue@2", 6000), ("green@1", 4000)))


def test_behind_a_shield_what_turns_bad_while_it_is_left_is_refused_once_and_waits_on() -> None:
    short = facts(ready=CANDIDATE, looks=BAD, shielded=True)
    step = advance(WAITING, short)
    assert step.refusal is not None
    assert isinstance(step.phase, Reverting)
    assert (step.phase.carried, step.phase.leaving, step.phase.reason) == (False, AT, "GateFailed")
    assert step.phase.message == "gate errors: blue@2: too many errors"
    again = advance(step.phase, short)
    assert (again.phase, again.refusal, again.because[0]) == (step.phase, None, "AwaitingCapacity")
    lost = facts(ready=frozenset(), live=STABLE, shielded=True)
    assert advance(step.phase, lost).because[0] == "AwaitingCapacity"
    assert advance(step.phase, facts(looks=BAD, shielded=True)).because[0] == "CapacityReady"
    assert advance(step.phase, facts(100, ready=CANDIDATE, looks=BAD, shielded=True)).because[0] == "CapacityShort"


def test_what_is_left_serves_until_then() -> None:
    back = advance(Shifting(AT), facts(target=OLD)).phase
    assert isinstance(back, Reverting)
    assert dict(back.left) == {"blue@1": 9000, "blue@2": 1000}


def test_who_goes_back_short_says_of_what() -> None:
    because = advance(WAITING, facts(100, ready=CANDIDATE)).because
    assert "blue@1" in because[1]
    assert because[1].endswith("going back with those that are")
