"""A release from artifacts to scores: the real preparer below the real runtime."""

import asyncio
import os
import secrets
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Literal

import httpx
import pytest

from runtime import process
from runtime.artifacts import remove
from runtime.layout import release_root
from runtime.logs import Logs
from runtime.prepare import Preparer
from runtime.process import ProcessRuntime, stop_installation
from runtime.replica import Blame, ReleaseSeen, ReleaseWant, ReplicaSeen, Stage
from runtime.site import Pace
from spec.release import Artifact, Code, Environment, InstanceType, Model, Recipe, ReleaseRef, Server

pytestmark = pytest.mark.real

BLUE = ReleaseRef("shop", "blue", "3f2a9c41d0e7")
RECIPE = Recipe(
    server=Server.INFERENCE_SERVER,
    runtime="process",
    environment=Environment("inline in blue.yml", requirements=("azureml-inference-server-http",)),
    instance_type=InstanceType("Standard_DS1_v2", 1, 2**31),
    model=Model("m", "1", "custom_model", Artifact("d" * 40, "file", "models/weights.txt")),
    code=Code(Artifact("c" * 40, "directory", "src"), "score.py"),
)
SCORE = b"""
import importlib
import os
import sys
import tempfile

def init():
    global weights
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "weights.txt")) as file:
        weights = file.read()

def run(data):
    sys.modules.pop("gunicorn.workers.gthread", None)
    importlib.import_module("gunicorn.workers.gthread")
    with open("score.py") as beside, tempfile.TemporaryFile():
        beside.read()
    return [weights, os.getpid()]
"""


class Exporter:
    def export(self, _oid: str, kind: Literal["file", "directory"], destination: Path, _path: str) -> None:
        if kind == "file":
            destination.write_bytes(b"42")
            return
        destination.mkdir()
        (destination / "score.py").write_bytes(SCORE)


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[ProcessRuntime]:
    installation = secrets.token_hex(8)
    preparer = Preparer(tmp_path, Exporter(), Logs(tmp_path / "logs").note)
    runtime = ProcessRuntime(tmp_path, installation, preparer, pace=Pace(first=0.2))
    await runtime.start()
    try:
        yield runtime
    finally:
        await runtime.close()
        await stop_installation(tmp_path, installation)


def seen(runtime: ProcessRuntime) -> ReleaseSeen:
    return (runtime.seen() or {})[BLUE]


async def until(runtime: ProcessRuntime, condition: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, (runtime.seen(), runtime.logs.read("shop", "blue", 50))
        await asyncio.sleep(0.05)


async def score(replica: ReplicaSeen) -> tuple[str, int]:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        answer = await client.post(f"http://{replica.address}:{replica.port}/score", json={})
    weights, pid = answer.json()
    return str(weights), int(pid)


async def test_it_scores_and_comes_back_after_its_files_are_deleted(runtime: ProcessRuntime, tmp_path: Path) -> None:
    await runtime.apply(ReleaseWant(BLUE, RECIPE, 1))
    await until(runtime, lambda: seen(runtime).ready)
    weights, pid = await score(seen(runtime).ready[0])
    assert weights == "42"
    said = [line.text for line in runtime.logs.read("shop", "blue", container="storage-initializer")]
    assert any("materialising model m:1" in line for line in said)
    shutil.rmtree(release_root(tmp_path / "releases", BLUE))
    os.kill(os.getsid(pid), signal.SIGKILL)
    await until(runtime, lambda: seen(runtime).ready and seen(runtime).ready[0].restarts == 1)
    assert (await score(seen(runtime).ready[0]))[0] == "42"
    root = release_root(tmp_path / "releases", BLUE)
    await runtime.forget(BLUE)
    await until(runtime, lambda: BLUE not in (runtime.seen() or {}))
    assert not root.exists()


def files(*roots: Path) -> dict[Path, bytes]:
    """What is there, but for the times that manifests hold, and for what Python keeps."""
    found = [path for root in roots for path in root.rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in found if path.suffix not in (".json", ".pyc")}


@pytest.mark.parametrize("lost", ["releases", "artifacts", f"releases/{BLUE.endpoint}", "tmp", "environments"])
async def test_what_is_deleted_below_a_live_replica_comes_back(
    runtime: ProcessRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    monkeypatch.setattr(process, "_LOOK", 0.2)
    await runtime.apply(ReleaseWant(BLUE, RECIPE, 1))
    await until(runtime, lambda: seen(runtime).ready)
    before, first = files(tmp_path / "artifacts", tmp_path / "releases"), await score(seen(runtime).ready[0])
    reasons: list[str] = []
    runtime.subscribe(lambda _: reasons.append(seen(runtime).preparation.reason))
    remove(tmp_path / lost)
    await until(runtime, lambda: reasons and reasons[-1] == "FilesRestored")
    assert files(tmp_path / "artifacts", tmp_path / "releases") == before
    assert await score(seen(runtime).ready[0]) == first
    assert seen(runtime).ready[0].restarts == 0
    assert list(dict.fromkeys(filter(None, reasons))) == ["FilesMissing", "FilesRestored"]


async def test_a_requirement_that_does_not_exist_fails_the_release(runtime: ProcessRuntime) -> None:
    environment = Environment("inline", requirements=("azureml-inference-server-http==0.0.99",))
    recipe = Recipe(Server.INFERENCE_SERVER, "process", environment, RECIPE.instance_type, code=RECIPE.code)
    await runtime.apply(ReleaseWant(BLUE, recipe, 1))
    await until(runtime, lambda: seen(runtime).preparation.stage is Stage.FAILED)
    failed = seen(runtime).preparation
    assert failed.blame is Blame.RELEASE
    assert "azureml-inference-server-http==0.0.99" in failed.message
    assert seen(runtime).replicas == ()
