"""Artifacts on disk: what is laid out, and what a hostile tree or a bad disk meets."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from forge.export import Exporter, ExportLimits
from forge.git import Git
from forge.lfs import LfsStore, parse_pointer
from forge.location import parse_location
from forge.source import GitSource
from spec.errors import StalledError, TransientError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from forge.objects import Objects
    from tests.forge.conftest import Repository


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
async def source(repository: Repository, folder: Path) -> AsyncIterator[GitSource]:
    repository.commit({"first": "1"})
    source = GitSource(str(repository.path), mirror=folder / "git")
    watch = source.watch()
    await anext(watch)
    yield source
    await source.close()
    await watch.aclose()  # type: ignore[attr-defined]


def test_a_directory_is_laid_out_whole(source: GitSource, repository: Repository, folder: Path) -> None:
    large = os.urandom(3_000_000)
    repository.write("model/run.sh", "#!/bin/sh\n")
    (repository.path / "model/run.sh").chmod(0o755)
    repository.write("model/weights/w.bin", large)
    repository.write("model/empty", "")
    (repository.path / "model/weights/latest").symlink_to("w.bin")
    (repository.path / "model/up").symlink_to("weights/../empty")
    repository.commit({".gitattributes": "* filter=evil\n*.sh text eol=crlf ident\n"})
    target = folder / "out" / "model"
    source.export(repository.git("rev-parse", "HEAD:model"), "directory", target)
    assert sorted(path.relative_to(target).as_posix() for path in target.rglob("*")) == [
        "empty", "run.sh", "up", "weights", "weights/latest", "weights/w.bin",
    ]  # fmt: skip
    assert (target / "weights" / "latest").read_bytes() == large
    assert (target / "run.sh").read_bytes() == b"#!/bin/sh\n"
    assert (target / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (target / "empty").stat().st_mode & 0o777 == 0o644
    assert listing(folder / "out") == ["model"]


def test_a_file_is_laid_out_and_a_second_export_changes_nothing(
    source: GitSource, repository: Repository, folder: Path
) -> None:
    oid = repository.hash(b"weights")
    source.export(oid, "file", folder / "out" / "model.pkl")
    source.export("0" * 40, "file", folder / "out" / "model.pkl")
    assert (folder / "out" / "model.pkl").read_bytes() == b"weights"


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "sub/../../outside", "..", ""])
def test_a_symlink_that_leaves_its_directory_is_refused(
    source: GitSource, repository: Repository, folder: Path, target: str
) -> None:
    tree = repository.raw_tree(("120000", b"link", repository.hash(target.encode())))
    with pytest.raises(StalledError, match="link is a symlink"):
        source.export(tree, "directory", folder / "out" / "d")
    assert listing(folder / "out") == []


def test_a_symlink_that_leaves_by_way_of_another_is_refused(
    source: GitSource, repository: Repository, folder: Path
) -> None:
    deep = repository.raw_tree(("100644", b"f", repository.hash(b"")))
    tree = repository.raw_tree(
        ("40000", b"a", repository.raw_tree(("40000", b"b", deep))),
        ("120000", b"x", repository.hash(b"y/../../out")),
        ("120000", b"y", repository.hash(b".")),
    )
    with pytest.raises(StalledError, match="symlink that leaves"):
        source.export(tree, "directory", folder / "out" / "d")


@pytest.mark.parametrize("name", [b"..", b".", b".git", b".GIT", b"a/b", b"a\nb", b"\xff", b""])
def test_names_that_could_do_harm_are_refused(
    source: GitSource, repository: Repository, folder: Path, name: bytes
) -> None:
    inner = repository.raw_tree(("100644", b"evil", repository.hash(b"x")))
    tree = repository.raw_tree(("40000", name, inner))
    with pytest.raises(StalledError, match="cannot be laid out"):
        source.export(tree, "directory", folder / "out" / "d")
    assert listing(folder / "out") == []


def test_nothing_is_written_through_a_symlink_of_the_same_name(
    source: GitSource, repository: Repository, folder: Path
) -> None:
    (folder / "victim").mkdir()
    link = repository.hash(str(folder / "victim").encode())
    inner = repository.raw_tree(("100644", b"evil", repository.hash(b"x")))
    tree = repository.raw_tree(("120000", b"d", link), ("40000", b"d", inner))
    with pytest.raises(StalledError, match=r"same name twice|symlink"):
        source.export(tree, "directory", folder / "out" / "d")
    assert listing(folder / "victim") == []


def test_a_submodule_is_refused_by_name(source: GitSource, repository: Repository, folder: Path) -> None:
    tree = repository.raw_tree(("160000", b"vendor", repository.head))
    with pytest.raises(StalledError, match="vendor is a submodule"):
        source.export(tree, "directory", folder / "out" / "d")


def test_limits_refuse_with_the_largest_named(repository: Repository, source: GitSource, folder: Path) -> None:
    repository.commit({"m/small": "1", "m/large": "x" * 5000})
    tree = repository.git("rev-parse", "HEAD:m")
    objects = source._origin.mirror.new_reader()  # type: ignore[union-attr]  # noqa: SLF001
    with pytest.raises(StalledError, match="largest: large"):
        Exporter(objects, None, ExportLimits(size=1000)).export(tree, "directory", folder / "a")
    with pytest.raises(StalledError, match="More than 1 entries"):
        Exporter(objects, None, ExportLimits(entries=1)).export(tree, "directory", folder / "b")
    objects.close()
    assert not (folder / "a").exists()


def test_a_full_disk_is_transient_and_leaves_nothing(
    source: GitSource, repository: Repository, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit({"m/large": "x" * 3_000_000})
    tree = repository.git("rev-parse", "HEAD:m")
    reference = folder / "out" / "d"

    def full(objects: Objects, oid: str, target: Path) -> None:
        with target.open("xb") as file, Path("/dev/full").open("wb", buffering=0) as device:
            objects.copy(oid, lambda chunk: (file.write(chunk), device.write(chunk)))

    with monkeypatch.context() as patch:
        patch.setattr("forge.export._copy", full)
        with pytest.raises(TransientError, match="disk is full"):
            source.export(tree, "directory", reference)
    assert listing(folder / "out") == []
    source.export(tree, "directory", reference)
    assert (reference / "large").stat().st_size == 3_000_000


def test_an_object_that_is_gone_is_transient(source: GitSource, folder: Path) -> None:
    with pytest.raises(TransientError, match="missing or damaged"):
        source.export("1" * 40, "directory", folder / "out" / "d")


def test_two_exports_at_once_agree(source: GitSource, repository: Repository, folder: Path) -> None:
    repository.commit({f"m/{number}": str(number) * 2000 for number in range(200)})
    tree = repository.git("rev-parse", "HEAD:m")
    errors: list[Exception] = []

    def export() -> None:
        try:
            source.export(tree, "directory", folder / "out" / "d")
        except Exception as error:  # noqa: BLE001 (handed to the test's thread)
            errors.append(error)

    threads = [threading.Thread(target=export) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert listing(folder / "out") == ["d"]
    assert len(listing(folder / "out" / "d")) == 200


def pointer(content: bytes, size: int | None = None) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    wanted = len(content) if size is None else size
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {wanted}\n".encode()


def test_an_lfs_pointer_without_its_object_is_never_handed_on(
    source: GitSource, repository: Repository, folder: Path
) -> None:
    repository.commit({"m/model.bin": pointer(b"weights")})
    with pytest.raises(StalledError, match=r"model\.bin is a Git LFS pointer.*git lfs pull"):
        source.export(repository.git("rev-parse", "HEAD:m"), "directory", folder / "out" / "d")
    assert listing(folder / "out") == []


@pytest.mark.parametrize(("kind", "path"), [("directory", "models/m"), ("file", "models/m/model.bin")])
def test_what_is_refused_is_called_by_its_path_in_the_repository(
    source: GitSource, repository: Repository, folder: Path, kind: Literal["directory", "file"], path: str
) -> None:
    repository.commit({"models/m/model.bin": pointer(b"weights")})
    oid = repository.git("rev-parse", f"HEAD:{path}")
    with pytest.raises(StalledError, match=r"^models/m/model\.bin is a Git LFS pointer"):
        source.export(oid, kind, folder / "out" / "d", path)


def test_a_path_moves_nothing(source: GitSource, repository: Repository, folder: Path) -> None:
    repository.write("models/m/a/models/m/deep", "1")
    (repository.path / "models/m/a/link").symlink_to("models/m/deep")
    repository.commit({"models/m/top": "2"})
    source.export(repository.git("rev-parse", "HEAD:models/m"), "directory", folder / "out", "models/m")
    found = {path.relative_to(folder / "out").as_posix() for path in (folder / "out").rglob("*")}
    assert found == {"top", "a", "a/link", "a/models", "a/models/m", "a/models/m/deep"}
    assert (folder / "out/a/link").read_bytes() == b"1"


def test_an_lfs_object_of_the_repository_is_used_and_verified(
    source: GitSource, repository: Repository, folder: Path
) -> None:
    content = b"weights" * 100_000
    digest = hashlib.sha256(content).hexdigest()
    store = repository.path / ".git" / "lfs" / "objects" / digest[:2] / digest[2:4]
    store.mkdir(parents=True)
    (store / digest).write_bytes(content)
    oid = repository.hash(pointer(content))
    source.export(oid, "file", folder / "good")
    assert (folder / "good").read_bytes() == content
    (store / digest).write_bytes(b"tampered")
    with pytest.raises(StalledError, match="not what the pointer says"):
        source.export(oid, "file", folder / "bad")
    assert not (folder / "bad").exists()


@pytest.fixture
def remote_store(repository: Repository) -> LfsStore:
    location = parse_location("https://127.0.0.1:9/x.git")
    return LfsStore(Git(location), repository.path / ".git", url=location.target)


def test_a_remote_pointer_without_git_lfs_names_the_file(
    remote_store: LfsStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forge.lfs.shutil.which", lambda _: None)
    found = parse_pointer(pointer(b"weights"))
    assert found is not None
    with pytest.raises(StalledError, match=r"m/model\.bin is a Git LFS pointer: install git-lfs"):
        remote_store.fetch(found, "m/model.bin", folder / "out")


@pytest.mark.parametrize(
    ("sent", "error"),
    [(b"weights", None), (b"weightz", StalledError), (b"weights and more", StalledError), (None, TransientError)],
)
def test_what_git_lfs_brings_is_verified(
    remote_store: LfsStore,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    sent: bytes | None,
    error: type[Exception] | None,
) -> None:
    # A program in git-lfs's place: its answers are what is varied here.
    program = folder / "bin" / "git-lfs"
    program.parent.mkdir()
    (folder / "sent").write_bytes(sent or b"")
    program.write_text(f"#!/bin/sh\ncat >/dev/null\ncat {folder}/sent\nexit {1 if sent is None else 0}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    found = parse_pointer(pointer(b"weights"))
    assert found is not None
    if error is None:
        remote_store.fetch(found, "model.bin", folder / "out")
        assert (folder / "out").read_bytes() == b"weights"
        return
    with pytest.raises(error, match=r"model\.bin"):
        remote_store.fetch(found, "model.bin", folder / "out")


def test_only_a_pointer_is_taken_for_one() -> None:
    assert parse_pointer(b"version https://git-lfs.github.com/spec/v1\n") is None
    assert parse_pointer(b"x" + pointer(b"")) is None
    assert parse_pointer(pointer(b"") + b" " * 1024) is None
