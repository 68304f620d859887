"""The process runtime with a small model server of the standard library."""

import asyncio
import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from runtime import releases
from runtime.fault import ReleaseError, WorldError
from runtime.process import ProcessRuntime
from runtime.replica import Blame, ReleaseWant, ReplicaState, Stage
from runtime.site import Pace
from spec.errors import TransientError
from spec.release import InstanceType, Probe, ReleaseRef
from tests.runtime.yard import BLUE, GREEN, RECIPE, Yard, pid_of, until

pytestmark = pytest.mark.real


class TestCount:
    async def test_grows_and_shrinks_to_what_is_wanted(self, yard: Yard) -> None:
        await yard.want(2)
        first = await yard.ready(2)
        assert {one.port for one in first} == {record.port for record in yard.records()}
        assert len({await pid_of(one) for one in first}) == 2
        await yard.want(3)
        assert {one.id for one in first} < {one.id for one in await yard.ready(3)}
        await yard.want(1, first[0].id, first[1].id)
        await until(lambda: len(yard.replicas()) == 1, yard.tell)
        assert yard.replicas()[0].id not in {one.id for one in first}
        await until(lambda: len(yard.processes()) == 1)

    async def test_stops_only_what_is_named_and_no_more_than_is_too_many(self, yard: Yard) -> None:
        await yard.want(3)
        ready = await yard.ready(3)
        await yard.want(1)
        assert all(one.state is ReplicaState.READY for one in yard.replicas())
        await yard.want(2, ready[0].id, ready[1].id)
        await until(lambda: len(yard.replicas()) == 2, yard.tell)
        await yard.want(2, ready[0].id, ready[1].id)
        await asyncio.sleep(0.3)
        assert len(yard.release().ready) == 2

    async def test_repeating_a_target_changes_nothing(self, yard: Yard) -> None:
        await yard.want(1)
        await yard.ready(1)
        told: list[ReleaseRef] = []
        yard.runtime.subscribe(told.append)
        before = yard.runtime.seen()
        for _ in range(3):
            await yard.want(1)
        await asyncio.sleep(0.5)
        assert (told, yard.runtime.seen()) == ([], before)

    async def test_ready_within_a_moment_though_azure_would_wait_ten_seconds(self, yard: Yard) -> None:
        started = time.monotonic()
        await yard.want(1, recipe=replace(RECIPE, readiness=Probe(), liveness=Probe()))
        (one,) = await yard.ready(1)
        assert time.monotonic() - started < 5
        assert one.ready_at is not None

    async def test_forget_stops_all_and_removes_what_was_prepared(self, yard: Yard) -> None:
        await yard.want(2)
        await yard.want(1, ref=GREEN)
        await yard.ready(2)
        await yard.ready(1, GREEN)
        await yard.runtime.forget(BLUE)
        await until(lambda: BLUE not in (yard.runtime.seen() or {}), yard.tell)
        assert yard.stub.forgotten == [BLUE]
        assert len(yard.processes()) == len(yard.records()) == len(yard.release(GREEN).ready) == 1

    async def test_a_release_that_is_being_forgotten_may_be_taken_back(self, yard: Yard) -> None:
        yard.stub.modes = {"blue": "stubborn"}
        await yard.want(1, recipe=replace(RECIPE, request_timeout_ms=-4000))
        (old,) = await yard.ready(1)
        await yard.runtime.forget(BLUE)
        await until(lambda: old not in yard.replicas())
        await yard.want(1)
        (new,) = await yard.ready(1)
        await until(lambda: len(yard.replicas()) == 1)
        assert new.id != old.id
        assert yard.stub.forgotten == []

    async def test_taken_back_while_its_files_are_removed(self, yard: Yard) -> None:
        await yard.want(1)
        (old,) = await yard.ready(1)
        yard.stub.intact = False
        yard.stub.gate.clear()
        await yard.runtime.forget(BLUE)
        await until(lambda: "removing" in yard.stub.steps)
        await yard.want(1)
        await asyncio.sleep(0.2)
        yard.stub.gate.set()
        (new,) = await yard.ready(1)
        assert yard.stub.steps == ["prepare", "removing", "removed", "prepare"]
        assert new.id != old.id


