"""A whole Headgate as people run it: `headgate up` on a repository with one endpoint, real replicas, real Envoy."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from benchmarks.repository import ENVIRONMENT, Commit
from benchmarks.statics import free_port
from console.client import AnswerError, Client, NotRunningError
from console.down import stop_installation
from console.paths import Paths
from console.rollouts import RolloutShape
from console.shapes import EventShape

NAME = "fraud"
_HEADGATE = (sys.executable, "-m", "console")
_EVENTS = 150
_ROOM = 10
"""Requests at once that a release has room for at least: this machine has moments in which it is busy otherwise."""
_PATIENCE_S = 300.0
_SETTINGS = {"kind": "settings", "environments": {"plain": {"python": "3.11", "requirements": []}}}
Found = TypeVar("Found")
_SCORE = """\
RELEASE = {release!r}


def init():
    pass


def run(raw):
    {body}
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """What one commit asks for: a release by its name, whether it works, and the policy that moves traffic to it."""

    release: str
    policy: dict[str, Any]
    bad: bool = False


class Installation:
    """Owns a folder and ends every process that it started there with the block."""

    def __init__(self, folder: Path, replicas: int) -> None:
        self.paths = Paths(folder / "state")
        self.url = ""
        self._repo = folder / "repo"
        self._log = folder / "up.log"
        self._replicas = replicas
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._client = Client(self.paths)

    def __enter__(self) -> Self:
        self._repo.mkdir(parents=True)
        self._git("init", "-q", "-b", "main")
        self.url = f"http://127.0.0.1:{self._port}/endpoints/{NAME}/score"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.__exit__()
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(30)
        self._process.kill()
        self._process.wait()
        asyncio.run(stop_installation(self.paths, 30))

    def commit(self, ask: Ask) -> float:
        """Ask for this; return when the ref changed, in seconds of the epoch."""
        for path, text in _files(ask, self._replicas).items():
            (self._repo / path).parent.mkdir(parents=True, exist_ok=True)
            (self._repo / path).write_text(text)
        self._git("add", "-A")
        began = time.time_ns()
        process = subprocess.Popen(
            ("git", "-C", str(self._repo), "commit", "-q", "-m", f"Release {ask.release}"),
            env={**os.environ, **ENVIRONMENT},
        )
        return Commit(process, self._repo / ".git" / "refs" / "heads" / "main", began).done() / 1e9

    def up(self) -> None:
        """Start Headgate, or start it again; it is not waited for."""
        command = (*_HEADGATE, "up", str(self._repo), "--plain-http", "--port", str(self._port))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen((*command, *self._state), stdout=log, stderr=log)

    def kill(self) -> float:
        """SIGKILL Headgate alone; return when, in seconds of the epoch."""
        assert self._process is not None
        at = time.time()
        self._process.kill()
        self._process.wait()
        return at

    def key(self) -> str:
        """The endpoint's key."""
        return self._client.keys(NAME).primary

    def order(self, order: str) -> tuple[float, float]:
        """Give an order with the command that people use; return when that began and ended."""
        began = time.time()
        subprocess.run(
            (*_HEADGATE, "rollout", order, NAME, *self._state), check=True, stdout=subprocess.DEVNULL, timeout=120
        )
        return began, time.time()

    def events(self, since: float) -> list[EventShape]:
        """What Headgate told of the endpoint since then."""
        found = self._client.events(NAME, _EVENTS).events
        return [event for event in found if event.at.timestamp() >= since]

    def told(self, reason: str, since: float) -> EventShape:
        """Wait for the first such event after `since`."""
        return self._until(lambda: next((event for event in self.events(since) if event.reason == reason), None), 0.1)

    def reached(self, what: Callable[[RolloutShape], bool]) -> RolloutShape:
        """Wait until the rollout is like that, with many looks."""

        def look() -> RolloutShape | None:
            found = self._client.rollout(NAME)
            return found if what(found) else None

        return self._until(look, 0.02)

    def _until(self, look: Callable[[], Found | None], pause_s: float) -> Found:
        """Look again and again, also while Headgate is away."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(NotRunningError, AnswerError):
                found = look()
                if found is not None:
                    return found
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(pause_s)
        raise RuntimeError(f"Headgate did not get there; it said: {self._log.read_text(errors='replace')[-2000:]}")

    @property
    def _state(self) -> tuple[str, str]:
        return ("--state-dir", str(self.paths.state))

    def _git(self, *arguments: str) -> None:
        subprocess.run(("git", "-C", str(self._repo), *arguments), env={**os.environ, **ENVIRONMENT}, check=True)


def _files(ask: Ask, replicas: int) -> dict[str, str]:
    """The whole repository; JSON is YAML."""
    body = 'raise RuntimeError("a bad release")' if ask.bad else 'return {"release": RELEASE}'
    deployment = {
        "name": "blue",
        "endpoint_name": NAME,
        "code_configuration": {"code": "./src", "scoring_script": "score.py"},
        "environment": "azureml:plain@latest",
        "instance_type": "Standard_DS2_v2",
        "instance_count": replicas,
        "request_settings": {
            "request_timeout_ms": 20_000,
            "max_queue_wait_ms": 10_000,
            "max_concurrent_requests_per_instance": -(-_ROOM // replicas),
        },
    }
    return {
        "headgate.yml": json.dumps(_SETTINGS),
        "policy.yml": json.dumps(ask.policy),
        f"{NAME}/endpoint.yml": json.dumps({"name": NAME, "auth_mode": "key", "traffic": {"blue": 100}}),
        f"{NAME}/blue.yml": json.dumps(deployment),
        f"{NAME}/src/score.py": _SCORE.format(release=ask.release, body=body),
    }
