"""A mirror under load on real parts: what it is sent, and that clients see nothing of it."""

import time

import pytest
from installation import Installation, endpoint_yaml, score
from rollouts import answers, await_rollout, counted, counting, files, live, roomy, splits, until, up

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


def mirrored(extra: str) -> dict[str, str]:
    return {
        "fraud/endpoint.yml": endpoint_yaml("fraud", {"blue": 100}, mirror_traffic={"green": 50}),
        "fraud/green.yml": roomy("green", "./green"),
        "fraud/green/score.py": score("green", extra),
    }


def test_clients_see_nothing_of_a_mirror_that_fails_or_is_slow(headgate: Installation) -> None:
    up(headgate)
    failing, slow = headgate.folder / "failing", headgate.folder / "slow"
    headgate.commit(mirrored(counting(failing, 'raise RuntimeError("a bad mirror")')))
    headgate.sync()
    with headgate.load("fraud", 40) as load:
        until(lambda: len(load.answers) >= 200)
    sent = len(load.answers)
    until(lambda: counted(failing) > 0.3 * sent)
    time.sleep(1)
    assert 0.3 * sent < counted(failing) < 0.7 * sent
    before = counted(failing)
    with headgate.load("fraud", 40, azureml_model_deployment="blue") as pinned:
        until(lambda: len(pinned.answers) >= 80)
    time.sleep(1)
    assert counted(failing) == before
    headgate.commit(mirrored(counting(slow, "time.sleep(5)")))
    headgate.sync()
    with headgate.load("fraud", 40) as other:
        until(lambda: len(other.answers) >= 200)
    assert counted(slow) >= 2
    for each in (load, pinned, other):
        assert each.failures == []
        assert set(answers(each)) == {"one"}
    assert max(found.seconds for found in other.answers) < 5


def test_a_mirror_step_shows_live_requests_to_the_candidate_before_its_first_share(headgate: Installation) -> None:
    stable = up(headgate, steps=[{"mirror": 50, "for": "3s"}, {"weight": 50, "for": "1s"}])
    asked = headgate.folder / "asked"
    with headgate.load("fraud", 40) as load:
        headgate.commit(files("two", counting(asked)))
        await_rollout(headgate, lambda found: found["step"] == 1 and counted(asked) >= 20)
        assert set(answers(load)) == {"one"}
        headgate.sync()
    assert load.failures == []
    assert set(answers(load)) == {"one", "two"}
    candidate = live(headgate)
    assert splits(headgate) == [{stable: 50, candidate: 50}, {candidate: 100}]
