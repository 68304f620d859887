"""Replicas outlive Headgate, and the next one takes them over."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import replace

import pytest

from runtime import system
from runtime.fault import ReleaseError
from runtime.process import stop_installation
from runtime.records import Care, Record, Records
from runtime.replica import ReplicaState, Stage
from tests.runtime.yard import BLUE, GREEN, RECIPE, Yard, pid_of, until

pytestmark = pytest.mark.real


def background(*argv: str, env: Mapping[str, str] | None = None) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(argv, env=env, start_new_session=True)


class TestAdoption:
    async def test_the_next_headgate_takes_them_over_as_they_are(self, yard: Yard) -> None:
        await yard.want(2)
        before = await yard.ready(2)
        pids = yard.processes()
        await yard.runtime.close()
        await yard.open()
        assert yard.processes() == pids
        after = yard.release()
        assert [(one.id, one.port, one.state, one.ready_at) for one in after.replicas] == [
            (one.id, one.port, ReplicaState.READY, one.ready_at) for one in before
        ]
        assert (after.wanted, after.preparation.stage) == (0, Stage.PREPARED), "the next pass tells the recipe again"
        await yard.want(2)
        await yard.ready(2)
        os.kill(pids[0], signal.SIGKILL)
        await until(lambda: any(one.restarts == 1 for one in yard.replicas()), yard.tell)
        await yard.ready(2)
        assert len(yard.processes()) == 2

    async def test_what_was_prepared_is_looked_at_again_and_noted(self, yard: Yard) -> None:
        await yard.want(1)
        await yard.ready(1)
        await yard.runtime.close()
        await yard.open()
        assert yard.release().preparation.notes == ()
        yard.stub.errors = [ReleaseError("ModelMissing", "no model")]
        await yard.want(1)
        await until(lambda: yard.release().preparation.message == "no model")
        assert (yard.release().preparation.stage, len(yard.release().ready)) == (Stage.PREPARED, 1)
        await yard.runtime.close()
        await yard.open()
        await yard.want(1)
        await until(lambda: dict(yard.release().preparation.notes).get("Noted"))

    async def test_what_ended_meanwhile_starts_again_once_its_recipe_is_told(self, yard: Yard) -> None:
        await yard.want(1)
        (one,) = await yard.ready(1)
        await yard.runtime.close()
        (pid,) = yard.processes()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)  # noqa: ASYNC222 - it is dead
        await yard.open()
        assert yard.replicas()[0].state is ReplicaState.WAITING
        assert (await yard.state_of(ReplicaState.WAITING, "Error")).id == one.id
        await yard.want(1)
        assert (await yard.ready(1))[0].id == one.id

    async def test_spawned_an_instant_before_the_kill(self, yard: Yard) -> None:
        """The record says only what was meant; the process carries who it is."""
        await yard.want(1)
        (one,) = await yard.ready(1)
        (pid,) = yard.processes()
        (record,) = yard.records()
        await yard.runtime.close()
        Records(yard.state / "replicas").write(replace(record, pid=0, birth="", ready_at=None))
        await yard.open()
        (again,) = await yard.ready(1)
        assert (again.id, again.port, again.restarts, yard.processes()) == (one.id, one.port, 0, [pid])
        assert yard.records()[0].pid == pid

    async def test_a_pid_that_was_taken_over_is_never_touched(self, yard: Yard) -> None:
        await yard.runtime.close()
        with background("sleep", "600") as bystander:
            try:
                record = Record(
                    "blue-3f2a9c-000001", BLUE, 0, Care.of(RECIPE), port=1, pid=bystander.pid, birth="x:1"
                )
                Records(yard.state / "replicas").write(record)
                await yard.open()
                await yard.want(1)
                await yard.ready(1)
                await yard.want(0, record.id)
                await until(lambda: not yard.replicas(), yard.tell)
                await yard.runtime.close()
                Records(yard.state / "replicas").write(record)
                await stop_installation(yard.state, yard.installation)
                assert bystander.poll() is None
            finally:
                bystander.kill()

    async def test_strays_are_stopped_and_other_installations_are_not(self, yard: Yard) -> None:
        def stray(installation: str, replica: str) -> "subprocess.Popen[bytes]":
            who = system.Identity(installation, str(BLUE), replica)
            return background("/bin/sleep", "600", env=who.variables())

        await yard.want(1)
        await yard.want(1, ref=GREEN)
        await yard.ready(1)
        await yard.ready(1, GREEN)
        with stray(yard.installation, "gone-1") as own, stray("another", "gone-1") as foreign:
            try:
                await yard.runtime.settle({BLUE})
                await until(lambda: own.pid not in yard.processes())
                await until(lambda: GREEN not in (yard.runtime.seen() or {}))
                assert foreign.poll() is None
                assert len(yard.release().ready) == 1
            finally:
                foreign.kill()
                own.kill()

    async def test_a_stop_goes_on_after_a_restart(self, yard: Yard) -> None:
        await yard.want(1)
        await yard.ready(1)
        (record,) = yard.records()
        await yard.runtime.close()
        Records(yard.state / "replicas").write(replace(record, stopping=True))
        await yard.open()
        await until(lambda: not yard.replicas(), yard.tell)
        assert yard.processes() == []

    async def test_down_without_a_headgate(self, yard: Yard) -> None:
        yard.stub.modes = {"blue": "forks"}
        await yard.want(2)
        await yard.ready(2)
        await yard.runtime.close()
        await stop_installation(yard.state, yard.installation)
        assert (yard.processes(), yard.records()) == ([], [])


class TestKill:
    """Headgate itself is killed with SIGKILL."""

    async def test_replicas_run_on_and_the_next_one_adopts_them(self, yard: Yard) -> None:
        await yard.runtime.close()
        with yard.parent("2") as parent:
            try:
                assert parent.stdout is not None
                assert await asyncio.to_thread(parent.stdout.readline) == b"ready\n"
                pids = yard.processes()
            finally:
                parent.kill()
        assert yard.processes() == pids
        await yard.open()
        assert [one.state for one in yard.replicas()] == [ReplicaState.READY] * 2
        assert sorted([await pid_of(one) for one in yard.replicas()]) == pids
        assert [one.restarts for one in yard.replicas()] == [0, 0]
        os.kill(pids[0], signal.SIGKILL)
        await yard.want(2)
        await until(lambda: sorted(one.restarts for one in yard.replicas()) == [0, 1], yard.tell)
        await yard.ready(2)

    async def test_why_a_replica_crashes_is_known_to_the_next_one(self, yard: Yard) -> None:
        yard.stub.modes = {"blue": "init-fails"}
        await yard.want(1)
        await yard.state_of(ReplicaState.WAITING, "CrashLoopBackOff")
        await yard.runtime.close()
        await yard.open()
        (one,) = yard.replicas()
        assert one.restarts >= 2
        again = await yard.state_of(ReplicaState.WAITING, "CrashLoopBackOff")
        assert again.message.startswith("InitFailed: ")
        assert "RuntimeError: no model here" in again.message

    async def test_in_the_instant_between_spawn_and_record(self, yard: Yard) -> None:
        await yard.runtime.close()
        with yard.parent("1", "instant") as parent:
            assert await asyncio.to_thread(parent.wait, 20) == -signal.SIGKILL
        (pid,) = yard.processes()
        assert [record.pid for record in yard.records()] == [0]
        await yard.open()
        (one,) = await yard.ready(1)
        assert (await pid_of(one), one.restarts) == (pid, 0)
