"""A real Envoy: started, adopted, restarted, replaced and stopped."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from router import process as processes
from router.binary import Options, base_id, command, digest, find_binary
from router.log_files import Rotation
from router.process import Process
from router.supervisor import Phase, require_free
from spec.errors import StalledError, TransientError
from tests.router.place import place, ready, static, until

pytestmark = pytest.mark.real


async def test_a_detached_envoy_serves_on_and_is_adopted() -> None:
    async with place() as where:
        first = where.envoy()
        started = await first.start()
        await ready(first)
        await first.detach()
        assert await where.get() == "one"
        second = where.envoy()
        adopted = await second.start()
        assert (adopted.phase, adopted.pid, adopted.adopted) == (Phase.RUNNING, started.pid, True)
        assert not started.adopted
        assert await second.stop()
        assert processes.identify(started.pid) is None
        assert second.seen.phase is Phase.STOPPED
        with pytest.raises(httpx.ConnectError):
            await where.get()


async def test_an_envoy_outlives_the_process_that_started_it(tmp_path: Path) -> None:
    async with place() as where:
        config = tmp_path / "bootstrap.json"
        config.write_text(json.dumps(static(where.sockets, where.port)))
        script = f"""
import asyncio, json, os
from pathlib import Path
from router.access_log import loggers
from router.binary import Options
from router.supervisor import EnvoyProcess, EnvoySettings
async def main():
    settings = EnvoySettings(Path({str(where.root / "envoy")!r}), Path({str(where.sockets.admin)!r}),
                             options=Options(concurrency=1, drain_s=2))
    envoy = EnvoyProcess(settings, json.loads(Path({str(config)!r}).read_text()))
    print((await envoy.start()).pid, flush=True)
    await envoy.answering()
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
        run = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
        assert run.returncode == -signal.SIGKILL, run.stderr
        envoy = where.envoy()
        seen = await envoy.start()
        assert (seen.pid, seen.adopted) == (int(run.stdout), True)
        await ready(envoy)
        assert await where.get() == "one"
        # Adopted, not a child: its death is noticed all the same.
        os.kill(seen.pid, signal.SIGKILL)
        await until(lambda: envoy.seen.restarts == 1 and envoy.seen.phase is Phase.RUNNING)
        await ready(envoy)
        assert envoy.seen.pid != seen.pid
        assert await where.get() == "one"
        await envoy.stop()


async def test_a_killed_envoy_starts_again_and_says_so() -> None:
    async with place() as where:
        envoy = where.envoy()
        seen = await envoy.start()
        await ready(envoy)
        os.kill(seen.pid, signal.SIGKILL)
        await until(lambda: envoy.seen.restarts == 1 and envoy.seen.phase is Phase.RUNNING, 5)
        await ready(envoy)
        assert await where.get() == "one"
        assert [state.phase for state in where.states] == [Phase.RUNNING, Phase.BACKING_OFF, Phase.RUNNING]
        assert "Envoy ended" in where.states[1].message
        assert str(envoy.log) in where.states[1].message
        await envoy.stop()


async def test_an_envoy_that_cannot_run_backs_off() -> None:
    async with place() as where:
        broken = where.root / "broken"
        broken.write_text("#!/bin/sh\necho no good >&2\nexit 3\n")
        broken.chmod(0o700)
        envoy = where.envoy(binary=broken)
        await envoy.start()
        await until(lambda: envoy.seen.restarts >= 3)
        assert "no good" in envoy.log.read_text()
        assert "starts again in 1 s" in envoy.seen.message
        assert not await envoy.stop()


