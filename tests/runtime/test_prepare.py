"""Preparing a release as a whole: in order, retried while the world is away, resumed, checked, collected."""

import asyncio
import dataclasses
import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

import httpx
import pytest

from runtime.environments import Built, Environments, Progress
from runtime.fault import ReleaseError, WorldError
from runtime.launch import Launch
from runtime.prepare import Backoff, Preparer
from runtime.replica import Blame, Preparation, Stage
from runtime.requirements import Wanted
from spec.errors import StalledError
from spec.release import Artifact, Code, Environment, InstanceType, Model, Recipe, ReleaseRef, Server

RELEASE = ReleaseRef("shop", "blue", "3f2a9c41d0e7")
OTHER = ReleaseRef("shop", "green", "000000000000")
CODE = Artifact("c" * 40, "directory", "src")
MODEL = Artifact("d" * 40, "file", "models/weights.txt")
RECIPE = Recipe(
    server=Server.INFERENCE_SERVER,
    runtime="process",
    environment=Environment("inline in blue.yml"),
    instance_type=InstanceType("Standard_DS1_v2", 1, 2**30),
    model=Model("m", "1", "custom_model", MODEL),
    code=Code(CODE, "score.py"),
)
SCORE = b"""
import os

def init():
    global weights
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "weights.txt")) as file:
        weights = file.read()

def run(data):
    return weights
"""


