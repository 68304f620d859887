"""Following uncommitted edits, and reading directories for `validate`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from forge.directory import DirectoryFiles, open_directory, open_revision
from forge.source import GitSource
from spec.errors import HeadgateError, StalledError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.forge.conftest import Follower, Repository


async def test_edits_new_files_and_deletions_are_seen_before_they_are_committed(
    repository: Repository, follow: Callable[..., Follower]
) -> None:
    commit = repository.commit({"a.yml": "1", "b.yml": "1", ".gitignore": "*.log\n", "tracked.txt": "1"})
    index = (repository.path / ".git" / "index").read_bytes()
    follower = follow(repository.path, worktree=True, poll_seconds=600)
    clean = await follower.next()
    assert clean.snapshot.commit == commit
    repository.write("a.yml", "2")
    repository.write("sub/c.yml", "new")
    repository.write("noise.log", "ignored")
    (repository.path / "b.yml").unlink()
    changed: set[str] = set()
    while changed != {"a.yml", "b.yml", "sub/c.yml"}:
        edited = await follower.next()
        assert edited.changes is not None
        changed |= edited.changes.paths
    assert edited.snapshot.commit == f"{commit}+{edited.snapshot.tree[:12]}"
    files = edited.snapshot.files
    assert sorted(files.entries()) == [".gitignore", "a.yml", "sub/c.yml", "tracked.txt"]
    assert files.read(files.entries()["a.yml"]) == b"2"
    assert (repository.path / ".git" / "index").read_bytes() == index
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "-m", "Edits")
    committed = await follower.until(repository.head)
    assert committed.snapshot.tree == repository.git("rev-parse", "HEAD^{tree}")
    assert committed.changes is not None
    assert committed.changes.paths == frozenset()


async def test_a_working_copy_without_a_commit_and_an_export_of_its_edits(
    folder: Path, repository: Repository, follow: Callable[..., Follower]
) -> None:
    repository.write("m/model.bin", b"weights")
    follower = follow(repository.path, worktree=True)
    snapshot = (await follower.next()).snapshot
    assert snapshot.commit == "0" * 40 + "+" + snapshot.tree[:12]
    directory = snapshot.files.directory("m")
    assert directory is not None
    follower.source.export(directory.oid, "directory", folder / "out")
    assert (folder / "out" / "model.bin").read_bytes() == b"weights"


async def test_a_sub_path_and_info_exclude_hold_for_edits_too(
    repository: Repository, follow: Callable[..., Follower]
) -> None:
    repository.commit({"prod/a.yml": "1"})
    exclude = repository.path / ".git" / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    exclude.write_text("secret.env\n")
    repository.write("prod/secret.env", "x")
    repository.write("prod/b.yml", "x")
    files = (await follow(repository.path, worktree=True, path="prod").next()).snapshot.files
    assert sorted(files.entries()) == ["a.yml", "b.yml"]


async def test_filters_of_the_operator_do_not_change_what_edits_are_read_as(
    folder: Path, repository: Repository, follow: Callable[..., Follower], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = folder / "gitconfig"
    config.write_text('[filter "lfs"]\n\tclean = echo pointer\n\trequired = true\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    repository.write(".gitattributes", "*.bin filter=lfs\n")
    repository.write("model.bin", b"weights")
    files = (await follow(repository.path, worktree=True, operator_config=True).next()).snapshot.files
    assert files.read(files.entries()["model.bin"]) == b"weights"


async def test_what_has_no_edits_is_refused(
    folder: Path, repository: Repository, follow: Callable[..., Follower]
) -> None:
    with pytest.raises(StalledError, match="remote"):
        GitSource("https://example.org/x.git", worktree=True, mirror=folder / "git")
    with pytest.raises(StalledError, match="no other ref"):
        GitSource(str(repository.path), worktree=True, ref="main", mirror=folder / "git")
    repository.git("clone", "--quiet", "--bare", ".", str(folder / "bare.git"))
    assert "bare repository" in await follow(folder / "bare.git", worktree=True).problem()


def test_a_directory_of_a_working_copy_has_git_s_own_ids(repository: Repository) -> None:
    repository.commit({"a.yml": "1", "d/x/y.yml": "2", "d/z.sh": "3", "d.txt": "4", "gone.yml": "5"})
    (repository.path / "d/z.sh").chmod(0o755)
    (repository.path / "d/link").symlink_to("x/y.yml")
    (repository.path / "gone.yml").unlink()
    repository.write("untracked.yml", "6")
    repository.write(".gitignore", "ignored*\n")
    repository.write("ignored.yml", "7")
    files = open_directory(repository.path)
    repository.git("add", "--all")
    tree = repository.git("write-tree")
    listed = repository.git("ls-tree", "-r", "-z", "--name-only", tree).split("\0")
    assert sorted(files.entries()) == sorted(name for name in listed if name)
    for path, folder in (("", tree), ("d", f"{tree}:d"), ("d/x/", f"{tree}:d/x")):
        directory = files.directory(path)
        assert directory is not None
        assert directory.oid == repository.git("rev-parse", folder)
    assert files.directory("a.yml") is None
    assert files.entries()["d/z.sh"].kind == "executable"
    assert files.read(files.entries()["d/link"]) == b"x/y.yml"
    below = open_directory(repository.path / "d")
    assert sorted(below.entries()) == ["link", "x/y.yml", "z.sh"]


def test_a_plain_folder_is_read_without_following_symlinks(folder: Path) -> None:
    outside = folder / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    plain = folder / "plain"
    (plain / "sub").mkdir(parents=True)
    (plain / "sub" / "a.yml").write_text("1")
    (plain / "link").symlink_to(outside)
    (plain / "bell\x07").write_text("x")
    os.mkfifo(plain / "pipe")
    with (plain / "huge.bin").open("wb") as file:
        file.truncate(100 * 1024**2)
    files = open_directory(plain)
    assert isinstance(files, DirectoryFiles)
    assert sorted(files.entries()) == ["huge.bin", "link", "sub/a.yml"]
    assert files.entries()["link"].kind == "symlink"
    assert [problem.file for problem in files.problems()] == ["bell\\x07"]
    with pytest.raises(OSError, match="104,857,600 bytes"):
        files.read(files.entries()["huge.bin"])
    entry = files.entries()["sub/a.yml"]
    (plain / "sub" / "a.yml").unlink()
    (plain / "sub" / "a.yml").symlink_to(outside / "secret")
    with pytest.raises(OSError, match="Too many levels"):
        files.read(entry)


def test_a_tracked_file_below_what_is_a_symlink_now_is_gone(folder: Path, repository: Repository) -> None:
    repository.commit({"d/secret": "1", "a.yml": "1"})
    (repository.path / "d" / "secret").unlink()
    (repository.path / "d").rmdir()
    outside = folder / "outside"
    outside.mkdir()
    (outside / "secret").write_text("private")
    (repository.path / "d").symlink_to(outside)
    files = open_directory(repository.path)
    assert {path: entry.kind for path, entry in files.entries().items()} == {"a.yml": "file", "d": "symlink"}


def test_one_revision_of_a_repository_is_opened(folder: Path, repository: Repository) -> None:
    first = repository.commit({"a.yml": "1"})
    repository.commit({"a.yml": "2"})
    with_parent = open_revision(repository.path, "main~1")
    assert with_parent.commit.oid == first
    assert with_parent.read(with_parent.entries()["a.yml"]) == b"1"
    with_parent.close()
    repository.git("clone", "--quiet", "--bare", ".", str(folder / "bare.git"))
    bare = open_directory(folder / "bare.git")
    assert bare.read(bare.entries()["a.yml"]) == b"2"
    bare.close()  # type: ignore[attr-defined]
    for revision in ("nonsense", "--help", "main\nHEAD", "main:a.yml"):
        with pytest.raises(HeadgateError, match="no revision"):
            open_revision(repository.path, revision)
    with pytest.raises(HeadgateError, match="not a Git repository"):
        open_revision(folder, "HEAD")
    with pytest.raises(StalledError, match="not a directory"):
        open_directory(folder / "missing")
