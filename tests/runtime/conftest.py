"""What the tests of `runtime/` share."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from uv import find_uv_bin

from runtime.launch import Launch
from runtime.process import stop_installation
from tests.runtime.yard import Yard


def build_venv(path: Path, *requirements: str) -> Path:
    """Build a small environment with uv and return its python."""
    kept = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    python = path / "bin" / "python"
    for arguments in (
        ["venv", "--quiet", "--no-config", "--python", sys.executable, str(path)],
        ["pip", "install", "--quiet", "--no-config", "--python", str(python), *requirements],
    ):
        done = subprocess.run([find_uv_bin(), *arguments], env=kept, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return python


@pytest.fixture(scope="session")
def server_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of an environment that holds the newest azureml-inference-server-http and nothing more."""
    return build_venv(tmp_path_factory.mktemp("server") / "venv", "azureml-inference-server-http")


class Served:
    """One model server as a child process, asked on loopback."""

    def __init__(self, launch: Launch, port: int, log: Path) -> None:
        self.port = port
        self.log = log
        with log.open("ab") as sink:
            self.process = subprocess.Popen(
                launch.argv, env=dict(launch.env), cwd=launch.cwd, stdout=sink, stderr=sink, start_new_session=True
            )

    def ask(self, path: str, body: object = None, *, timeout: float = 20, **headers: str) -> httpx.Response:
        """POST a body (bytes, or anything as JSON), or GET without one."""
        url = f"http://127.0.0.1:{self.port}{path}"
        with httpx.Client(trust_env=False, timeout=timeout) as client:
            if body is None:
                return client.get(url)
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return client.post(url, content=data, headers={"content-type": "application/json", **named})

    def ready(self) -> "Served":
        """Wait until it answers its health probe; fail with its log if it ends before."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if self.ask("/").status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def stop(self) -> int:
        """End it with SIGTERM and return its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Callable[[int], Launch]], Served]]:
    """Start a launch on a free port; every server is stopped at the end of the module."""
    started: list[Served] = []

    def start(launch_on: Callable[[int], Launch]) -> Served:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        served = Served(launch_on(port), port, tmp_path_factory.mktemp("served") / "log")
        started.append(served)
        return served

    yield start
    for served in started:
        served.stop()


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Build an environment of the given requirements and return its python."""
    return lambda *requirements: build_venv(tmp_path_factory.mktemp("built") / "venv", *requirements)


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    yard = Yard(tmp_path)
    await yard.open()
    try:
        yield yard
    finally:
        await yard.runtime.close()
        await stop_installation(yard.state, yard.installation)
    assert yard.processes() == []
    assert not [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE]
