"""Replicas that end, hang or answer late, under a small model server of the standard library."""

import asyncio
import contextlib
import os
import signal
from dataclasses import replace

import httpx
import pytest

from runtime.replica import ReplicaState
from runtime.site import Ports
from spec.release import InstanceType, Probe
from tests.runtime.yard import RECIPE, Yard, get, pid_of, until

pytestmark = pytest.mark.real


class TestEnds:
    async def test_killed_and_started_again_under_its_name(self, yard: Yard) -> None:
        await yard.want(2)
        one, other = await yard.ready(2)
        pid = await pid_of(one)
        os.kill(pid, signal.SIGKILL)
        await yard.state_of(ReplicaState.WAITING, "Error")
        await yard.ready(2)
        again = next(seen for seen in yard.replicas() if seen.id == one.id)
        assert again.restarts == 1
        assert await pid_of(again) != pid
        assert other in yard.replicas()

    async def test_init_fails(self, yard: Yard) -> None:
        yard.stub.modes = {"blue": "init-fails"}
        await yard.want(1)
        first = await yard.state_of(ReplicaState.WAITING, "InitFailed")
        assert "RuntimeError: no model here" in first.message
        again = await yard.state_of(ReplicaState.WAITING, "CrashLoopBackOff")
        assert again.message.startswith("InitFailed: ")
        assert again.restarts >= 2
        (record,) = yard.records()
        assert record.ends >= 2

    async def test_it_ends_by_itself(self, yard: Yard) -> None:
        yard.stub.modes = {"blue": "completes"}
        await yard.want(1)
        await yard.state_of(ReplicaState.WAITING, "Completed")

    async def test_init_hangs(self, yard: Yard) -> None:
        yard.stub.modes = {"blue": "init-hangs"}
        await yard.want(1)
        await yard.state_of(ReplicaState.STARTING, "ReadinessProbeFailed")
        await yard.state_of(ReplicaState.WAITING, "LivenessProbeFailed")

    async def test_a_score_script_that_forks_leaves_nothing(self, yard: Yard) -> None:
        yard.stub.modes = {"blue": "forks"}
        await yard.want(1)
        (one,) = await yard.ready(1)
        assert len(yard.processes()) == 3
        await yard.want(0, one.id)
        await until(lambda: not yard.replicas(), yard.tell)
        assert yard.processes() == []

    async def test_what_a_crashed_leader_leaves_is_gone_before_the_next_start(self, yard: Yard) -> None:
        yard.stub.modes = {"blue": "forks"}
        await yard.want(1)
        (one,) = await yard.ready(1)
        before = set(yard.processes())
        os.kill(await pid_of(one), signal.SIGKILL)
        await until(lambda: yard.replicas()[0].restarts == 1 and yard.release().ready, yard.tell)
        assert not before & set(yard.processes())

    async def test_memory_hog(self, yard: Yard) -> None:
        await yard.want(1, recipe=replace(RECIPE, instance_type=InstanceType("tiny", 1, 100 * 2**20)))
        (one,) = await yard.ready(1)
        with contextlib.suppress(httpx.HTTPError):
            await get(one, "/hog/200")
        dead = await yard.state_of(ReplicaState.WAITING, "OOMKilled")
        assert "100 MiB" in dead.message
        await yard.ready(1)


class TestProbes:
    async def test_unready_and_back(self, yard: Yard) -> None:
        patient = replace(RECIPE, liveness=Probe(failure_threshold=30))
        await yard.want(1, recipe=patient)
        await yard.ready(1)
        (yard.cwd / "unhealthy").touch()
        lost = await yard.state_of(ReplicaState.UNREADY, "ReadinessProbeFailed")
        assert lost.ready_at is None
        (yard.cwd / "unhealthy").unlink()
        (one,) = await yard.ready(1)
        assert (one.restarts, one.reason) == (0, "")

    async def test_hung_is_started_again_and_busy_is_not(self, yard: Yard) -> None:
        recipe = replace(RECIPE, request_timeout_ms=10_000)
        await yard.want(1, recipe=recipe)
        (one,) = await yard.ready(1)
        yard.busy = 1
        scored = await get(one, "/sleep/4", timeout=20)
        assert scored.status_code == 200
        assert yard.replicas() == (one,)
        yard.busy = 0
        with contextlib.suppress(httpx.HTTPError):
            await get(one, "/sleep/600", timeout=0.2)
        await yard.state_of(ReplicaState.WAITING, "LivenessProbeFailed")
        await yard.ready(1)

    async def test_someone_elses_server_at_its_port_is_not_taken_for_it(
        self, yard: Yard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            writer.close()

        other = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = int(other.sockets[0].getsockname()[1])
        ports, take = [port], Ports.take
        monkeypatch.setattr(Ports, "take", lambda self: ports.pop() if ports else take(self))
        await yard.want(1)
        (one,) = await yard.ready(1)
        other.close()
        assert one.port != port
        assert one.restarts >= 1
