"""The artifact store and the layout of releases, on a fake exporter."""

import errno
import json
import os
import threading
import time
from pathlib import Path
from typing import Literal

import pytest

from runtime.artifacts import Artifacts
from runtime.fault import ReleaseError, WorldError
from runtime.layouts import LINK_FROM, Layouts
from spec.release import Artifact, Code, Environment, InstanceType, Model, Recipe, ReleaseRef, Server

RELEASE = ReleaseRef("shop", "blue", "3f2a9c41d0e7")
CODE = Artifact("c" * 40, "directory", "repo/src/onlinescoring")
MODEL = Artifact("d" * 40, "directory", "models/model-1")
WEIGHTS = Artifact("e" * 40, "file", "models/weights.bin")


class FakeExporter:
    """Writes what it holds; counts what it was asked for."""

    def __init__(self) -> None:
        self.trees: dict[str, dict[str, bytes]] = {
            CODE.oid: {"score.py": b"def init(): ...", "lib/helper.py": b"x = 1"},
            MODEL.oid: {"model.pkl": b"weights"},
            WEIGHTS.oid: {"": b"w" * 10},
        }
        self.links: dict[str, str] = {}
        self.exported: list[str] = []
        self.fault: OSError | None = None
        self.delay = 0.0

    def export(self, oid: str, kind: Literal["file", "directory"], destination: Path, _path: str) -> None:
        self.exported.append(oid)
        time.sleep(self.delay)
        for path, data in self.trees[oid].items():
            file = destination / path if path else destination
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            if self.fault is not None:
                raise self.fault
        assert destination.is_dir() == (kind == "directory")
        for path, target in self.links.items():
            (destination / path).symlink_to(target)


@pytest.fixture
def exporter() -> FakeExporter:
    return FakeExporter()


@pytest.fixture
def store(tmp_path: Path, exporter: FakeExporter) -> Artifacts:
    return Artifacts(tmp_path / "artifacts", exporter)


def recipe(model: Artifact | None = MODEL, server: Server = Server.INFERENCE_SERVER) -> Recipe:
    return Recipe(
        server=server,
        runtime="process",
        environment=Environment("inline"),
        instance_type=InstanceType("Standard_DS1_v2", 1, 2**30),
        model=Model("regression", "1", "custom_model", model) if model else None,
        code=Code(CODE, "score.py"),
    )


