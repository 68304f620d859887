"""An Envoy that hangs is neither called ready nor left alone."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from installation import Installation, deployment_yaml, endpoint_yaml, score


def _until(holds: Callable[[], bool], headgate: Installation, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, headgate.log_text()
        time.sleep(0.2)


@pytest.mark.real
def test_a_hung_envoy_is_said_and_started_again(headgate: Installation) -> None:
    headgate.commit({
        "e/endpoint.yml": endpoint_yaml("iris", {"blue": 100}),
        "e/blue.yml": deployment_yaml("iris", "blue", "code"),
        "e/code/score.py": score("one"),
    })  # fmt: skip
    headgate.up()
    headgate.sync()

    def envoy() -> dict[str, Any]:
        conditions = headgate.api("status")["source"]["conditions"]
        return next(found for found in conditions if found["type"] == "EnvoyRunning")

    def ready() -> tuple[str, str]:
        [found] = headgate.api("status")["endpoints"]
        return next((each["status"], each["reason"]) for each in found["conditions"] if each["type"] == "Ready")

    assert (envoy()["status"], ready()[0]) == ("True", "True")
    pid = int(envoy()["message"].rpartition(" ")[2])
    os.kill(pid, signal.SIGSTOP)
    _until(lambda: envoy()["reason"] == "EnvoyUnresponsive", headgate)
    assert envoy()["status"] == "False"
    _until(lambda: ready() == ("Unknown", "Unobserved"), headgate, 5)
    assert headgate.cli("sync", "--wait", "--timeout", "2", check=False).returncode != 0
    _until(lambda: envoy()["status"] == "True", headgate)
    headgate.sync()
    assert headgate.ask("iris").json()["answer"] == "one"
    assert int(envoy()["message"].rpartition(" ")[2]) != pid
    told = [found for found in headgate.json("events")["events"] if not found["endpoint"]]
    assert [found["reason"] for found in told if "Envoy" in found["reason"]] == [
        "EnvoyUnresponsive",
        "EnvoyEnded",
        "EnvoyRestarted",
    ]
    assert "did not answer for 30 s and was killed" in next(
        found["message"] for found in told if found["reason"] == "EnvoyEnded"
    )
