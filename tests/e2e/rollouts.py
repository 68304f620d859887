"""What tests of rollouts share: an endpoint with one policy, releases that misbehave, and what came of a move."""

import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from installation import Installation, deployment_yaml, endpoint_yaml, score
from load import Answer, Load

GATES = [{"name": "not-worse", "metric": "error_rate", "compare": "stable"}]
LADDER = {
    "kind": "rollout_policy",
    "name": "ladder",
    "endpoints": ["fraud"],
    "steps": [{"weight": 10, "for": "2s"}, {"weight": 50, "for": "2s"}],
    "gates": GATES,
    "keep_previous": "60s",
    "watch": "60s",
}
MARGIN = 0.5
"""Seconds around a push in which a request may have met either split."""
IN_FLIGHT = 16
"""Requests that a replica of these tests has at most: so many are lost with it."""
FAILS = """
def run(raw):
    raise RuntimeError("a bad release")
"""
COUNTS = """
import time

_run = run

def run(raw):
    with open({file!r}, "ab") as file:
        file.write(b".")
        asked = file.tell()
    {then}
    return _run(raw)
"""


def files(answer: str, extra: str = "", count: int = 1, timeout_ms: int = 8000) -> dict[str, str]:
    return {
        "fraud/endpoint.yml": endpoint_yaml("fraud", {"blue": 100}),
        "fraud/blue.yml": roomy("blue", "./src", count, timeout_ms),
        "fraud/src/score.py": score(answer, extra),
    }


def roomy(name: str, code: str, count: int = 1, timeout_ms: int = 8000) -> str:
    """A deployment that lets a burst wait instead of refusing it: 429 on a busy machine says nothing of the move."""
    settings = {"request_timeout_ms": timeout_ms, "max_concurrent_requests_per_instance": IN_FLIGHT}
    settings |= {"max_queue_wait_ms": timeout_ms // 2}
    variables = {"WORKER_COUNT": "2"}
    return deployment_yaml("fraud", name, code, count, request_settings=settings, environment_variables=variables)


def policy(**more: object) -> dict[str, str]:
    return {"policy-fraud.yml": json.dumps(LADDER | more)}


def counting(file: Path, then: str = "pass") -> str:
    """For `score`: count what the release was asked in a file, and then do this; `asked` is the count."""
    return COUNTS.format(file=str(file), then=then)


def counted(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def until(true: Callable[[], object], seconds: float = 60) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.1)


def rollout(headgate: Installation) -> dict:
    return headgate.api("endpoints/fraud/rollout")


def await_rollout(headgate: Installation, done: Callable[[dict], bool], seconds: float = 90) -> dict:
    limit = time.monotonic() + seconds
    while not done(found := rollout(headgate)):
        assert time.monotonic() < limit, (found, headgate.log_text())
        time.sleep(0.1)
    return found


def await_share(headgate: Installation, stable: str, percent: float) -> str:
    """Wait until the candidate has this share; return its name."""
    found = await_rollout(headgate, lambda found: found["split"].get(stable) == 100 - percent)
    (candidate,) = set(found["split"]) - {stable}
    return str(candidate)


def await_refusal(headgate: Installation, seconds: float = 90) -> dict:
    """Wait until the release is refused and traffic back; return the only refusal."""
    found = await_rollout(headgate, lambda found: found["state"] == "settled" and bool(found["refused"]), seconds)
    (refusal,) = found["refused"]
    return refusal


def reasons(headgate: Installation) -> dict[str, str]:
    """Every reason of every event, with its last message."""
    return {reason: message for event in events(headgate) for reason, message in event["because"].items()}


def events(headgate: Installation, *kinds: str) -> list[dict]:
    """Events of these reasons, oldest first; all of them if none is named."""
    found = headgate.api("events?endpoint=fraud&limit=10000")["events"]
    return [event for event in found if not kinds or event["reason"] in kinds]


def pushes(headgate: Installation) -> list[tuple[float, dict[str, float]]]:
    """Every split that Envoy was to serve after the first deployment's, in order, with its time."""
    told = events(headgate, "TrafficShifting", "RolloutReverting")
    return [(moment(event), shares(event["message"].partition(": ")[0])) for event in told][1:]


def splits(headgate: Installation) -> list[dict[str, float]]:
    return [split for _, split in pushes(headgate)]


def moment(event: dict) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()


def shares(text: str) -> dict[str, float]:
    """Percent by release in a message such as `moving to blue@1 90%, blue@2 10%`."""
    return {release: float(percent) for release, percent in re.findall(r"(\S+@\w+) ([\d.]+)%", text)}


def live(headgate: Installation) -> str:
    """The only release that has a share."""
    (release,) = rollout(headgate)["split"]
    return str(release)


def during(headgate: Installation, load: Load, number: int) -> list[Answer]:
    """What was asked while this push, counted from 0, and no other held."""
    times = [at for at, _ in pushes(headgate)]
    return [found for found in load.answers if times[number] + MARGIN <= found.at < times[number + 1] - MARGIN]


def answers(load: Load) -> Counter:
    """How often each release answered."""
    return Counter(json.loads(found.text)["answer"] for found in list(load.answers) if found.status == 200)


def near(count: float, total: int, percent: float) -> bool:
    """Whether so many of so many are this share, by four standard deviations."""
    share = percent / 100
    return abs(count - total * share) <= 4 * math.sqrt(total * share * (1 - share)) + 1


def up(headgate: Installation, count: int = 1, **more: object) -> str:
    """One release of one deployment, settled under this policy; return its name."""
    headgate.commit(files("one", count=count) | policy(**more))
    headgate.up()
    headgate.sync()
    return live(headgate)
