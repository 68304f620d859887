"""A shielded endpoint under load: whatever its candidate does, no client sees it, with Headgate dead too."""

import signal
import time

import pytest
from installation import Installation
from processes import await_replicas, signal_release
from rollouts import (
    answers,
    await_refusal,
    await_rollout,
    await_share,
    counted,
    counting,
    events,
    files,
    reasons,
    rollout,
    splits,
    until,
    up,
)

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


@pytest.mark.parametrize("then", ["time.sleep(600)", "__import__('os')._exit(1)"], ids=["hangs", "crashes"])
def test_no_client_sees_a_candidate_that_fails_from_the_start(headgate: Installation, then: str) -> None:
    stable = up(headgate, steps=[{"weight": 20, "for": "600s"}], shield=True)
    asked = headgate.folder / "asked"
    with headgate.load("fraud", 30) as load:
        headgate.commit(files("two", counting(asked, then), timeout_ms=1000))
        refusal = await_refusal(headgate)
        time.sleep(1)
    assert load.failures == []
    assert set(answers(load)) == {"one"}
    assert counted(asked) >= 1
    assert refusal["reason"] in ("GateFailed", "CandidateLost")
    assert [split[stable] for split in splits(headgate)] == [80, 100]
    assert rollout(headgate)["split"] == {stable: 100.0}


@pytest.mark.parametrize("headless", [False, True], ids=["headgate lives", "headgate is dead"])
def test_no_client_sees_that_the_candidate_is_killed(headgate: Installation, *, headless: bool) -> None:
    stable = up(headgate, steps=[{"weight": 50, "for": "600s"}], shield=True)
    with headgate.load("fraud", 30) as load:
        headgate.commit(files("two"))
        candidate = await_share(headgate, stable, 50)
        until(lambda: answers(load)["two"] > 10)
        if headless:
            headgate.kill()
        assert signal_release(headgate, candidate, signal.SIGKILL) == 1
        if headless:
            time.sleep(3)
            headgate.up()
        await_rollout(headgate, lambda found: bool(found["refused"]))
        refusal = await_refusal(headgate)
        time.sleep(1)
    assert load.failures == []
    assert refusal["reason"] in ("GateFailed", "CandidateLost")
    assert splits(headgate) == [{stable: 50, candidate: 50}, {stable: 100}]
    assert rollout(headgate)["split"] == {stable: 100.0}


def test_a_shielded_candidate_serves_on_until_stable_has_its_replicas_again(headgate: Installation) -> None:
    """Stable has shrunk to its share: to send it everything at once would refuse requests that the shield answers."""
    steps = [{"weight": 25, "for": "1s"}, {"weight": 75, "for": "300s"}]
    stable = up(headgate, 4, steps=steps, surge="proportional", shield=True)
    broken = headgate.folder / "broken"
    breaks = f"if __import__('os').path.exists({str(broken)!r}): raise RuntimeError('broken')"
    with headgate.load("fraud", 30) as load:
        headgate.commit(files("two", counting(headgate.folder / "asked", breaks), count=4))
        candidate = await_share(headgate, stable, 75)
        await_replicas(headgate, 1, release=stable)
        broken.touch()
        refusal = await_refusal(headgate)
        time.sleep(1)
    assert load.failures == []
    assert refusal["reason"] == "GateFailed"
    assert refusal["releases"] == [candidate]
    assert [split[stable] for split in splits(headgate)] == [75, 25, 100]
    told = [event["reason"] for event in events(headgate)]
    told = told[told.index("RolloutReverting") :]
    assert "ReplicaReady" in told
    assert "ReplicaReady" not in told[told.index("TrafficSettled") :]
    assert "CapacityReady" in reasons(headgate)
