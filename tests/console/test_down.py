"""Stopping an installation, with and without a Headgate on it."""

import os
import subprocess
import sys

import psutil
import pytest

from console.down import StillRunningError, stop_envoy, stop_headgate, stop_installation, stop_replicas
from console.lock import find_holder
from console.paths import Paths

HOLD = """
import signal, sys
from pathlib import Path
from console.lock import hold
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    signal.pause()
"""


def start(paths: Paths, mood: str) -> "subprocess.Popen[str]":
    call = [sys.executable, "-c", HOLD, str(paths.lock_file), mood]
    started = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
    assert started.stdout
    assert started.stdout.readline() == "held\n"
    return started


async def test_headgate_ends_before_envoy_and_envoy_before_replicas(paths: Paths) -> None:
    order: list[str] = []

    async def envoy(_: Paths) -> int:
        holder = find_holder(paths.lock_file)
        assert holder
        assert holder.pid == os.getpid(), "another Headgate could start meanwhile"
        order.append(f"envoy, headgate {'runs' if running.poll() is None else 'ended'}")
        return 1

    async def replicas(_: Paths) -> int:
        order.append("replicas")
        return 3

    with start(paths, "polite") as running:
        stopped = await stop_installation(paths, 20, envoy, replicas)
    assert order == ["envoy, headgate ended", "replicas"]
    assert (stopped.headgate, stopped.envoys, stopped.replicas) == (running.pid, 1, 3)


async def test_a_headgate_that_does_not_end_keeps_its_endpoints(paths: Paths) -> None:
    async def never(_: Paths) -> int:
        pytest.fail("stopped under a Headgate that would start it again")

    with start(paths, "deaf") as running:
        with pytest.raises(StillRunningError, match=rf"pid {running.pid}.*kill -9"):
            await stop_installation(paths, 0.2, never, never)
        running.kill()


async def test_it_works_where_nothing_runs(paths: Paths) -> None:
    stopped = await stop_installation(paths, 1)
    assert (stopped.headgate, stopped.envoys, stopped.replicas) == (None, 0, 0)
    assert await stop_envoy(paths) == 0
    assert await stop_replicas(paths) == 0


async def test_it_makes_nothing_where_nothing_was(paths: Paths) -> None:
    missing = Paths(paths.state / "missing")
    assert (await stop_installation(missing, 1)).headgate is None
    assert not missing.state.exists()


async def test_a_reused_pid_is_never_signalled(paths: Paths) -> None:
    paths.lock_file.write_text(f'{{"pid": {os.getpid()}, "created": {psutil.Process().create_time() - 60}}}')
    assert await stop_headgate(paths, 1) is None
