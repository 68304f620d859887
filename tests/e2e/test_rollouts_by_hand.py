"""A split that somebody edits in the running Envoy is put back to the present step's."""

import json
import time

import pytest
from by_hand import edited
from installation import Installation
from load import Load
from rollouts import answers, await_share, files, live, near, rollout, splits, until, up

from router.table import Backend, EndpointRoute, KeyAuth

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


def everything_to(headgate: Installation, release: str, *others: str) -> EndpointRoute:
    keys = headgate.json("keys", "show", "fraud")
    backends = tuple(Backend(name, "blue", ()) for name in sorted((release, *others)))
    auth = KeyAuth(keys["primaryKey"], keys["secondaryKey"])
    return EndpointRoute("fraud", auth, backends, ((release, 10_000),), (("blue", release),))


def newest(load: Load, count: int) -> set[str]:
    found = sorted(load.answers, key=lambda answer: answer.at)[-count:]
    return {json.loads(answer.text)["answer"] for answer in found}


def test_a_split_edited_in_the_running_envoy_returns_to_the_present_step(headgate: Installation) -> None:
    stable = up(headgate, steps=[{"weight": 20, "for": "600s"}])
    with headgate.load("fraud", 40) as load:
        headgate.commit(files("two"))
        candidate = await_share(headgate, stable, 20)
        route = everything_to(headgate, candidate, stable)
        headgate.kill()
        with edited(headgate.state / "run" / "xds.sock", route):
            until(lambda: newest(load, 40) == {"two"})
        headgate.up()
        until(lambda: "one" in newest(load, 20))
        at = time.time()
        until(lambda: len([found for found in list(load.answers) if found.at > at]) >= 120)
        after = [found for found in list(load.answers) if found.at > at]
        assert rollout(headgate)["moved"] == 20
        headgate.cli("rollout", "promote", "fraud", "--full")
        headgate.sync()
    assert load.failures == []
    assert near(sum('"two"' in found.text for found in after), len(after), 20)
    assert splits(headgate) == [{stable: 80, candidate: 20}, {candidate: 100}]
    assert live(headgate) == candidate
    assert set(answers(load)) == {"one", "two"}
