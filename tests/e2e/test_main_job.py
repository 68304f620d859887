"""The main job on real parts: Git, Envoy, replicas and load; every response is counted."""

import json
import signal
import time

import psutil
import pytest
from installation import Installation, deployment_yaml, endpoint_yaml, score
from processes import await_replicas, processes_of, replicas

RAISES = """
def init():
    raise ValueError("no such weights")

def run(raw):
    return 1
"""

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


def one_endpoint(answer: str = "one", count: int = 1, name: str = "fraud", extra: str = "") -> dict[str, str]:
    return {
        f"{name}/endpoint.yml": endpoint_yaml(name, {"blue": 100}),
        f"{name}/blue.yml": deployment_yaml(name, "blue", "./src", count),
        f"{name}/src/score.py": score(answer, extra),
    }


def test_a_push_becomes_a_live_authenticated_endpoint(headgate: Installation) -> None:
    headgate.commit(one_endpoint())
    headgate.up()
    headgate.sync()
    answer = headgate.ask("fraud")
    assert (answer.status_code, answer.json()["answer"]) == (200, "one")
    assert headgate.ask("fraud", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert headgate.ask("fraud", headers={"azureml-model-deployment": "green"}).status_code == 404
    status = headgate.endpoint("fraud")
    release = status["deployments"][0]["release"]
    assert status["provisioning_state"] == "Succeeded"
    assert status["split"] == {release: 100.0}
    assert {"type": "Ready", "status": "True"}.items() <= status["conditions"][0].items()
    assert status["conditions"][0]["observed_commit"] == headgate.git("rev-parse", "HEAD")
    invoked = headgate.cli("invoke", "fraud", "-d", '{"data": [1]}')
    assert json.loads(invoked.stdout)["answer"] == "one"


def test_every_change_under_load_loses_nothing(headgate: Installation) -> None:
    headgate.commit(one_endpoint(count=2) | one_endpoint(name="spare"))
    headgate.up()
    headgate.sync()
    with headgate.load("fraud", rate=25) as load:
        headgate.commit({"fraud/src/score.py": score("two")}, "A new release")
        headgate.sync()
        headgate.commit({"fraud/blue.yml": deployment_yaml("fraud", "blue", "./src", 3)}, "Scale up")
        headgate.sync()
        headgate.commit(
            {
                "fraud/green.yml": deployment_yaml("fraud", "green", "./green"),
                "fraud/green/score.py": score("green"),
            },
            "Add green without traffic",
        )
        headgate.sync()
        assert headgate.ask("fraud", headers={"azureml-model-deployment": "green"}).json()["answer"] == "green"
        headgate.commit({"fraud/endpoint.yml": endpoint_yaml("fraud", {"blue": 50, "green": 50})}, "Split")
        headgate.sync()
        headgate.cli("keys", "rotate", "fraud", "--key", "secondary")
        headgate.commit({"fraud/blue.yml": deployment_yaml("fraud", "blue", "./src", 1)}, "Scale down")
        headgate.sync()
        headgate.commit(
            {f"spare/{name}": None for name in ("endpoint.yml", "blue.yml", "src/score.py")}, "Remove a neighbour"
        )
        headgate.sync()
        headgate.commit({"fraud/endpoint.yml": endpoint_yaml("fraud", {"blue": 0, "green": 100})}, "All to green")
        headgate.sync()
        headgate.commit({"fraud/blue.yml": None}, "Remove blue")
        headgate.sync()
        time.sleep(1)
    assert load.failures == []
    assert len(load.answers) > 100
    answers = {json.loads(answer.text)["answer"] for answer in load.answers}
    assert answers == {"one", "two", "green"}
    assert [found["name"] for found in headgate.json("status")["endpoints"]] == ["fraud"]
    await_replicas(headgate, 1)
    await_replicas(headgate, 0, "spare")


def test_killing_headgate_at_any_moment_costs_no_request(headgate: Installation) -> None:
    headgate.commit(one_endpoint(count=2))
    headgate.up()
    headgate.sync()
    before = {process.pid for process in replicas(headgate)}
    with headgate.load("fraud", rate=25) as load:
        for number, pause in enumerate((0.0, 0.15, 0.6, 1.5, 4.0)):
            headgate.commit({"fraud/src/score.py": score(f"release {number}")})
            time.sleep(pause)
            headgate.kill()
            if number == 0:
                time.sleep(1)
                assert {process.pid for process in replicas(headgate)} >= before
            headgate.up()
        headgate.sync()
        time.sleep(1)
    assert load.failures == []
    assert json.loads(load.answers[-1].text)["answer"] == "release 4"
    await_replicas(headgate, 2)


def test_restart_adopts_and_does_not_restart(headgate: Installation) -> None:
    headgate.commit(one_endpoint(count=2))
    headgate.up()
    headgate.sync()
    before = {process.pid for process in replicas(headgate)}
    with headgate.load("fraud", rate=25) as load:
        assert headgate.terminate() == 0
        time.sleep(1)
        headgate.up()
        headgate.sync()
        time.sleep(1)
    assert load.failures == []
    assert {process.pid for process in replicas(headgate)} == before


def test_serves_from_memory_while_git_is_away(headgate: Installation) -> None:
    headgate.commit(one_endpoint())
    headgate.up()
    headgate.sync()
    headgate.terminate()
    headgate.repo.rename(headgate.folder / "away")
    headgate.up()
    assert headgate.ask("fraud").status_code == 200
    assert headgate.json("status")["source"]["problem"]
    (headgate.folder / "away").rename(headgate.repo)


def test_a_killed_replica_comes_back(headgate: Installation) -> None:
    headgate.commit(one_endpoint(count=2))
    headgate.up()
    headgate.sync()
    with headgate.load("fraud", rate=25) as load:
        time.sleep(1)
        victim = replicas(headgate)[0]
        for process in [*victim.children(recursive=True), victim]:
            process.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 60
        while victim in (running := replicas(headgate)) or len(running) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        headgate.sync()
        time.sleep(1)
    # Only requests that were in flight on the killed replica may fail, and it has three workers.
    assert len(load.failures) <= 3, load.failures


def test_a_killed_envoy_is_started_again(headgate: Installation) -> None:
    headgate.commit(one_endpoint())
    headgate.up()
    headgate.sync()
    with headgate.load("fraud", rate=25) as load:
        time.sleep(1)
        envoys = processes_of(headgate, "envoy")
        assert envoys
        for envoy in envoys:
            envoy.kill()
        time.sleep(6)
    late = [answer for answer in load.failures if answer.at > load.answers[-1].at - 2]
    assert late == []
    assert 0 < len(load.failures) < 30 * 4


def test_a_wrong_commit_changes_nothing_that_serves(headgate: Installation) -> None:
    headgate.commit(one_endpoint())
    headgate.up()
    headgate.sync()
    with headgate.load("fraud") as load:
        headgate.commit({"fraud/blue.yml": "name: blue\nendpoint_name: fraud\ninstance_cuont: 2\n"})
        done = headgate.cli("sync", "--wait", "--timeout", "60", check=False)
        assert done.returncode == 1
        assert "fraud/blue.yml:3" in done.stdout + done.stderr
        headgate.commit(one_endpoint("three"))
        headgate.sync()
    assert load.failures == []
    assert headgate.ask("fraud").json()["answer"] == "three"


def test_an_init_that_raises_is_named_and_the_old_release_serves(headgate: Installation) -> None:
    headgate.commit(one_endpoint())
    headgate.up()
    headgate.sync()
    with headgate.load("fraud") as load:
        headgate.commit({"fraud/src/score.py": RAISES})
        done = headgate.cli("sync", "--wait", "--timeout", "120", check=False)
        assert done.returncode == 1
        assert "no such weights" in done.stdout + done.stderr
    assert load.failures == []
    assert headgate.ask("fraud").json()["answer"] == "one"


def test_an_emptied_repository_is_held_until_confirmed(headgate: Installation) -> None:
    headgate.commit(one_endpoint())
    headgate.up()
    headgate.sync()
    with headgate.load("fraud") as load:
        headgate.commit(dict.fromkeys(one_endpoint()))
        done = headgate.cli("sync", "--wait", "--timeout", "60", check=False)
        assert done.returncode != 0
        assert "removes 1 of 1" in done.stdout + done.stderr
        time.sleep(1)
    assert load.failures == []
    headgate.cli("confirm", "--yes")
    headgate.sync()
    await_replicas(headgate, 0)
    assert headgate.json("status")["endpoints"] == []


def test_down_stops_everything_also_without_headgate(headgate: Installation) -> None:
    headgate.commit(one_endpoint())
    headgate.up()
    headgate.sync()
    headgate.kill()
    assert replicas(headgate)
    headgate.cli("down", "--yes")
    assert replicas(headgate) == []
    state = str(headgate.state)
    assert [
        found for found in psutil.process_iter(["cmdline"]) if state in " ".join(found.info["cmdline"] or [])
    ] == []


def test_two_installations_run_side_by_side(headgate: Installation) -> None:
    other = Installation()
    try:
        for each, answer in ((headgate, "mine"), (other, "yours")):
            each.commit(one_endpoint(answer))
            each.up()
        for each in (headgate, other):
            each.sync()
        assert headgate.ask("fraud").json()["answer"] == "mine"
        assert other.ask("fraud").json()["answer"] == "yours"
    finally:
        other.close()
    assert headgate.ask("fraud").status_code == 200


def test_a_second_headgate_on_one_state_directory_is_refused(headgate: Installation) -> None:
    headgate.commit(one_endpoint())
    headgate.up()
    done = headgate.cli("up", str(headgate.repo), "--port", str(headgate.port + 1), check=False)
    assert done.returncode != 0
    assert "pid" in done.stderr
