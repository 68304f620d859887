"""Bad releases of every kind on real parts: each is taken back, refused, and costs no more than it must."""

import time

import pytest
from installation import Installation
from processes import await_replicas, replicas
from rollouts import (
    answers,
    await_refusal,
    await_rollout,
    counting,
    events,
    files,
    live,
    pushes,
    rollout,
    splits,
    until,
    up,
)

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

SLOW = """
import time

_run = run

def run(raw):
    time.sleep(0.3)
    return _run(raw)
"""
RAISES = """
def init():
    raise ValueError("no weights {number}")
"""
SECONDS = 4
"""From the tenth failure until traffic is taken back: 2 are the aim, and this machine may be busy."""
RAISE = 'raise RuntimeError("broken")'
DIE = "__import__('os')._exit(1)"


def test_a_slow_release_is_taken_back_and_fails_nobody(headgate: Installation) -> None:
    gates = [{"name": "latency", "metric": "latency_p90", "compare": "stable", "tolerance": "50%"}]
    stable = up(headgate, steps=[{"weight": 10, "for": "60s"}], gates=gates)
    with headgate.load("fraud", 40) as load:
        headgate.commit(files("two", SLOW))
        refusal = await_refusal(headgate)
        time.sleep(1)
    assert load.failures == []
    assert refusal["reason"] == "GateFailed"
    assert "latency" in refusal["message"]
    assert 1 <= answers(load)["two"] <= 60
    assert [split[stable] for split in splits(headgate)] == [90, 100]
    assert rollout(headgate)["split"] == {stable: 100.0}


@pytest.mark.parametrize(
    ("late", "rate", "share", "then"),
    [
        pytest.param(60, 40, 50, RAISE, id="raises"),
        pytest.param(60, 40, 50, DIE, id="dies"),
        # What five minutes bring at 10 requests a second.
        pytest.param(3000, 80, 90, DIE, id="dies after five minutes' worth of requests"),
    ],
)
def test_a_release_that_breaks_late_is_taken_back_at_once(
    headgate: Installation, late: int, rate: int, share: int, then: str
) -> None:
    stable = up(headgate, steps=[{"weight": 20, "for": "1s"}, {"weight": share, "for": "300s"}])
    asked = headgate.folder / "asked"
    with headgate.load("fraud", rate) as load:
        headgate.commit(files("two", counting(asked, f"if asked > {late}: {then}"), timeout_ms=3000))
        refusal = await_refusal(headgate, 180)
        at = time.time()
        time.sleep(1)
    assert refusal["reason"] == "GateFailed"
    assert [split[stable] for split in splits(headgate)] == [80, 100 - share, 100]
    assert rollout(headgate)["split"] == {stable: 100.0}
    assert answers(load)["two"] >= late - 3
    assert load.failures
    assert [found for found in load.failures if found.at > at] == []
    tenth = sorted(found.at + found.seconds for found in load.failures)[:10][-1]
    assert pushes(headgate)[-1][0] <= tenth + SECONDS


def test_a_release_that_is_never_ready_gets_no_share_and_gives_way_to_the_next(headgate: Installation) -> None:
    stable = up(headgate, progress_deadline="20s")
    with headgate.load("fraud", 30) as load:
        headgate.commit(files("two", RAISES.format(number=1)))
        until(lambda: events(headgate, "InitFailed"))
        first = next(iter(rollout(headgate)["to"]))
        headgate.commit(files("two", RAISES.format(number=2)))
        await_rollout(headgate, lambda found: set(found["to"]) not in ({first}, {stable}))
        await_replicas(headgate, 0, release=first)
        refusal = await_refusal(headgate)
        assert refusal["reason"] == "DeadlineExceeded"
        assert "no weights 2" in refusal["message"]
        assert splits(headgate) == []
        assert set(answers(load)) == {"one"}
        headgate.commit(files("three"))
        headgate.sync()
    assert load.failures == []
    assert set(answers(load)) == {"one", "three"}
    last = live(headgate)
    assert splits(headgate) == [{stable: 90, last: 10}, {stable: 50, last: 50}, {last: 100}]
    assert len(replicas(headgate)) == 2
