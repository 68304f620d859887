"""Rollouts on real parts: Git, Envoy, replicas and load; every response is counted, the transitions included."""

import time

import pytest
from installation import Installation
from rollouts import FAILS, answers, await_rollout, files, live, policy, rollout, splits, up

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


def test_a_good_release_climbs_the_ladder_and_nothing_is_lost(headgate: Installation) -> None:
    stable = up(headgate)
    with headgate.load("fraud", 40) as load:
        time.sleep(1)
        headgate.commit(files("two"))
        seen = await_rollout(headgate, lambda found: found["state"] == "shifting")
        assert seen["steps"]
        headgate.sync()
        time.sleep(1)
    assert load.failures == []
    assert set(answers(load)) == {"one", "two"}
    assert rollout(headgate)["state"] == "settled"
    candidate = live(headgate)
    assert splits(headgate) == [{stable: 90, candidate: 10}, {stable: 50, candidate: 50}, {candidate: 100}]


def test_a_bad_release_is_taken_back_and_not_started_again(headgate: Installation) -> None:
    up(headgate)
    with headgate.load("fraud", 50) as load:
        headgate.commit(files("two", FAILS))
        done = headgate.cli("sync", "--wait", "--timeout", "120", check=False)
        time.sleep(2)
        failed = len(load.failures)
        headgate.commit({"README.md": "nothing of interest"})
        time.sleep(2)
        assert len(load.failures) == failed
    assert done.returncode != 0
    assert "GateFailed" in done.stdout + done.stderr
    assert {found.status for found in load.failures} == {424}
    assert 1 <= failed <= 15
    assert rollout(headgate)["refused"]
    assert headgate.endpoint("fraud")["split"] == {next(iter(headgate.endpoint("fraud")["split"])): 100.0}


def test_a_newer_release_starts_at_zero(headgate: Installation) -> None:
    up(headgate, steps=[{"weight": 50, "for": "60s"}])
    with headgate.load("fraud", 40) as load:
        headgate.commit(files("two"))
        await_rollout(headgate, lambda found: sorted(found["split"].values()) == [50.0, 50.0])
        headgate.commit(files("three") | policy(steps=[{"weight": 10, "for": "1s"}]))
        at = time.time()
        headgate.sync()
    assert load.failures == []
    late = [found for found in load.answers if found.at > at + 5 and '"two"' in found.text]
    assert late == []
    assert answers(load)["three"]


def test_orders_of_people(headgate: Installation) -> None:
    up(headgate, steps=[{"weight": 20, "for": "1s"}, {"pause": "approval"}, {"weight": 50, "for": "1s"}])
    with headgate.load("fraud", 40) as load:
        headgate.commit(files("two"))
        await_rollout(headgate, lambda found: found["state"] == "paused")
        headgate.cli("rollout", "abort", "fraud")
        await_rollout(headgate, lambda found: found["state"] == "settled")
        assert rollout(headgate)["refused"]
        headgate.cli("rollout", "retry", "fraud")
        await_rollout(headgate, lambda found: found["state"] == "paused")
        headgate.cli("rollout", "promote", "fraud")
        headgate.sync(60)
        assert answers(load)["two"]
        headgate.cli("rollout", "undo", "fraud")
        await_rollout(headgate, lambda found: found["state"] == "settled" and bool(found["refused"]))
        at = time.time()
        time.sleep(1)
    assert load.failures == []
    assert [found for found in load.answers if found.at > at + 0.5 and '"two"' in found.text] == []
    assert headgate.cli("rollout", "pause", "fraud", check=False).returncode != 0


def test_killing_headgate_at_every_step_changes_nothing(headgate: Installation) -> None:
    up(headgate, steps=[{"weight": 10, "for": "2s"}, {"pause": "3s"}, {"weight": 50, "for": "2s"}])
    with headgate.load("fraud", 40) as load:
        headgate.commit(files("two"))
        begun = time.monotonic()
        for _ in range(5):
            time.sleep(1.5)
            headgate.kill()
            headgate.up()
        await_rollout(headgate, lambda found: found["state"] == "settled" and "two" in answers(load))
        headgate.sync(60)
        assert time.monotonic() - begun >= 7
    assert load.failures == []
    first = next(found.at for found in load.answers if '"two"' in found.text)
    last = max(found.at for found in load.answers if '"one"' in found.text)
    assert last - first >= 6.5


def test_a_shielded_endpoint_hides_a_bad_release(headgate: Installation) -> None:
    up(headgate, shield=True)
    with headgate.load("fraud", 40) as load:
        headgate.commit(files("two", FAILS))
        await_rollout(headgate, lambda found: bool(found["refused"]))
        await_rollout(headgate, lambda found: found["state"] == "settled")
        time.sleep(1)
    assert load.failures == []