class FakeExporter:
    """Exports literal content after the faults it was given."""

    def __init__(self) -> None:
        self.faults: list[OSError] = []
        self.refusal: StalledError | None = None
        self.exported: list[str] = []

    def export(self, oid: str, kind: Literal["file", "directory"], destination: Path, _path: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        if self.faults:
            raise self.faults.pop(0)
        self.exported.append(oid)
        if kind == "file":
            destination.write_bytes(b"42")
            return
        destination.mkdir()
        (destination / "score.py").write_bytes(SCORE)


class FakeEnvironments(Environments):
    """Environments that are there at once, or fail as told."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.faults: list[Exception] = []
        self.hang = False
        self.begun = asyncio.Event()
        self.there: set[str] = set()

    async def ensure(self, wanted: Wanted, progress: Progress) -> Built:
        progress("resolving", "resolving 1 requirements")
        self.begun.set()
        if self.hang:
            await asyncio.Event().wait()
        if self.faults:
            raise self.faults.pop(0)
        self.there.add(self.key(wanted))
        return Built(self.key(wanted), Path("/env/bin/python"), (("PythonVersionNotFound", "3.10 is used"),))

    def present(self, key: str) -> Built | None:
        return Built(key, Path("/env/bin/python")) if key in self.there else None


@pytest.fixture
def exporter() -> FakeExporter:
    return FakeExporter()


@pytest.fixture
def environments(tmp_path: Path) -> FakeEnvironments:
    return FakeEnvironments(tmp_path)


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def preparer(tmp_path: Path, exporter: FakeExporter, environments: FakeEnvironments, lines: list[str]) -> Preparer:
    return Preparer(
        tmp_path,
        exporter,
        lambda release, text: lines.append(f"{release.name} {text}"),
        environments=environments,
        backoff=Backoff(first=0.001, longest=0.004),
    )


@pytest.fixture
def reports() -> list[Preparation]:
    return []


class TestPrepare:
    """From recipe to what can be launched."""

    async def test_gathers_layout_environment_and_notes(
        self, preparer: Preparer, reports: list[Preparation], lines: list[str]
    ) -> None:
        prepared = await preparer.prepare(RELEASE, RECIPE, reports.append)
        assert (prepared.layout.model_dir / "weights.txt").read_bytes() == b"42"
        assert prepared.notes == (("PythonVersionNotFound", "3.10 is used"),)
        assert prepared.launch(4001).argv[0] == "/env/bin/python"
        assert [report.message for report in reports] == [
            "materialising model m:1 from models/weights.txt and code from src",
            "resolving 1 requirements",
        ]
        assert {report.stage for report in reports} == {Stage.PREPARING}
        assert [line.split(" ", 2)[2] for line in lines][-2] == "PythonVersionNotFound: 3.10 is used"
        assert "inline in blue.yml" in lines[-1]

    async def test_goes_on_trying_while_the_world_is_away(
        self, preparer: Preparer, exporter: FakeExporter, environments: FakeEnvironments, reports: list[Preparation]
    ) -> None:
        exporter.faults = [OSError(errno.ENOSPC, "full"), OSError(errno.ENOSPC, "full")]
        environments.faults = [WorldError("RegistryUnavailable", "pypi.org is away")]
        await preparer.prepare(RELEASE, RECIPE, reports.append)
        failed = [(report.reason, report.blame) for report in reports if report.stage is Stage.FAILED]
        assert failed == [
            ("DiskFull", Blame.WORLD),
            ("DiskFull", Blame.WORLD),
            ("RegistryUnavailable", Blame.WORLD),
        ]
        assert sorted(exporter.exported) == [CODE.oid, MODEL.oid]

    async def test_a_wrong_release_is_not_tried_again(
        self, preparer: Preparer, environments: FakeEnvironments, lines: list[str], reports: list[Preparation]
    ) -> None:
        environments.faults = [ReleaseError("EnvironmentBuildFailed", "no such package")]
        with pytest.raises(StalledError, match="no such package"):
            await preparer.prepare(RELEASE, RECIPE, reports.append)
        assert "EnvironmentBuildFailed: no such package" in lines[-1]

    async def test_what_the_source_refuses_is_told(
        self, preparer: Preparer, exporter: FakeExporter, lines: list[str], reports: list[Preparation]
    ) -> None:
        exporter.refusal = StalledError("src is a Git LFS pointer")
        with pytest.raises(StalledError, match="LFS"):
            await preparer.prepare(RELEASE, RECIPE, reports.append)
        assert "PreparationFailed: src is a Git LFS pointer" in lines[-1]

    @pytest.mark.parametrize("server", [Server.CONTAINER, Server.TRITON])
    async def test_containers_are_refused_by_name(
        self, preparer: Preparer, server: Server, reports: list[Preparation]
    ) -> None:
        with pytest.raises(ReleaseError, match="name packages by `conda_file`"):
            await preparer.prepare(RELEASE, dataclasses.replace(RECIPE, server=server), reports.append)
        assert reports == []

    async def test_cancelling_ends_it(
        self, preparer: Preparer, environments: FakeEnvironments, reports: list[Preparation]
    ) -> None:
        environments.hang = True
        task = asyncio.create_task(preparer.prepare(RELEASE, RECIPE, reports.append))
        await environments.begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_the_next_process_makes_nothing_again(
        self, preparer: Preparer, tmp_path: Path, exporter: FakeExporter, environments: FakeEnvironments
    ) -> None:
        first = await preparer.prepare(RELEASE, RECIPE, lambda _: None)
        again = Preparer(tmp_path, exporter, lambda _release, _text: None, environments=environments)
        assert await again.prepare(RELEASE, RECIPE, lambda _: None) == first
        assert sorted(exporter.exported) == [CODE.oid, MODEL.oid]

    async def test_check_notices_what_is_gone(self, preparer: Preparer, environments: FakeEnvironments) -> None:
        prepared = await preparer.prepare(RELEASE, RECIPE, lambda _: None)
        assert await preparer.check(prepared)
        (prepared.layout.app_root / "score.py").unlink()
        assert not await preparer.check(prepared)
        assert await preparer.prepare(RELEASE, RECIPE, lambda _: None) == prepared
        assert await preparer.check(prepared)
        environments.there.clear()
        assert not await preparer.check(prepared)

    async def test_forget_and_collect(self, preparer: Preparer, tmp_path: Path) -> None:
        other = dataclasses.replace(RECIPE, model=None)
        await preparer.prepare(RELEASE, RECIPE, lambda _: None)
        await preparer.prepare(OTHER, other, lambda _: None)
        await preparer.forget(RELEASE, RECIPE)
        assert not (tmp_path / "releases/shop" / RELEASE.name).exists()
        assert (tmp_path / "artifacts" / MODEL.oid).exists()
        await preparer.collect({OTHER: other})
        assert {path.name for path in (tmp_path / "artifacts").iterdir()} == {CODE.oid}
        assert [path.name for path in (tmp_path / "releases/shop").iterdir()] == [OTHER.name]

    async def test_a_release_whose_requirements_are_refused_does_not_stop_the_clean_up(
        self, preparer: Preparer, tmp_path: Path
    ) -> None:
        await preparer.prepare(RELEASE, RECIPE, lambda _: None)
        refused = dataclasses.replace(
            RECIPE,
            model=None,
            environment=dataclasses.replace(RECIPE.environment, requirements=("--no/requirement",)),
        )
        await preparer.collect({OTHER: refused})
        assert {path.name for path in (tmp_path / "artifacts").iterdir()} == {CODE.oid}
        assert not (tmp_path / "releases/shop" / RELEASE.name).exists()

    def test_the_waits_grow_and_are_bounded(self) -> None:
        backoff = Backoff()
        assert [backoff.after(attempt) for attempt in (1, 2, 3, 7, 5000)] == [5.0, 10.0, 20.0, 300.0, 300.0]


class Served(Protocol):
    """A model server as a child process (see conftest)."""

    def ask(self, path: str, body: object = None, **headers: str) -> httpx.Response: ...
    def ready(self) -> "Served": ...


@pytest.mark.real
async def test_a_prepared_release_scores(
    tmp_path: Path, exporter: FakeExporter, serve: Callable[[Callable[[int], Launch]], Served]
) -> None:
    reports: list[Preparation] = []
    preparer = Preparer(tmp_path, exporter, lambda _release, _text: None)
    prepared = await preparer.prepare(RELEASE, RECIPE, reports.append)
    served = await asyncio.to_thread(lambda: serve(prepared.launch).ready())
    assert (await asyncio.to_thread(served.ask, "/score", {})).json() == "42"
    assert any(report.message.startswith("installing ") for report in reports)

    shutil.rmtree(tmp_path / "environments")
    shutil.rmtree(tmp_path / "releases")
    reports.clear()
    again = await preparer.prepare(RELEASE, RECIPE, reports.append)
    assert not any("resolving" in report.message for report in reports)
    revived = await asyncio.to_thread(lambda: serve(again.launch).ready())
    assert (await asyncio.to_thread(revived.ask, "/score", {})).json() == "42"