class TestPreparation:
    async def test_progress_and_notes_are_seen(self, yard: Yard) -> None:
        told: list[str] = []
        yard.runtime.subscribe(lambda ref: told.append(yard.release(ref).preparation.message))
        big = replace(RECIPE, instance_type=InstanceType("huge", 4096, 2**50))
        await yard.want(1, recipe=big)
        await yard.ready(1)
        preparation = yard.release().preparation
        assert preparation.stage is Stage.PREPARED
        reasons = [reason for reason, _ in preparation.notes]
        assert reasons[:2] == ["Noted", "InstanceTypeExceedsHost"]
        assert "laying out blue@3f2a9c41d0e7" in told

    async def test_wrong_content_is_tried_once(self, yard: Yard) -> None:
        yard.stub.errors = [ReleaseError("ModelMissing", "no model: add it")]
        for _ in range(3):
            await yard.want(1)
            await asyncio.sleep(0.05)
        seen = yard.release()
        assert (seen.preparation.stage, seen.preparation.blame) == (Stage.FAILED, Blame.RELEASE)
        assert (seen.preparation.reason, seen.preparation.message) == ("ModelMissing", "no model: add it")
        assert (yard.stub.prepared, seen.replicas) == (1, ())

    async def test_a_world_that_is_away_is_tried_again(self, yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(releases, "_RETRY", Pace(first=0.2))
        yard.stub.errors = [WorldError("RegistryUnavailable", "pypi.org does not answer")]
        await yard.want(1)
        await until(lambda: yard.release().preparation.stage is Stage.FAILED)
        assert yard.release().preparation.blame is Blame.WORLD
        await yard.ready(1)

    async def test_checked_before_the_next_start_and_prepared_again_if_need_be(self, yard: Yard) -> None:
        await yard.want(1)
        (one,) = await yard.ready(1)
        os.kill(await pid_of(one), signal.SIGKILL)
        await until(lambda: yard.replicas()[0].restarts == 1 and yard.release().ready, yard.tell)
        assert yard.stub.prepared == 1
        yard.stub.intact = False
        os.kill(await pid_of(yard.replicas()[0]), signal.SIGKILL)
        await until(lambda: yard.replicas()[0].restarts == 2 and yard.release().ready, yard.tell)
        assert yard.stub.prepared == 2

    async def test_a_command_that_does_not_exist(self, yard: Yard) -> None:
        yard.cwd.rmdir()
        await yard.want(1)
        await until(lambda: yard.replicas() and yard.replicas()[0].reason == "CrashLoopBackOff", yard.tell)
        assert "could not be started" in yard.replicas()[0].message
        yard.cwd.mkdir()
        await yard.ready(1)


class TestStop:
    async def test_who_ignores_sigterm_is_killed_after_the_grace(self, yard: Yard) -> None:
        yard.stub.modes = {"blue": "stubborn"}
        await yard.want(1, recipe=replace(RECIPE, request_timeout_ms=-4000))
        (one,) = await yard.ready(1)
        await yard.want(0, one.id)
        assert yard.replicas()[0].state is ReplicaState.STOPPING
        await until(lambda: not yard.replicas(), yard.tell, 8)

    async def test_stop_all(self, yard: Yard) -> None:
        yard.stub.modes = {"blue": "forks"}
        await yard.want(2)
        await yard.ready(2)
        await yard.runtime.stop_all()
        assert (yard.processes(), yard.records(), dict(yard.runtime.seen() or {})) == ([], [], {})


class TestProcess:
    async def test_it_starts_with_an_environment_of_its_own(
        self, yard: Yard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SECRET_OF_HEADGATE", "x")
        yard.stub.env = {"MKL_NUM_THREADS": "7", "with.dot": "kept", "HEADGATE_REPLICA": "forged"}
        await yard.want(1, recipe=replace(RECIPE, instance_type=InstanceType("s", 1.5, 2**30)))
        (one,) = await yard.ready(1)
        process = psutil.Process(await pid_of(one))
        environ = process.environ()
        assert "SECRET_OF_HEADGATE" not in environ
        assert (environ["MKL_NUM_THREADS"], environ["OMP_NUM_THREADS"], environ["with.dot"]) == ("7", "2", "kept")
        assert environ["HEADGATE_REPLICA"] == one.id
        assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        assert os.getsid(process.pid) == process.pid
        assert [connection.laddr.ip for connection in process.net_connections("tcp")] == ["127.0.0.1"]
        assert {Path(file.path) for file in process.open_files()} == {yard.runtime.logs.path(BLUE, one.id)}

    async def test_apply_before_start(self, yard: Yard) -> None:
        runtime = ProcessRuntime(yard.state, yard.installation, yard.stub)
        with pytest.raises(TransientError, match="has not looked"):
            await runtime.apply(ReleaseWant(BLUE, RECIPE, 1))

    async def test_subscribers_hear_of_each_difference(self, yard: Yard) -> None:
        states: list[tuple[ReplicaState, ...]] = []
        yard.runtime.subscribe(lambda ref: states.append(tuple(one.state for one in yard.replicas(ref))))
        await yard.want(1)
        await yard.ready(1)
        assert states[-1] == (ReplicaState.READY,)
        assert (ReplicaState.STARTING,) in states
        records = json.dumps([record.id for record in yard.records()])
        assert yard.replicas()[0].id in records