def listing(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


class TestArtifacts:
    """The store is complete or absent, read-only, and notices damage."""

    def test_materialises_once(self, store: Artifacts, exporter: FakeExporter) -> None:
        content = store.ensure(CODE)
        assert store.ensure(CODE) == content
        assert listing(content) == exporter.trees[CODE.oid]
        assert exporter.exported == [CODE.oid]
        assert [path.name for path in store.root.iterdir()] == [CODE.oid]

    def test_a_single_file(self, store: Artifacts) -> None:
        assert store.ensure(WEIGHTS).read_bytes() == b"w" * 10

    def test_is_read_only(self, store: Artifacts) -> None:
        content = store.ensure(CODE)
        modes = {path.stat().st_mode & 0o222 for path in (content, *content.rglob("*"))}
        assert modes == {0}

    @pytest.mark.parametrize("damage", ["edited", "removed", "manifest", "all"])
    def test_damage_is_noticed_and_mended(self, store: Artifacts, exporter: FakeExporter, damage: str) -> None:
        content = store.ensure(CODE)
        content.chmod(0o755)
        match damage:
            case "edited":
                (content / "score.py").chmod(0o644)
                (content / "score.py").write_bytes(b"something else")
            case "removed":
                (content / "score.py").unlink()
            case "manifest":
                (content.parent / "manifest.json").write_text("{")
            case _:
                os.rename(content.parent, content.parent.parent / "gone")  # noqa: PTH104 (a whole directory away)
        assert not store.check(CODE.oid)
        assert listing(store.ensure(CODE)) == exporter.trees[CODE.oid]
        assert store.check(CODE.oid)

    def test_concurrent_callers_do_one_job(self, store: Artifacts, exporter: FakeExporter) -> None:
        exporter.delay = 0.05
        threads = [threading.Thread(target=store.ensure, args=(CODE,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert exporter.exported == [CODE.oid]

    def test_a_full_disk_is_the_worlds_fault_and_leaves_nothing(
        self, store: Artifacts, exporter: FakeExporter
    ) -> None:
        exporter.fault = OSError(errno.ENOSPC, "No space left on device")
        with pytest.raises(WorldError, match="repo/src/onlinescoring cannot be laid out: the disk is full"):
            store.ensure(CODE)
        assert list(store.root.iterdir()) == []

    def test_an_unreadable_object_is_the_releases_fault(self, store: Artifacts, exporter: FakeExporter) -> None:
        exporter.fault = FileNotFoundError(errno.ENOENT, "missing object")
        with pytest.raises(ReleaseError, match="cannot be read or written") as caught:
            store.ensure(CODE)
        assert caught.value.reason == "ArtifactUnreadable"
        assert list(store.root.iterdir()) == []

    @pytest.mark.parametrize("target", ["/etc/passwd", "../../../secret", "lib/../../up"])
    def test_a_link_that_leaves_is_refused(self, store: Artifacts, exporter: FakeExporter, target: str) -> None:
        exporter.links = {"link": target}
        with pytest.raises(ReleaseError, match="leaves the artifact"):
            store.ensure(CODE)

    def test_a_link_within_is_kept(self, store: Artifacts, exporter: FakeExporter) -> None:
        exporter.links = {"alias.py": "lib/helper.py"}
        assert (store.ensure(CODE) / "alias.py").read_bytes() == b"x = 1"
        assert store.check(CODE.oid)

    def test_collect_keeps_what_is_live(self, store: Artifacts) -> None:
        store.ensure(CODE)
        store.ensure(MODEL)
        assert store.collect({MODEL.oid}) == [CODE.oid]
        assert store.check(MODEL.oid)
        assert not store.check(CODE.oid)

    def test_sweep_removes_what_a_crash_left(self, store: Artifacts) -> None:
        (store.root / ".partial-1" / "content").mkdir(parents=True)
        store.sweep()
        assert list(store.root.iterdir()) == []


class TestLayouts:
    """A release's directory is Azure's layout, its own, and put back when damaged."""

    @pytest.fixture
    def layouts(self, tmp_path: Path, store: Artifacts) -> Layouts:
        return Layouts(tmp_path, store)

    def test_a_directory_model_keeps_its_basename(self, layouts: Layouts, tmp_path: Path) -> None:
        layout = layouts.ensure(RELEASE, recipe())
        assert layout.model_dir == tmp_path / "releases/shop/blue@3f2a9c41d0e7/azureml-models/regression/1"
        assert (layout.model_dir / "model-1" / "model.pkl").read_bytes() == b"weights"

    def test_a_file_model_lies_directly_in_it(self, layouts: Layouts) -> None:
        layout = layouts.ensure(RELEASE, recipe(WEIGHTS))
        assert [path.name for path in layout.model_dir.iterdir()] == ["weights.bin"]

    def test_without_a_model_the_directory_exists(self, layouts: Layouts) -> None:
        assert layouts.ensure(RELEASE, recipe(None)).model_dir.is_dir()

    def test_code_lies_below_its_basename(self, layouts: Layouts) -> None:
        layout = layouts.ensure(RELEASE, recipe())
        assert layout.app_root.name == "onlinescoring"
        assert (layout.app_root / "lib" / "helper.py").is_file()

    def test_the_repository_root_as_code(self, layouts: Layouts, exporter: FakeExporter) -> None:
        exporter.trees["f" * 40] = {"score.py": b""}
        root = Code(Artifact("f" * 40, "directory", ""), "score.py")
        layout = layouts.ensure(RELEASE, Recipe(**{**_fields(recipe()), "code": root}))
        assert (layout.app_root / "score.py").is_file()
        assert layout.app_root.name == "code"

    def test_user_code_cannot_reach_the_store(self, layouts: Layouts, store: Artifacts) -> None:
        layout = layouts.ensure(RELEASE, recipe())
        (layout.app_root / "score.py").write_bytes(b"overwritten")
        assert store.check(CODE.oid)

    def test_large_files_are_linked_where_they_cannot_be_cloned(
        self, layouts: Layouts, exporter: FakeExporter, store: Artifacts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("runtime.layouts._clone", lambda _source, _target: False)
        exporter.trees[WEIGHTS.oid] = {"": b"\0" * LINK_FROM}
        placed = layouts.ensure(RELEASE, recipe(WEIGHTS)).model_dir / "weights.bin"
        assert placed.samefile(store.content(WEIGHTS.oid))
        assert not placed.stat().st_mode & 0o222

    def test_replicas_share_and_a_second_ensure_changes_nothing(
        self, layouts: Layouts, exporter: FakeExporter
    ) -> None:
        before = layouts.ensure(RELEASE, recipe())
        stamps = {path: path.stat().st_ino for path in before.root.rglob("*")}
        assert layouts.ensure(RELEASE, recipe()) == before
        assert {path: path.stat().st_ino for path in before.root.rglob("*")} == stamps
        assert sorted(exporter.exported) == sorted([CODE.oid, MODEL.oid])

    def test_a_deleted_or_edited_file_comes_back(self, layouts: Layouts) -> None:
        layout = layouts.ensure(RELEASE, recipe())
        (layout.model_dir / "model-1" / "model.pkl").unlink()
        (layout.app_root / "score.py").write_bytes(b"edited by hand")
        (layout.app_root / "cache.txt").write_bytes(b"the replica's own")
        assert layouts.damaged(RELEASE, recipe())
        layouts.ensure(RELEASE, recipe())
        assert layouts.damaged(RELEASE, recipe()) is None
        assert (layout.app_root / "score.py").read_bytes() == b"def init(): ..."
        assert (layout.app_root / "cache.txt").exists()

    def test_a_crash_before_the_marker_is_mended(self, layouts: Layouts) -> None:
        layout = layouts.ensure(RELEASE, recipe())
        (layout.root / "layout.json").unlink()
        (layout.app_root / "score.py").write_bytes(b"half")
        layouts.ensure(RELEASE, recipe())
        assert (layout.app_root / "score.py").read_bytes() == b"def init(): ..."

    def test_an_mlflow_release_runs_headgates_script(self, layouts: Layouts) -> None:
        layout = layouts.ensure(RELEASE, recipe(server=Server.MLFLOW))
        assert layout.app_root == layout.server
        assert (layout.server / "mlflow_score.py").is_file()

    def test_temp_is_short_and_private(self, layouts: Layouts, tmp_path: Path) -> None:
        layout = layouts.ensure(RELEASE, recipe())
        assert len(str(layout.temp)) <= len(str(tmp_path)) + 17
        assert {path.stat().st_mode & 0o777 for path in (layout.temp, layout.home)} == {0o700}

    def test_remove_and_collect(self, layouts: Layouts, store: Artifacts) -> None:
        other = ReleaseRef("shop", "green", "000000000000")
        first, second = layouts.ensure(RELEASE, recipe()), layouts.ensure(other, recipe())
        assert layouts.collect({RELEASE}) == [second.root]
        assert first.root.is_dir()
        assert first.temp.is_dir()
        assert not second.temp.exists()
        layouts.remove(RELEASE, recipe())
        assert not first.root.exists()
        assert not first.temp.exists()
        assert store.check(CODE.oid)

    def test_the_manifest_names_every_file(self, layouts: Layouts) -> None:
        layout = layouts.ensure(RELEASE, recipe())
        assert set(json.loads((layout.root / "layout.json").read_text())) == {
            "azureml-models/regression/1/model-1/model.pkl",
            "azureml-app/onlinescoring/score.py",
            "azureml-app/onlinescoring/lib/helper.py",
        }


def _fields(recipe: Recipe) -> dict[str, object]:
    return {name: getattr(recipe, name) for name in Recipe.__dataclass_fields__}
