"""Moves whose parts are killed in the middle, on real parts: what is lost is bounded, and the end is the same."""

import signal
import time

import pytest
from installation import Installation
from processes import await_replicas, processes_of, signal_release
from rollouts import (
    FAILS,
    IN_FLIGHT,
    answers,
    await_refusal,
    await_rollout,
    await_share,
    events,
    files,
    moment,
    near,
    pushes,
    rollout,
    splits,
    until,
    up,
)

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

BREAKS = """
import os
import time

_run = run

def run(raw):
    if os.path.exists({file!r}):
        {then}
    return _run(raw)
"""
SECONDS = 5
"""Within which traffic leaves what was killed, on a busy machine too."""


def test_a_killed_candidate_loses_its_share_within_seconds(headgate: Installation) -> None:
    stable = up(headgate, steps=[{"weight": 50, "for": "600s"}])
    with headgate.load("fraud", 40) as load:
        headgate.commit(files("two"))
        candidate = await_share(headgate, stable, 50)
        until(lambda: answers(load)["two"] > 10)
        at = time.time()
        assert signal_release(headgate, candidate, signal.SIGKILL) == 1
        refusal = await_refusal(headgate)
        time.sleep(1)
    assert refusal["reason"] in ("CandidateLost", "GateFailed")
    assert rollout(headgate)["split"] == {stable: 100.0}
    assert splits(headgate) == [{stable: 50, candidate: 50}, {stable: 100}]
    assert len(load.failures) <= IN_FLIGHT + 20 * SECONDS
    assert [found for found in load.failures if found.at > at + SECONDS] == []


def test_while_stable_is_gone_the_candidate_answers_and_the_move_waits(headgate: Installation) -> None:
    stable = up(headgate, steps=[{"weight": 50, "for": "2s"}])
    samples: list[int] = []

    def back(found: dict) -> bool:
        samples.extend(gate["samples"] for gate in found["gates"])
        return stable in found["split"] or found["state"] == "settled"

    with headgate.load("fraud", 40) as load:
        headgate.commit(files("two"))
        candidate = await_share(headgate, stable, 50)
        at = time.time()
        assert signal_release(headgate, stable, signal.SIGKILL) == 1
        await_rollout(headgate, lambda found: found["split"] == {candidate: 100.0})
        time.sleep(0.5)
        await_rollout(headgate, back)
        headgate.sync()
        time.sleep(1)
    assert len(load.failures) <= IN_FLIGHT + 20 * SECONDS
    assert [found for found in load.failures if found.at > at + SECONDS] == []
    assert rollout(headgate)["split"] == {candidate: 100.0}
    assert rollout(headgate)["refused"] == []
    assert splits(headgate) == [{stable: 50, candidate: 50}, {candidate: 100}]
    ready = [event for event in events(headgate, "ReplicaReady") if stable in event["message"]]
    assert len(ready) == 2
    assert at < moment(ready[-1]) <= pushes(headgate)[-1][0]
    assert len(samples) > 1
    assert max(samples[:-1]) - min(samples) <= 3


def test_a_killed_envoy_changes_nothing_about_the_end(headgate: Installation) -> None:
    stable = up(headgate, steps=[{"weight": 20, "for": "3s"}, {"weight": 50, "for": "3s"}])
    with headgate.load("fraud", 40) as load:
        headgate.commit(files("two"))
        await_share(headgate, stable, 20)
        at = time.time()
        envoys = processes_of(headgate, "envoy")
        for envoy in envoys:
            envoy.kill()
        headgate.sync()
        time.sleep(1)
    assert envoys
    assert rollout(headgate)["refused"] == []
    assert [split.get(stable, 0) for split in splits(headgate)] == [80, 50, 0]
    assert 1 <= len(load.failures) <= 40 * 2 * SECONDS
    assert {found.status for found in load.failures} == {0}
    assert [found for found in load.failures if found.at > at + 2 * SECONDS] == []


def test_headgate_killed_as_a_bad_release_gets_its_share_goes_no_step_further(headgate: Installation) -> None:
    stable = up(headgate, steps=[{"weight": 10, "for": "2s"}, {"weight": 50, "for": "60s"}])
    with headgate.load("fraud", 40) as load:
        headgate.commit(files("two", FAILS))
        until(lambda: load.failures)
        headgate.kill()
        time.sleep(4)
        headgate.up()
        refusal = await_refusal(headgate)
        back = time.time()
        time.sleep(1)
    assert refusal["reason"] == "GateFailed"
    assert [split[stable] for split in splits(headgate)] == [90, 100]
    assert {found.status for found in load.failures} == {424}
    first, last = load.failures[0].at, pushes(headgate)[-1][0]
    shown = [found for found in load.answers if first <= found.at < last]
    assert near(len(load.failures), len(shown), 10)
    assert [found for found in load.failures if found.at > back] == []


@pytest.mark.parametrize("then", ["time.sleep(600)", 'raise RuntimeError("broken")'], ids=["hangs", "raises"])
def test_what_breaks_while_headgate_is_dead_goes_no_step_further(headgate: Installation, then: str) -> None:
    """That it was good before, and that the step's time is over, is no reason to go on."""
    steps = [{"weight": 20, "for": "1s"}, {"weight": 40, "for": "4s"}, {"weight": 70, "for": "4s"}]
    stable = up(headgate, steps=steps)
    broken = headgate.folder / "broken"
    with headgate.load("fraud", 30) as load:
        headgate.commit(files("two", BREAKS.format(file=str(broken), then=then), timeout_ms=3000))
        await_share(headgate, stable, 40)
        until(lambda: answers(load)["two"] > 15)
        headgate.kill()
        broken.touch()
        time.sleep(6)
        headgate.up()
        refusal = await_refusal(headgate)
        back = time.time()
        time.sleep(1)
    assert refusal["reason"] == "GateFailed"
    assert [split[stable] for split in splits(headgate)] == [80, 60, 100]
    assert [found for found in load.failures if found.at > back] == []


def test_a_stopped_candidate_is_taken_back_and_ended(headgate: Installation) -> None:
    stable = up(headgate, steps=[{"weight": 20, "for": "600s"}])
    with headgate.load("fraud", 40) as load:
        headgate.commit(files("two", timeout_ms=1000))
        candidate = await_share(headgate, stable, 20)
        until(lambda: answers(load)["two"] > 10)
        assert signal_release(headgate, candidate, signal.SIGSTOP) == 1
        refusal = await_refusal(headgate)
        back = time.time()
        await_replicas(headgate, 0, release=candidate)
        time.sleep(1)
    assert refusal["reason"] in ("GateFailed", "CandidateLost")
    assert rollout(headgate)["split"] == {stable: 100.0}
    assert [found for found in load.failures if found.at > back] == []
    assert len(load.failures) <= IN_FLIGHT + 20 * SECONDS
