"""The process runtime with a small model server of the standard library."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import psutil
import pytest

import runtime
from runtime import releases, system
from runtime.fault import ReleaseError, WorldError
from runtime.process import ProcessRuntime, stop_installation
from runtime.records import Care, Record, Records
from runtime.replica import Blame, Preparation, ReleaseSeen, ReleaseWant, ReplicaSeen, ReplicaState, Stage
from runtime.site import Pace, Ports
from spec.errors import HeadgateError, TransientError
from spec.release import Environment, InstanceType, Probe, Recipe, ReleaseRef, Server

pytestmark = pytest.mark.real

SERVER = Path(__file__).with_name("model_server.py")
BLUE = ReleaseRef("wine", "blue", "3f2a9c41d0e7")
GREEN = ReleaseRef("wine", "green", "aaaaaaaaaaaa")
RECIPE = Recipe(
    server=Server.INFERENCE_SERVER,
    runtime="process",
    environment=Environment("test"),
    instance_type=InstanceType("small", 1, 2**30),
    liveness=Probe(initial_delay=1, period=1, timeout=1, failure_threshold=2),
    readiness=Probe(initial_delay=1, period=1, timeout=1, failure_threshold=1),
    request_timeout_ms=3000,
)
QUICK = Pace(first=0.2, most=1)


@dataclass(frozen=True)
class Launch:
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path


@dataclass
class Stub:
    """A preparer whose releases are the model server in some mode."""

    cwd: Path
    modes: dict[str, str] = field(default_factory=dict)
    errors: list[HeadgateError] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    prepared: int = 0
    forgotten: list[ReleaseRef] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    intact: bool = True
    mode: str = "ok"
    notes: tuple[tuple[str, str], ...] = (("Noted", "so it is"),)

    async def prepare(self, release: ReleaseRef, recipe: Recipe, report: Callable[[Preparation], None]) -> "Stub":
        assert recipe.runtime == "process"
        self.prepared += 1
        self.steps.append("prepare")
        if self.errors:
            raise self.errors.pop(0)
        report(Preparation(Stage.PREPARING, message=f"laying out {release.name}"))
        await asyncio.sleep(0)
        return replace(self, mode=self.modes.get(release.deployment, "ok"))

    async def check(self, prepared: "Stub") -> bool:
        assert prepared.mode
        return self.intact

    async def forget(self, release: ReleaseRef, recipe: Recipe) -> None:
        assert recipe.runtime == "process"
        self.steps.append("removing")
        await self.gate.wait()
        self.steps.append("removed")
        self.forgotten.append(release)

    def launch(self, port: int) -> Launch:
        env = {"PATH": os.environ["PATH"], **self.env}
        return Launch((sys.executable, "-S", str(SERVER), str(port), self.mode), env, self.cwd)


class Yard:
    """One installation: runtimes are opened on it, and nothing of it is left at the end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "state"
        self.cwd = root / "cwd"
        self.cwd.mkdir()
        self.installation = secrets.token_hex(8)
        self.stub = Stub(self.cwd)
        self.stub.gate.set()
        self.busy = 0
        self.runtime: ProcessRuntime

    async def in_flight(self, _address: str, _port: int) -> int:
        return self.busy

    async def open(self) -> ProcessRuntime:
        self.runtime = ProcessRuntime(self.state, self.installation, self.stub, in_flight=self.in_flight, pace=QUICK)
        assert self.runtime.seen() is None
        await self.runtime.start()
        return self.runtime

    async def want(self, count: int, *stop: str, ref: ReleaseRef = BLUE, recipe: Recipe = RECIPE) -> None:
        await self.runtime.apply(ReleaseWant(ref, recipe, count, frozenset(stop)))

    def release(self, ref: ReleaseRef = BLUE) -> ReleaseSeen:
        seen = self.runtime.seen()
        assert seen is not None
        return seen[ref]

    def replicas(self, ref: ReleaseRef = BLUE) -> tuple[ReplicaSeen, ...]:
        return self.release(ref).replicas

    async def ready(self, count: int, ref: ReleaseRef = BLUE) -> tuple[ReplicaSeen, ...]:
        await until(lambda: len(self.release(ref).ready) == count, self.tell)
        return self.release(ref).ready

    async def state_of(self, state: ReplicaState, reason: str = "") -> ReplicaSeen:
        def found() -> ReplicaSeen | None:
            return next((one for one in self.replicas() if (one.state, one.reason) == (state, reason)), None)

        await until(lambda: found() is not None, self.tell)
        one = found()
        assert one is not None
        return one

    def tell(self) -> str:
        logs = "\n".join(str(line) for line in self.runtime.logs.read("wine", "blue", 50))
        return f"{self.runtime.seen()}\n{logs}"

    def processes(self) -> list[int]:
        return sorted(found.pid for found, _ in system.carriers(self.installation))

    def parent(self, *args: str) -> "subprocess.Popen[bytes]":
        """Another Headgate on this installation."""
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(runtime.__file__).parent.parent)}
        argv = [sys.executable, str(SERVER.with_name("parent.py")), str(self.state), self.installation, *args]
        return subprocess.Popen(argv, cwd=self.cwd, env=env, stdout=subprocess.PIPE)

    def records(self) -> list[Record]:
        return Records(self.state / "replicas").read()


def background(*argv: str, env: Mapping[str, str] | None = None) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(argv, env=env, start_new_session=True)


async def until(condition: Callable[[], object], tell: Callable[[], str] = str, seconds: float = 45) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {tell()}"
        await asyncio.sleep(0.02)


async def get(replica: ReplicaSeen, path: str = "/", timeout: float = 10) -> httpx.Response:  # noqa: ASYNC109
    async with httpx.AsyncClient(trust_env=False, timeout=timeout) as client:
        return await client.get(f"http://{replica.address}:{replica.port}{path}")


async def pid_of(replica: ReplicaSeen) -> int:
    return int((await get(replica)).text)


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
