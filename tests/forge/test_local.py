"""Following repositories on this machine: working copies, bare ones, and what is done to them."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from spec.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.forge.conftest import Follower, Repository


async def test_the_first_difference_has_everything_and_the_next_only_what_changed(
    repository: Repository, follow: Callable[..., Follower]
) -> None:
    first = repository.commit({"a.yml": "one", "sub/b.yml": "two"}, "Begin\n\nwith a body")
    follower = follow(repository.path)
    difference = await follower.next()
    assert difference.changes is None
    assert difference.snapshot.commit == first
    assert difference.snapshot.message == "Begin"
    files = difference.snapshot.files
    assert sorted(files.entries()) == ["a.yml", "sub/b.yml"]
    assert files.read(files.entries()["sub/b.yml"]) == b"two"
    second = repository.commit({"sub/b.yml": "changed", "sub/c.yml": "new", "a.yml": None})
    difference = await follower.next()
    assert difference.snapshot.commit == second
    assert difference.changes is not None
    assert difference.changes.paths == {"a.yml", "sub/b.yml", "sub/c.yml"}
    files = difference.snapshot.files
    assert sorted(files.entries()) == ["sub/b.yml", "sub/c.yml"]
    assert files.entries()["sub/b.yml"].size == len("changed")
    directory = files.directory("sub")
    assert directory is not None
    assert directory.oid == repository.git("rev-parse", "HEAD:sub")
    assert files.directory("sub/c.yml") is None
    assert follower.source.seen().attempted == second
    assert follower.source.seen().problem is None


async def test_a_bare_repository_wakes_on_a_push(
    folder: Path, repository: Repository, follow: Callable[..., Follower]
) -> None:
    repository.commit({"a.yml": "one"})
    repository.git("clone", "--quiet", "--bare", ".", str(folder / "bare.git"))
    follower = follow(folder / "bare.git", ref="main", poll_seconds=600)
    await follower.next()
    commit = repository.commit({"a.yml": "two"})
    repository.git("push", "--quiet", str(folder / "bare.git"), "main")
    assert (await follower.next()).snapshot.commit == commit


async def test_no_poll_is_needed_for_commits_packed_refs_nested_branches_and_gc(
    repository: Repository, follow: Callable[..., Follower]
) -> None:
    repository.commit({"a.yml": "0"})
    repository.git("checkout", "--quiet", "-b", "release/v1")
    follower = follow(repository.path, ref="release/v1", poll_seconds=600)
    first = await follower.next()
    for number in range(1, 6):
        commit = repository.commit({"a.yml": str(number)})
        await follower.until(commit)
        repository.git(*(["pack-refs", "--all"] if number % 2 else ["gc", "--quiet", "--prune=now"]))
    assert first.snapshot.files.read(first.snapshot.files.entries()["a.yml"]) == b"0"


async def test_the_newest_of_many_commits_wins(repository: Repository, follow: Callable[..., Follower]) -> None:
    repository.commit({"a.yml": "0"})
    follower = follow(repository.path, poll_seconds=600)
    await follower.next()
    for number in range(10):
        last = repository.commit({"a.yml": f"{number}", f"{number}.yml": ""})
    difference = await follower.until(last)
    assert len(difference.snapshot.files.entries()) == 11


async def test_a_slow_reader_gets_the_difference_to_what_it_had(
    folder: Path, repository: Repository, follow: Callable[..., Follower]
) -> None:
    del follow
    from forge.source import GitSource

    repository.commit({"a.yml": "0"})
    source = GitSource(str(repository.path), mirror=folder / "git")
    watch = source.watch()
    await anext(watch)
    repository.commit({"b.yml": "0"})
    last = repository.commit({"c.yml": "0"})
    difference = await anext(watch)
    assert difference.snapshot.commit == last
    assert difference.changes is not None
    assert difference.changes.paths == {"b.yml", "c.yml"}
    await source.close()
    with pytest.raises(StopAsyncIteration):
        await anext(watch)


async def test_only_the_sub_path_counts(repository: Repository, follow: Callable[..., Follower]) -> None:
    repository.commit({"prod/a.yml": "1", "dev/b.yml": "1"})
    follower = follow(repository.path, path="prod/")
    first = await follower.next()
    assert list(first.snapshot.files.entries()) == ["a.yml"]
    commit = repository.commit({"dev/b.yml": "2"})
    second = await follower.next()
    assert second.snapshot.commit == commit
    assert second.snapshot.tree == first.snapshot.tree
    assert second.changes is not None
    assert second.changes.paths == frozenset()
    repository.commit({"prod/a.yml": None})
    assert "no directory 'prod'" in await follower.problem()
    assert follower.waiting == 0


@pytest.mark.parametrize("annotated", [True, False])
async def test_a_tag_and_a_commit_are_followed_like_a_branch(
    repository: Repository, follow: Callable[..., Follower], *, annotated: bool
) -> None:
    commit = repository.commit({"a.yml": "1"})
    repository.git("tag", *(["-a", "-m", "x"] if annotated else []), "v1")
    repository.commit({"a.yml": "2"})
    assert (await follow(repository.path, ref="v1").next()).snapshot.commit == commit
    assert (await follow(repository.path, ref=commit).next()).snapshot.commit == commit


async def test_an_empty_repository_waits_for_its_first_commit(
    repository: Repository, follow: Callable[..., Follower]
) -> None:
    follower = follow(repository.path, poll_seconds=600)
    assert "no commit yet" in await follower.problem()
    commit = repository.commit({"a.yml": "1"})
    assert (await follower.next()).snapshot.commit == commit
    assert follower.source.seen().problem is None


async def test_a_rewritten_branch_is_followed_even_when_the_old_commit_is_gone(
    repository: Repository, follow: Callable[..., Follower]
) -> None:
    repository.commit({"a.yml": "1"})
    follower = follow(repository.path)
    await follower.next()
    repository.git("checkout", "--quiet", "--orphan", "other")
    repository.write("b.yml", "2")
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "-m", "Other")
    repository.git("branch", "--quiet", "-M", "other", "main")
    repository.git("reflog", "expire", "--expire=now", "--all")
    repository.git("gc", "--quiet", "--prune=now")
    assert (await follower.until(repository.head)).snapshot.files.entries().keys() == {"a.yml", "b.yml"}


async def test_a_deleted_branch_keeps_the_last_commit_and_says_so(
    repository: Repository, follow: Callable[..., Follower]
) -> None:
    commit = repository.commit({"a.yml": "1"})
    repository.git("branch", "live")
    follower = follow(repository.path, ref="live", poll_seconds=600)
    first = await follower.next()
    repository.git("branch", "--quiet", "-D", "live")
    assert "no branch or tag 'live'" in await follower.problem()
    assert follower.source.seen().attempted == commit
    assert first.snapshot.files.read(first.snapshot.files.entries()["a.yml"]) == b"1"
    repository.commit({"a.yml": "2"})
    repository.git("branch", "live")
    assert (await follower.next()).snapshot.commit == repository.head


async def test_a_repository_that_goes_away_and_comes_back(
    folder: Path, repository: Repository, follow: Callable[..., Follower]
) -> None:
    repository.commit({"a.yml": "1"})
    follower = follow(repository.path, poll_seconds=0.1)
    await follower.next()
    repository.path.rename(folder / "away")
    assert "not a Git repository" in await follower.problem()
    with pytest.raises(TransientError, match="not a Git repository"):
        await follower.source.sync()
    (folder / "away").rename(repository.path)
    commit = repository.commit({"a.yml": "2"})
    assert (await follower.next()).snapshot.commit == commit


async def test_sync_returns_once_the_newest_commit_was_handed_over(
    repository: Repository, follow: Callable[..., Follower]
) -> None:
    repository.commit({"a.yml": "1"})
    follower = follow(repository.path, poll_seconds=600)
    commit = repository.commit({"a.yml": "2"})
    assert await follower.source.sync() == commit
    assert await asyncio.wait_for(follower.source.sync(), 30) == commit
    await follower.until(commit)


async def test_a_linked_worktree_and_a_sha256_repository(
    folder: Path, repository: Repository, follow: Callable[..., Follower]
) -> None:
    from tests.forge.conftest import Repository as Made

    repository.commit({"a.yml": "1"})
    repository.git("worktree", "add", "--quiet", "-b", "linked", str(folder / "linked"))
    linked = Made(folder / "linked")
    follower = follow(linked.path, poll_seconds=600)
    await follower.next()
    commit = linked.commit({"a.yml": "2"})
    assert (await follower.next()).snapshot.commit == commit
    other = Made.make(folder / "sha256", "--object-format=sha256")
    commit = other.commit({"d/a.yml": "1"})
    snapshot = (await follow(other.path).next()).snapshot
    assert len(commit) == 64
    assert snapshot.commit == commit
    assert snapshot.files.read(snapshot.files.entries()["d/a.yml"]) == b"1"


async def test_reftable_is_refused_by_name(repository: Repository, follow: Callable[..., Follower]) -> None:
    repository.commit({"a.yml": "1"})
    repository.git("config", "core.repositoryFormatVersion", "1")
    with (repository.path / ".git" / "config").open("a") as config:
        config.write("[extensions]\n\trefStorage = made-up\n")
    problem = (await follow(repository.path).problem()).lower()
    assert "reftable" in problem or "refstorage" in problem


async def test_a_repository_of_another_user_is_read(repository: Repository, follow: Callable[..., Follower]) -> None:
    commit = repository.commit({"a.yml": "1"})
    if os.geteuid() == 0:
        for path in (repository.path, *repository.path.rglob("*")):
            os.chown(path, 12345, 12345)
    assert (await follow(repository.path).next()).snapshot.commit == commit


async def test_variables_of_a_surrounding_git_hook_do_not_mislead(
    repository: Repository, follow: Callable[..., Follower], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository.commit({"a.yml": "1"})
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/nonexistent")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.bare'='nonsense'")
    difference = await follow(repository.path).next()
    assert difference.snapshot.commit == commit


async def test_a_damaged_mirror_is_made_anew(repository: Repository, follow: Callable[..., Follower]) -> None:
    commit = repository.commit({"a.yml": "1"})
    follower = follow(repository.path)
    await follower.next()
    await follower.close()
    shutil.rmtree(follower.mirror / "objects")
    (follower.mirror / "HEAD").write_bytes(b"")
    from forge.source import GitSource

    source = GitSource(str(repository.path), mirror=follower.mirror)
    assert (await anext(source.watch())).snapshot.commit == commit
    await source.close()


async def test_a_directory_that_is_not_a_mirror_is_left_alone(
    folder: Path, repository: Repository, follow: Callable[..., Follower]
) -> None:
    repository.commit({"a.yml": "1"})
    (folder / "state0" / "git").mkdir(parents=True)
    (folder / "state0" / "git" / "precious").write_text("x")
    assert "is not a mirror made by Headgate" in await follow(repository.path).problem()
    assert (folder / "state0" / "git" / "precious").read_text() == "x"
