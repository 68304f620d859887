"""Ways back on real parts: a revert in mid-run, a regression after promotion, and returns inside the window."""

import time

import pytest
from installation import Installation
from processes import await_replicas
from rollouts import (
    answers,
    await_refusal,
    await_rollout,
    await_share,
    counting,
    events,
    files,
    live,
    reasons,
    rollout,
    splits,
    up,
)

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

MOST_LOST = 80
"""Of a promoted release that breaks: two seconds of its requests."""


def revert(headgate: Installation) -> None:
    headgate.git("revert", "--no-edit", "HEAD")


def test_a_revert_in_mid_run_returns_once_the_old_release_can_carry_the_load(headgate: Installation) -> None:
    stable = up(headgate, 2, steps=[{"weight": 50, "for": "300s"}], surge="proportional")
    with headgate.load("fraud", 30) as load:
        headgate.commit(files("two", count=2))
        candidate = await_share(headgate, stable, 50)
        await_replicas(headgate, 1, release=stable)
        revert(headgate)
        held = await_rollout(headgate, lambda found: found["state"] == "reverting")
        await_rollout(headgate, lambda found: found["state"] == "settled")
        at = time.time()
        headgate.sync()
        time.sleep(1)
    assert load.failures == []
    assert held["because"][-1]["reason"] == "AwaitingCapacity"
    assert held["split"] == {stable: 50, candidate: 50}
    assert rollout(headgate)["split"] == {stable: 100.0}
    assert rollout(headgate)["refused"] == []
    assert [found for found in load.answers if found.at > at and '"two"' in found.text] == []
    assert splits(headgate) == [{stable: 50, candidate: 50}, {stable: 100}]
    told = [event["reason"] for event in events(headgate) if stable in event["message"]]
    back = told.index("RolloutReverting")
    assert told[back:].index("ReplicaReady") < told[back:].index("TrafficSettled")


def test_a_regression_after_promotion_returns_by_itself(headgate: Installation) -> None:
    stable = up(headgate, steps=[{"weight": 50, "for": "4s"}])
    broken = headgate.folder / "broken"
    breaks = f"if __import__('os').path.exists({str(broken)!r}): raise RuntimeError('a regression')"
    with headgate.load("fraud", 40) as load:
        headgate.commit(files("two", counting(headgate.folder / "asked", breaks)))
        headgate.sync()
        candidate = live(headgate)
        assert load.failures == []
        broken.touch()
        refusal = await_refusal(headgate)
        at = time.time()
        time.sleep(1)
    assert candidate != stable
    assert refusal["reason"] == "Regressed"
    assert refusal["releases"] == [candidate]
    assert {found.status for found in load.failures} == {424}
    assert [found for found in load.failures if found.at > at] == []
    assert len(load.failures) <= MOST_LOST
    assert splits(headgate) == [{stable: 50, candidate: 50}, {candidate: 100}, {stable: 100}]
    assert rollout(headgate)["split"] == {stable: 100.0}


def test_returns_inside_the_window_take_no_steps(headgate: Installation) -> None:
    stable = up(headgate, steps=[{"weight": 50, "for": "1s"}])
    back = {stable: 100.0}
    with headgate.load("fraud", 40) as load:
        headgate.commit(files("two"))
        headgate.sync()
        candidate = live(headgate)
        climb = [{stable: 50.0, candidate: 50.0}, {candidate: 100.0}]
        headgate.cli("rollout", "undo", "fraud")
        refusal = await_refusal(headgate)
        assert (refusal["reason"], rollout(headgate)["split"]) == ("Undone", back)
        headgate.cli("rollout", "retry", "fraud")
        await_rollout(headgate, lambda found: found["state"] == "settled" and found["split"] == {candidate: 100.0})
        revert(headgate)
        headgate.sync()
        at = time.time()
        time.sleep(1)
    assert load.failures == []
    assert splits(headgate) == [*climb, back, *climb, back]
    assert "RevertedInTime" in reasons(headgate)
    assert rollout(headgate)["refused"] == []
    assert {'"two"' in found.text for found in load.answers if found.at > at} == {False}
    assert answers(load)["two"]
