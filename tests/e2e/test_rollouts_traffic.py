"""Moves of more than one release on real parts: several deployments, a surge in proportion, and clients that stay."""

import math
import time
from itertools import groupby

import pytest
from installation import Installation, endpoint_yaml, score
from processes import await_replicas
from rollouts import answers, await_rollout, during, files, live, near, policy, rollout, roomy, splits, until, up

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


def several(traffic: dict[str, int]) -> dict[str, str | bytes | None]:
    """One deployment of each name, which answers with its name."""
    found: dict[str, str | bytes | None] = {"fraud/endpoint.yml": endpoint_yaml("fraud", traffic)}
    for name in traffic:
        found |= {f"fraud/{name}.yml": roomy(name, f"./{name}"), f"fraud/{name}/score.py": score(name)}
    return found


def by_deployment(headgate: Installation) -> list[dict[str, float]]:
    return [{name.partition("@")[0]: share for name, share in split.items()} for split in splits(headgate)]


def test_a_traffic_edit_of_three_deployments_moves_each_share_its_way(headgate: Installation) -> None:
    headgate.commit(several({"blue": 50, "green": 30, "red": 20}) | policy(steps=[{"weight": 50, "for": "4s"}]))
    headgate.up()
    headgate.sync()
    with headgate.load("fraud", 40) as load:
        headgate.commit({"fraud/endpoint.yml": endpoint_yaml("fraud", {"blue": 20, "green": 30, "red": 50})})
        headgate.sync()
    assert load.failures == []
    assert by_deployment(headgate) == [
        {"blue": 35, "green": 30, "red": 35},
        {"blue": 20, "green": 30, "red": 50},
    ]
    middle = during(headgate, load, 0)
    assert len(middle) > 60
    for name, percent in {"blue": 35, "green": 30, "red": 35}.items():
        assert near(sum(f'"{name}"' in found.text for found in middle), len(middle), percent)


def test_one_commit_with_a_new_release_a_deployment_that_joins_one_that_leaves_and_more_replicas(
    headgate: Installation,
) -> None:
    headgate.commit(
        several({"blue": 60, "green": 40})
        | policy(steps=[{"weight": 50, "for": "2s"}], keep_previous="1s", watch="1s")
    )
    headgate.up()
    headgate.sync()
    old = next(name for name in rollout(headgate)["split"] if name.startswith("blue"))
    with headgate.load("fraud", 40) as load:
        headgate.commit(
            several({"blue": 70, "red": 30})
            | {"fraud/blue.yml": roomy("blue", "./blue", 2), "fraud/blue/score.py": score("new blue")}
            | {"fraud/green.yml": None, "fraud/green/score.py": None}
        )
        headgate.sync()
        new = next(name for name in rollout(headgate)["split"] if name.startswith("blue"))
        for release, count in {old: 0, new: 2, "green": 0, "red": 1}.items():
            await_replicas(headgate, count, release=release)
    assert load.failures == []
    assert set(answers(load)) == {"blue", "green", "new blue", "red"}
    named = [
        {
            ("red" if name.startswith("red") else "green" if name.startswith("green") else name): share
            for name, share in split.items()
        }
        for split in splits(headgate)
    ]
    assert named == [{old: 30, "green": 20, new: 35, "red": 15}, {new: 70, "red": 30}]


def test_a_surge_in_proportion_keeps_to_its_size_and_fails_nobody(headgate: Installation) -> None:
    stable = up(
        headgate, 4, steps=[{"weight": percent, "for": "1s"} for percent in (25, 50, 75)], surge="proportional"
    )
    seen: list[dict] = []

    def settled(found: dict) -> bool:
        seen.append(found)
        return found["state"] == "settled" and stable not in found["split"]

    with headgate.load("fraud", 30) as load:
        headgate.commit(files("two", count=4))
        await_rollout(headgate, settled, 240)
        await_replicas(headgate, 4, release=live(headgate))
    assert load.failures == []
    assert set(answers(load)) == {"one", "two"}
    assert [split.get(stable, 0) for split in splits(headgate)] == [75, 50, 25, 0]
    sizes = [(found["split"].get(stable, 0), {one["release"]: one for one in found["replicas"]}) for found in seen]
    for share, replicas in sizes:
        assert replicas[stable]["wanted"] >= math.ceil(4 * share / 100)
        assert sum(one["wanted"] for one in replicas.values()) <= 5
    assert min(replicas[stable]["wanted"] for _, replicas in sizes) == 1


def test_sticky_clients_change_their_release_once_and_only_as_many_as_the_share(headgate: Installation) -> None:
    steps = [{"weight": percent, "for": "3s"} for percent in (10, 30, 60)]
    stable = up(headgate, steps=steps, sticky={"cookie": "seat", "ttl": "1h"})
    count = 60
    with headgate.load("fraud", 40, clients=count) as load:
        until(lambda: len({found.client for found in list(load.answers)}) == count)
        time.sleep(1)
        headgate.commit(files("two"))
        headgate.sync()
        time.sleep(3)
    assert load.failures == []
    assert [split.get(stable, 0) for split in splits(headgate)] == [90, 70, 40, 0]
    for client in range(count):
        mine = [found.text for found in sorted(load.answers, key=lambda found: found.at) if found.client == client]
        assert [moved for moved, _ in groupby('"two"' in text for text in mine)] == [False, True]
    for number, percent in enumerate((10, 30, 60)):
        here = during(headgate, load, number)
        clients, moved = ({found.client for found in here if text in found.text} for text in ("", '"two"'))
        assert len(clients) > count / 2
        assert near(len(moved), len(clients), percent)
