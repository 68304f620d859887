"""Checks in Git on real parts: a candidate that fails them never answers a client, and the status says why."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from installation import Installation, deployment_yaml, endpoint_yaml
from rollouts import reasons

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

SCORE = """
import json

def init():
    pass

def run(raw):
    number = json.loads(raw)["number"]
    return {{"score": {formula}}}
"""
CHECKS = {
    "kind": "checks",
    "deployment": "blue",
    "checks": [
        {"name": f"number {number}", "request": {"number": number}, "schema": {"required": ["score"]},
         "max_difference": 0.5}
        for number in range(10)
    ],
}  # fmt: skip


def files(formula: str, url: str) -> dict[str, str]:
    policy = {
        "kind": "rollout_policy",
        "name": "checked",
        "endpoints": ["fraud"],
        "steps": [{"warmup": 30, "for": "30s"}, {"weight": 50, "for": "1s"}],
        "gates": [
            {"name": "confirmed", "metric": "http", "url": url},
            {"name": "answers", "metric": "checks", "interval": "2s"},
        ],
        "keep_previous": "30s",
    }
    return {
        "fraud/endpoint.yml": endpoint_yaml("fraud", {"blue": 100}),
        "fraud/blue.yml": deployment_yaml("fraud", "blue", "./src"),
        "fraud/src/score.py": SCORE.format(formula=formula),
        "fraud/checks.yml": json.dumps(CHECKS),
        "policy-fraud.yml": json.dumps(policy),
    }


@contextmanager
def confirming() -> Iterator[tuple[str, list[str]]]:
    """A server that says yes, and keeps which releases it was asked about."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["headgate-release"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"go ahead")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/ok", asked
        server.shutdown()
        thread.join()


def test_checks_decide_before_the_first_share(headgate: Installation) -> None:
    with confirming() as (url, asked):
        headgate.commit(files("0.1 * number", url))
        headgate.up()
        headgate.sync()
        stable = next(iter(headgate.endpoint("fraud")["split"]))
        with headgate.load("fraud", 20, '{"number": 1}') as load:
            time.sleep(1)
            headgate.commit(files("0.1 * number + (0.4 if number > 6 else 0)", url))
            headgate.sync()
            said = headgate.endpoint("fraud")["deployments"][0]["checks"]
            told = reasons(headgate)
            changed = next(iter(headgate.endpoint("fraud")["split"]))
            headgate.commit(files("number // (number - 5)", url))
            refused = headgate.cli("sync", "--wait", "--timeout", "120", check=False)
        assert load.failures == []
        assert {json.loads(found.text)["score"] for found in load.answers} == {0.1}
    message = "all 10 checks pass; 3 of 10 answers change, at most by 0.4"
    assert (said["verdict"], said["message"]) == ("good", message)
    assert told["ChecksPassed"].startswith(message)
    assert asked[0] == changed != stable
    assert re.fullmatch(r"p50 from [\d.]+ ms to [\d.]+ ms after \d+ requests.*", told["WarmedUp"])
    assert refused.returncode != 0
    assert "ChecksFailed" in refused.stdout + refused.stderr
    assert "1 of 10 checks fails; first `number 5`: answered 500, expected 200" in json.dumps(
        headgate.json("rollout", "status", "fraud")["refused"]
    )
    assert headgate.endpoint("fraud")["split"] == {changed: 100.0}
