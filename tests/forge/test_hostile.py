"""What a hostile repository tries, and that nothing of it runs, leaks or stops the honest rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

from forge.directory import open_directory, open_revision
from forge.git import check_version, explain
from forge.location import mask
from forge.source import GitSource
from forge.tree import TreeFiles
from spec.errors import StalledError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.forge.conftest import Follower, Repository


def arm(repository: Repository, canary: Path) -> None:
    """Make every program hook of a repository's configuration write the canary."""
    script = repository.path / "evil.sh"
    script.write_text(f"#!/bin/sh\necho ran >> {canary}\nexit 0\n")
    script.chmod(0o755)
    hooks = repository.path / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "reference-transaction", "pre-auto-gc", "post-checkout", "pre-commit"):
        (hooks / name).write_text(script.read_text())
        (hooks / name).chmod(0o755)
    for key in (
        "core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.askPass", "core.alternateRefsCommand",
        "filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.textconv", "diff.external",
        "credential.helper", "uploadpack.packObjectsHook", "core.gitProxy", "gpg.program",
    ):  # fmt: skip
        repository.git("config", key, str(script))
    repository.git("config", "remote.origin.url", f"ext::{script}")
    repository.git("config", "remote.origin.promisor", "true")
    repository.git("config", "remote.origin.uploadpack", str(script))
    repository.git("config", "extensions.partialClone", "origin")
    repository.git("config", "core.repositoryFormatVersion", "1")


@pytest.mark.parametrize("worktree", [False, True])
async def test_programs_named_by_the_repository_never_run(
    folder: Path, repository: Repository, follow: Callable[..., Follower], *, worktree: bool
) -> None:
    repository.commit({"a.yml": "1", ".gitattributes": "* filter=evil diff=evil\n", "m/model": "x"})
    canary = folder / "canary"
    arm(repository, canary)
    follower = follow(repository.path, worktree=worktree)
    snapshot = (await follower.next()).snapshot
    repository.write("a.yml", "2")
    entries = snapshot.files.entries()
    assert snapshot.files.read(entries["a.yml"]) == b"1"
    directory = snapshot.files.directory("m")
    assert directory is not None
    follower.source.export(directory.oid, "directory", folder / "out")
    await follower.source.sync()
    assert open_directory(repository.path).entries().keys() >= {"a.yml", "m/model"}
    revision = open_revision(repository.path, "HEAD")
    assert revision.read(revision.entries()["a.yml"]) == b"1"
    revision.close()
    blob = repository.path / ".git" / "objects" / entries["m/model"].oid[:2] / entries["m/model"].oid[2:]
    blob.unlink()
    with pytest.raises(OSError, match="missing"):
        snapshot.files.read(entries["m/model"])
    assert not canary.exists()


async def test_bad_names_are_left_out_and_reported_and_the_rest_is_read(
    repository: Repository, follow: Callable[..., Follower]
) -> None:
    blob = repository.hash(b"x")
    inner = repository.raw_tree(("100644", b"evil", blob))
    tree = repository.raw_tree(
        ("40000", b"..", inner),
        ("40000", b".git", inner),
        ("100644", b"../up.yml", blob),
        ("100644", b"bell\x07.yml", blob),
        ("100644", b"good.yml", blob),
        ("100644", b"latin\xe9.yml", blob),
        ("120000", b"link.yml", repository.hash(b"/etc/passwd")),
        ("160000", b"module", "1" * 40),
    )
    repository.commit_tree(tree)
    follower = follow(repository.path)
    files = (await follower.next()).snapshot.files
    assert isinstance(files, TreeFiles)
    entries = files.entries()
    assert {path: entry.kind for path, entry in entries.items()} == {
        "good.yml": "file", "link.yml": "symlink", "module": "submodule",
    }  # fmt: skip
    assert files.read(entries["link.yml"]) == b"/etc/passwd"
    with pytest.raises(OSError, match="submodule"):
        files.read(entries["module"])
    problems = {problem.file: problem.message for problem in files.problems()}
    assert len(problems) == 5
    assert all("\x07" not in text and "\n" not in text for text in problems)
    assert "control characters" in problems["bell\\x07.yml"]
    assert "not UTF-8" in problems["latin\\xe9.yml"]
    assert files.directory("..") is None
    assert files.directory(".git") is None
    repository.commit_tree(repository.raw_tree(("100644", b"good.yml", blob)))
    files = (await follower.next()).snapshot.files
    assert isinstance(files, TreeFiles)
    assert list(files.entries()) == ["good.yml"]
    assert files.problems() == ()


