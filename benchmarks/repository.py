"""A Git repository of many endpoints: made in one go, changed by real commits."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SUBPATH = "serving"
"""What Headgate watches; beside it lies what it does not."""
_SETTINGS = {"kind": "settings", "environments": {"plain": {"python": "3.11", "requirements": []}}}
_AT_ONCE = {"kind": "rollout_policy", "name": "at-once", "strategy": "immediate"}
_SCORE = "def init():\n    pass\n\n\ndef run(raw):\n    return 1\n"
ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench@example.invalid",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench@example.invalid",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}
"""Of every Git process: nothing of this machine's configuration counts."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one endpoint asks for: all to one deployment, perhaps half of it copied to the other."""

    live: str = "blue"
    mirrored: bool = False

    @property
    def other(self) -> str:
        """The deployment that is not live."""
        return "green" if self.live == "blue" else "blue"


@dataclass
class Repository:
    """A working copy with `size` endpoints of `deployments` deployments each."""

    path: Path
    size: int
    deployments: tuple[str, ...] = ("blue", "green")
    traffic: dict[str, Traffic] = field(default_factory=dict)

    def make(self) -> None:
        """Write the first commit with all endpoints."""
        self.path.mkdir()
        self._git("init", "-q", "-b", "main")
        for key in ("gc.auto", "core.fsmonitor", "maintenance.auto"):
            self._git("config", key, "0" if key == "gc.auto" else "false")
        stream = b"".join(self._stream())
        self._git("fast-import", "--quiet", feed=stream)
        self._git("reset", "-q", "--hard")
        self.traffic = {self.name(number): Traffic() for number in range(self.size)}

    @staticmethod
    def name(number: int) -> str:
        """An endpoint's name."""
        return f"endpoint-{number:05}"

    def edit(self, path: str, content: str) -> "Commit":
        """Write a file and begin to commit it."""
        (self.path / path).write_text(content)
        return self._commit(path)

    def route(self, name: str, traffic: Traffic) -> "Commit":
        """Begin a commit that asks for this traffic."""
        self.traffic[name] = traffic
        return self.edit(f"{_folder(name)}/endpoint.yml", _endpoint(name, traffic))

    def _commit(self, path: str) -> "Commit":
        command = ("git", "-C", str(self.path), "commit", "-q", "-o", "-m", "Change", "--", path)
        began = time.time_ns()
        process = subprocess.Popen(command, env={**os.environ, **ENVIRONMENT})
        return Commit(process, self.path / ".git" / "refs" / "heads" / "main", began)

    def _stream(self) -> Iterator[bytes]:
        yield b"commit refs/heads/main\ncommitter bench <bench@example.invalid> 0 +0000\ndata 5\nFirst\n"
        yield from _file("README.md", "How the repository is laid out\n")
        yield from _file("notes/log.txt", "Nothing that Headgate watches\n")
        yield from _file(f"{SUBPATH}/README.md", "What the endpoints are\n")
        yield from _file(f"{SUBPATH}/headgate.yml", json.dumps(_SETTINGS))
        yield from _file(f"{SUBPATH}/policy.yml", json.dumps(_AT_ONCE))
        yield from _file(f"{SUBPATH}/src/score.py", _SCORE)
        for number in range(self.size):
            name = self.name(number)
            yield from _file(f"{_folder(name)}/endpoint.yml", _endpoint(name, Traffic()))
            for deployment in self.deployments:
                yield from _file(f"{_folder(name)}/{deployment}.yml", _deployment(name, deployment))

    def _git(self, *arguments: str, feed: bytes | None = None) -> None:
        subprocess.run(
            ["git", "-C", str(self.path), *arguments], env={**os.environ, **ENVIRONMENT}, input=feed, check=True
        )


@dataclass(slots=True)
class Commit:
    """A `git commit` that runs."""

    process: "subprocess.Popen[bytes]"
    ref: Path
    began: int

    def done(self) -> int:
        """Wait for Git; return when the ref changed, in nanoseconds of the epoch.

        The kernel stamps a file up to one tick (4 ms) early, so what is counted from here is an upper bound.
        """
        if self.process.wait() != 0:
            raise RuntimeError(f"git commit ended with {self.process.returncode}")
        return self.ref.stat().st_ctime_ns


def _folder(name: str) -> str:
    return f"{SUBPATH}/endpoints/{name}"


def _file(path: str, content: str) -> Iterator[bytes]:
    data = content.encode()
    yield f"M 100644 inline {path}\ndata {len(data)}\n".encode()
    yield data + b"\n"


def _endpoint(name: str, traffic: Traffic) -> str:
    lines = [
        "$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json",
        f"name: {name}",
        "auth_mode: key",
        f"traffic: {{{traffic.live}: 100}}",
    ]
    if traffic.mirrored:
        lines.append(f"mirror_traffic: {{{traffic.other}: 50}}")
    return "\n".join(lines) + "\n"


def _deployment(endpoint: str, name: str) -> str:
    return f"""\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: {name}
endpoint_name: {endpoint}
code_configuration:
  code: ../../src
  scoring_script: score.py
environment: azureml:plain@latest
environment_variables:
  COLOUR: {name}
instance_type: Standard_DS2_v2
instance_count: 1
"""
