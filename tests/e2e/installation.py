"""One real installation: a Git repository, `headgate up` on it, and the commands that people use."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from load import Load

HEADGATE = Path(sys.executable).parent / "headgate"
GIT_ENV = {
    "GIT_AUTHOR_NAME": "t",
    "GIT_AUTHOR_EMAIL": "t@example.invalid",
    "GIT_COMMITTER_NAME": "t",
    "GIT_COMMITTER_EMAIL": "t@example.invalid",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}
SCORE = """
import json, os

def init():
    global answer
    answer = {answer!r}

def run(raw):
    return {{"answer": answer, "pid": os.getpid()}}
"""


def score(answer: str, extra: str = "") -> str:
    return SCORE.format(answer=answer) + textwrap.dedent(extra)


def endpoint_yaml(name: str, traffic: dict[str, int], auth: str = "key", **more: object) -> str:
    document = {"name": name, "auth_mode": auth, "traffic": traffic, **more}
    return json.dumps(document)  # JSON is YAML


def deployment_yaml(endpoint: str, name: str, code: str, count: int = 1, **more: object) -> str:
    document = {
        "name": name,
        "endpoint_name": endpoint,
        "code_configuration": {"code": code, "scoring_script": "score.py"},
        "environment": "azureml:plain@latest",
        "instance_type": "Standard_DS2_v2",
        "instance_count": count,
        # Room for the moments in which this machine is busy with something else: 429 is an answer, not a loss.
        "request_settings": {"request_timeout_ms": 20_000, "max_concurrent_requests_per_instance": 3},
        **more,
    }
    return json.dumps(document)


SETTINGS = json.dumps({"kind": "settings", "environments": {"plain": {"python": "3.11", "requirements": []}}})
"""An environment with nothing but the inference server, so that tests build it in seconds."""

AT_ONCE = json.dumps({"kind": "rollout_policy", "name": "at-once", "strategy": "immediate"})
"""What holds where a test brings no policy of its own."""


@dataclass
class Installation:
    """Owns everything below one scratch folder, and ends every process that it started."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="hg-")))
    flags: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.repo, self.state = self.folder / "repo", self.folder / "state"
        self.repo.mkdir()
        self.git("init", "-q", "-b", "main")
        self.commit({"headgate.yml": SETTINGS, "policy.yml": AT_ONCE})
        self.port = free_port()
        self.log = (self.folder / "headgate.log").open("ab")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.repo), *arguments],
            env={**os.environ, **GIT_ENV},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self, files: dict[str, str | bytes | None], message: str = "Change") -> str:
        """Write (None: remove) files and commit; return the commit."""
        for name, content in files.items():
            path = self.repo / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def up(self, *more: str, wait: bool = True) -> None:
        arguments = ["up", str(self.repo), "--port", str(self.port), *self.flags, *more]
        self.process = subprocess.Popen([str(HEADGATE), *arguments], env=self.env, stdout=self.log, stderr=self.log)
        if wait:
            self.await_api()

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "HEADGATE_STATE_DIR": str(self.state)}

    def await_api(self, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while self.cli("status", "--json", check=False).returncode:
            if self.process and self.process.poll() is not None:
                raise AssertionError(f"headgate up ended with {self.process.returncode}:\n{self.log_text()}")
            assert time.monotonic() < until, self.log_text()
            time.sleep(0.2)

    def cli(self, *arguments: str, check: bool = True, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(HEADGATE), *arguments],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode:
            raise AssertionError(
                f"headgate {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}\n{self.log_text()}"
            )
        return done

    def json(self, *arguments: str) -> dict[str, Any]:
        return json.loads(self.cli(*arguments, "--json").stdout)

    def api(self, path: str) -> dict[str, Any]:
        """What `path` of the HTTP API says, without the second that a command takes to start on a busy machine."""
        socket_path = Path((self.state / "run-directory").read_text().strip()) / "api.sock"
        transport = httpx.HTTPTransport(uds=str(socket_path))
        with httpx.Client(transport=transport, timeout=60, trust_env=False) as client:
            found: dict[str, Any] = client.get(f"http://headgate/v1/{path}").raise_for_status().json()
            return found

    def sync(self, timeout: int = 180) -> None:
        self.cli("sync", "--wait", "--timeout", str(timeout))

    def endpoint(self, name: str) -> dict[str, Any]:
        return next(found for found in self.json("status")["endpoints"] if found["name"] == name)

    def key(self, name: str) -> str:
        return str(self.json("keys", "show", name)["primaryKey"])

    @property
    def ca(self) -> Path:
        return self.state / "tls" / "ca.pem"

    def load(
        self, name: str, rate: float = 20.0, body: str = '{"data": [1]}', clients: int = 1, **headers: str
    ) -> Load:
        """Load with further headers, whose names have underscores here."""
        access = self.api(f"endpoints/{name}/access")
        given = {header.replace("_", "-"): value for header, value in headers.items()}
        given |= {"Authorization": f"Bearer {access['credential']}", "Content-Type": "application/json"}
        return Load(access["scoring_uri"], given, self.ca, rate, body, clients)

    def ask(self, name: str, **more: object) -> httpx.Response:
        key = more.pop("key", None) or self.key(name)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        headers |= more.pop("headers", {})
        uri = more.pop("uri", None) or self.endpoint(name)["scoring_uri"]
        content = more.pop("content", '{"data": [1]}')
        return httpx.post(
            uri, content=content, headers=headers, verify=_context(self.ca), trust_env=False, timeout=60, **more
        )

    def kill(self) -> None:
        """SIGKILL Headgate itself."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def terminate(self) -> int:
        assert self.process
        self.process.terminate()
        return self.process.wait(30)

    def log_text(self) -> str:
        return (self.folder / "headgate.log").read_text(errors="replace")[-6000:]

    def close(self) -> None:
        """End Headgate, Envoy and every replica; remove the folder."""
        done = self.cli("down", "--yes", check=False, timeout=120)
        if self.process and self.process.poll() is None:
            self.kill()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert done.returncode == 0, done.stderr


def _context(ca: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