async def test_stopping_lets_requests_in_progress_end() -> None:
    arrived, release = asyncio.Event(), asyncio.Event()

    async def model(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nslow")
        writer.close()

    server = await asyncio.start_server(model, "127.0.0.1", 0)
    async with place() as where:
        envoy = where.envoy(upstream=server.sockets[0].getsockname()[1])
        await envoy.start()
        await ready(envoy)
        answer = asyncio.create_task(where.get())
        await arrived.wait()
        stopping = asyncio.create_task(envoy.stop(drain_s=20))
        await asyncio.sleep(0.3)
        assert not stopping.done()
        release.set()
        assert await answer == "slow"
        assert await asyncio.wait_for(stopping, 10)
    server.close()


async def test_the_access_log_is_rotated_under_a_running_envoy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.supervisor._HOUSEKEEPING_S", 0.1)
    async with place() as where:
        rotation = Rotation(where.root / "access.log", max_bytes=200)
        envoy = where.envoy(access_log=rotation)
        await envoy.start()
        await ready(envoy)
        for _ in range(10):
            await where.get()
        await until(lambda: content(where.root / "access.log.1"))
        for _ in range(10):
            await where.get()
        await until((where.root / "access.log.2").exists)
        await until(lambda: content(where.root / "access.log.1"))
        await envoy.stop()


def content(path: Path) -> str:
    """What is in the file; nothing while a rotation is between two of its renames."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


async def test_two_installations_run_side_by_side() -> None:
    async with place() as one, place() as two:
        first, second = one.envoy("one"), two.envoy("two")
        await first.start()
        await second.start()
        await ready(first)
        await ready(second)
        assert (await one.get(), await two.get()) == ("one", "two")
        await first.stop()
        assert await two.get() == "two"
        assert second.seen.phase is Phase.RUNNING
        await second.stop()


async def test_a_taken_port_is_named_before_anything_starts() -> None:
    async with place() as where:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", where.port))
            taken.listen()
            with pytest.raises(StalledError, match=rf"Port {where.port} .*in use.*--port"):
                await where.envoy().start()
        assert where.states == []
        assert not (where.root / "envoy" / "envoy.log").exists()


def test_a_port_of_another_envoy_counts_as_taken() -> None:
    """Envoy's listeners share their port, so a second one would silently get half of the first one's requests."""
    with socket.socket() as shared:
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        shared.bind(("127.0.0.1", 0))
        shared.listen()
        with pytest.raises(StalledError):
            require_free("127.0.0.1", shared.getsockname()[1])


async def test_no_process_is_signalled_without_its_creation_time() -> None:
    sleeper = subprocess.Popen(["sleep", "60"])  # noqa: ASYNC220 - starts in no time
    try:
        process = processes.identify(sleeper.pid)
        assert process is not None
        assert not processes.send(Process(sleeper.pid, "another boot/1"), signal.SIGKILL)
        await asyncio.wait_for(processes.wait(Process(sleeper.pid, "another boot/1")), 1)
        assert sleeper.poll() is None
        await processes.end(process, 0.0)
        assert sleeper.wait() in {-signal.SIGTERM, -signal.SIGKILL}
    finally:
        sleeper.kill()


async def test_stopping_where_nothing_runs_is_harmless() -> None:
    async with place() as where:
        assert not await where.envoy().stop()


async def test_nobody_on_the_admin_socket_is_transient() -> None:
    async with place() as where:
        with pytest.raises(TransientError, match=r"a\.sock"):
            await where.envoy().answering(within_s=0.1)


def test_no_envoy_for_the_platform_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StalledError, match="ENVOY_BIN"):
        find_binary(tmp_path / "missing")
    monkeypatch.setitem(sys.modules, "envoy", None)
    with pytest.raises(StalledError, match="ENVOY_BIN"):
        find_binary()


def test_commands_and_digests_tell_installations_and_settings_apart(tmp_path: Path) -> None:
    binary = find_binary()
    assert base_id(tmp_path / "a") != base_id(tmp_path / "b")
    line = command(binary, tmp_path / "bootstrap-x.json", Options(concurrency=3), 2)
    assert line[line.index("--restart-epoch") + 1] == "2"
    assert line[line.index("--concurrency") + 1] == "3"
    digests = {digest(binary, options, {"a": 1}) for options in (Options(), Options(concurrency=3))}
    assert len(digests | {digest(binary, Options(), {"a": 2})}) == 3
    assert digest(binary, Options(), {"a": 1}) in digests
