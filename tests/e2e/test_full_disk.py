"""A state directory on a disk that fills: what serves goes on, it says why nothing else does, and it heals."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from installation import Installation, deployment_yaml, endpoint_yaml, score

SIZE = 256
"""MiB of the small disk: two environments fit, and little more."""
ALPHA, BETA = "endpoints/alpha", "endpoints/beta"
ENVIRONMENTS = (
    '{"kind": "settings", "environments": {"plain": {"python": "3.11", "requirements": []}, '
    '"other": {"python": "3.11", "requirements": ["idna"]}}}'
)
TALKATIVE = "\n_run = run\ndef run(raw):\n    print('x' * 5000)\n    return _run(raw)\n"
"""A print() for each request: on a full disk it must not become a 500."""


def mount(folder: Path) -> bool:
    folder.mkdir(exist_ok=True)
    options = f"size={SIZE}m,mode=700"
    call = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    return subprocess.run(call, capture_output=True, check=False).returncode == 0


@contextmanager
def small_disk(headgate: Installation) -> Iterator[None]:
    assert mount(headgate.state)
    try:
        yield
        headgate.cli("down", "--yes")
    finally:
        subprocess.run(["umount", "-l", str(headgate.state)], check=True)


def fill(folder: Path) -> None:
    with (folder / "filler").open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue


def until(true: Callable[[], object], seconds: float) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.5)


def alpha(answer: str) -> dict[str, str | bytes | None]:
    return {
        f"{ALPHA}/endpoint.yml": endpoint_yaml("alpha", {"blue": 100}),
        f"{ALPHA}/blue.yml": deployment_yaml("alpha", "blue", "./code"),
        f"{ALPHA}/code/score.py": score(answer) + TALKATIVE,
    }


def beta() -> dict[str, str | bytes | None]:
    return {
        f"{BETA}/endpoint.yml": endpoint_yaml("beta", {"blue": 100}),
        f"{BETA}/blue.yml": deployment_yaml("beta", "blue", "./code", environment="azureml:other@latest"),
        f"{BETA}/code/score.py": score("beta"),
    }


def conditions(headgate: Installation) -> dict[str, dict[str, Any]]:
    return {found["type"]: found for found in headgate.json("status")["source"]["conditions"]}


def play(headgate: Installation) -> None:
    headgate.commit({"headgate.yml": ENVIRONMENTS, **alpha("one")})
    headgate.up("--poll-seconds", "2")
    headgate.sync()
    assert conditions(headgate)["DiskSpace"]["status"] == "True"
    with headgate.load("alpha", rate=10) as load:
        fill(headgate.state)
        headgate.commit(alpha("two") | beta())
        until(lambda: "DiskFull" in headgate.cli("events").stdout, 60)
        full = conditions(headgate)["DiskSpace"]
        assert (full["status"], full["reason"]) == ("False", "DiskFull")
        assert "DiskSpace: DiskFull: 0.0 MiB free" in headgate.cli("status").stdout
        # Gunicorn replaces a worker, the runtime a replica, the next Headgate this one: all without room.
        worker = psutil.Process(headgate.ask("alpha").json()["pid"])
        worker.kill()
        time.sleep(3)
        lost = len(load.failures)
        assert lost <= 1, load.counts()
        headgate.kill()
        headgate.up("--poll-seconds", "2")
        assert conditions(headgate)["DiskSpace"]["reason"] == "DiskFull"
        assert headgate.ask("alpha").json()["answer"] == "one"
        (headgate.state / "filler").unlink()
        headgate.sync(240)
        assert len(load.failures) == lost, load.failures
    assert [headgate.ask(name).json()["answer"] for name in ("alpha", "beta")] == ["two", "beta"]
    reasons = [event["reason"] for event in headgate.json("events")["events"]]
    assert {"DiskFull", "DiskHasRoom", "EndpointReady"} <= set(reasons)
    assert not {"InternalError", "ReleaseRefused"} & set(reasons)
    check_remains(headgate.state)


def play_a_dying_replica(headgate: Installation) -> None:
    headgate.commit(alpha("one"))
    headgate.up("--poll-seconds", "2")
    headgate.sync()
    fill(headgate.state)
    master = psutil.Process(headgate.ask("alpha").json()["pid"]).parent()
    assert master
    master.send_signal(signal.SIGKILL)
    until(lambda: headgate.ask("alpha").status_code != 200, 10)
    until(lambda: headgate.ask("alpha").status_code == 200, 60)
    until(lambda: "is ready" in headgate.cli("events").stdout.rpartition("has ended")[2], 30)


def check_remains(state: Path) -> None:
    """Nothing is corrupt, and nothing half-built is left."""
    with sqlite3.connect(state / "memory.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()
    for environment in (state / "runtime" / "environments").iterdir():
        assert len(list(environment.glob("venv-*"))) == 1
        assert not list(environment.glob("lock-*"))
    assert not list((state / "runtime").rglob("*partial*"))


def run(scene: str) -> None:
    headgate = Installation()
    try:
        with small_disk(headgate):
            SCENES[scene](headgate)
    finally:
        headgate.close()


SCENES = {"play": play, "play_a_dying_replica": play_a_dying_replica}


def may_mount(folder: Path) -> bool:
    if not mount(folder):
        return False
    subprocess.run(["umount", str(folder)], check=True)
    return True


@pytest.mark.real
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scene", list(SCENES))
def test_a_full_disk(scene: str, tmp_path: Path) -> None:
    """Root mounts a small disk of its own; anybody else does so in a user namespace, where all of it then runs."""
    if may_mount(tmp_path / "disk") and not os.environ.get("HEADGATE_TEST_NAMESPACE"):
        run(scene)
        return
    call = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, __file__, scene]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=560)
    assert done.returncode == 0, f"neither root nor a user namespace could play this:\n{done.stdout}{done.stderr}"


if __name__ == "__main__":
    run(sys.argv[1])