@pytest.mark.slow
async def test_a_huge_blob_is_refused_by_its_size(repository: Repository, follow: Callable[..., Follower]) -> None:
    with (repository.path / "huge.yml").open("wb") as file:
        file.truncate(1024**3)
    repository.git("config", "core.bigFileThreshold", "1m")
    repository.commit({"good.yml": "1"})
    files = (await follow(repository.path).next()).snapshot.files
    entry = files.entries()["huge.yml"]
    before = psutil.Process().memory_info().rss
    assert entry.size == 1024**3
    with pytest.raises(OSError, match="1,073,741,824 bytes"):
        files.read(entry)
    assert psutil.Process().memory_info().rss - before < 50_000_000
    assert files.read(files.entries()["good.yml"]) == b"1"


@pytest.mark.slow
async def test_a_git_bomb_is_refused(repository: Repository, follow: Callable[..., Follower]) -> None:
    oid = repository.raw_tree(*(("100644", b"%d" % number, repository.hash(b"x")) for number in range(10)))
    for _ in range(8):
        oid = repository.raw_tree(*(("40000", b"d%d" % number, oid) for number in range(10)))
    repository.commit_tree(oid)
    assert "More than 200,000 entries" in await follow(repository.path).problem()


@pytest.mark.slow
async def test_directories_nested_too_deep_are_left_out(
    repository: Repository, follow: Callable[..., Follower]
) -> None:
    def nested(content: bytes) -> str:
        oid = repository.raw_tree(("100644", b"f", repository.hash(content)))
        for _ in range(1500):
            raw = b"40000 d\0" + bytes.fromhex(oid)
            oid = write_tree(repository, raw)
        return repository.raw_tree(("40000", b"d", oid), ("100644", b"good.yml", repository.hash(content)))

    repository.commit_tree(nested(b"1"))
    follower = follow(repository.path)
    assert list((await follower.next()).snapshot.files.entries()) == ["good.yml"]
    repository.commit_tree(nested(b"2"))
    difference = await follower.next()
    assert difference.changes is not None
    assert difference.changes.paths == {"good.yml"}


def write_tree(repository: Repository, raw: bytes) -> str:
    """Write a loose tree object without the cost of a process."""
    import hashlib
    import zlib

    data = b"tree %d\0" % len(raw) + raw
    oid = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    path = repository.path / ".git" / "objects" / oid[:2] / oid[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(data))
    return oid


def test_messages_hold_no_credentials() -> None:
    shown = mask("fatal: https://ann:pw@host/x ssh://ann:pw@host https://tok@host/?private_token=abc&x=1")
    assert "pw" not in shown
    assert "tok@" not in shown
    assert "abc" not in shown


def test_an_old_git_is_refused_in_one_sentence() -> None:
    with pytest.raises(StalledError, match=r"Git 2\.31\.1 is too old: install git 2\.32"):
        check_version((2, 31, 1))
    check_version((2, 32))


def test_a_known_failure_says_what_to_do() -> None:
    assert "disk is full" in str(explain("fetch", "error: unable to write: No space left on device"))
    assert isinstance(explain("fetch", "git@host: Permission denied (publickey)."), StalledError)


async def test_close_leaves_no_process_and_no_thread(repository: Repository, folder: Path) -> None:
    import threading

    repository.commit({"a.yml": "1"})
    processes = psutil.Process().children(recursive=True)
    threads = {thread for thread in threading.enumerate() if "asyncio" not in thread.name}
    source = GitSource(str(repository.path), mirror=folder / "git")
    difference = await anext(source.watch())
    difference.snapshot.files.read(difference.snapshot.files.entries()["a.yml"])
    assert [child for child in psutil.Process().children() if child not in processes]
    await source.close()
    assert [child for child in psutil.Process().children(recursive=True) if child not in processes] == []
    left = {thread for thread in threading.enumerate() if "asyncio" not in thread.name} - threads
    assert left == set()
    with pytest.raises(OSError, match="closed"):
        difference.snapshot.files.read(difference.snapshot.files.entries()["a.yml"])
