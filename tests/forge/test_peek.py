"""Looking once at edits or at another revision, without writing anything of the user's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from forge import peek
from forge.peek import find_top, revision, working_copy
from spec.errors import HeadgateError, StalledError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.forge.conftest import GitServer, Repository


def test_a_clean_working_copy_is_its_commit(repository: Repository) -> None:
    commit = repository.commit({"a.yml": "1"}, "First")
    with working_copy(repository.path) as found:
        assert (found.snapshot.commit, found.base, found.edited) == (commit, commit, ())
        assert found.snapshot.message == "First"


def test_edits_are_told_from_what_is_unchanged(repository: Repository) -> None:
    commit = repository.commit({"a.yml": "1", "b.yml": "1", "c.yml": "1", ".gitignore": "*.log\n"})
    index = (repository.path / ".git" / "index").read_bytes()
    repository.write("a.yml", "2")
    repository.write("new/d.yml", "1")
    repository.write("noise.log", "1")
    (repository.path / "b.yml").unlink()
    with working_copy(repository.path) as found:
        assert found.snapshot.commit == f"{commit}+{found.snapshot.tree[:12]}"
        assert found.base == commit
        assert found.edited == ("a.yml", "b.yml", "new/d.yml")
        files = found.snapshot.files
        assert files.read(files.entries()["a.yml"]) == b"2"
    assert (repository.path / ".git" / "index").read_bytes() == index
    with working_copy(repository.path, "new") as found:
        assert found.edited == ("d.yml",)


def test_data_that_nobody_ignored_is_not_copied(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit({"a.yml": "1", "large.bin": b"x" * 5000})
    monkeypatch.setattr(peek, "MOST_EDITED", 4000)
    with working_copy(repository.path) as found:
        assert found.edited == ()
    repository.write("data/train.bin", b"x" * 4001)
    with pytest.raises(StalledError, match=r"the largest is data/train\.bin"), working_copy(repository.path):
        pass
    repository.write(".gitignore", "data/\n")
    with working_copy(repository.path) as found:
        assert found.edited == (".gitignore",)


def test_a_repository_without_commit_is_all_edits(repository: Repository) -> None:
    repository.write("a.yml", "1")
    with working_copy(repository.path) as found:
        assert (found.base, found.edited) == ("", ("a.yml",))
        assert found.snapshot.commit.startswith("0" * 40 + "+")


@pytest.mark.parametrize("split", [False, True])
def test_a_filtered_file_is_no_edit_and_no_filter_runs(folder: Path, repository: Repository, *, split: bool) -> None:
    ran = folder / "ran"
    repository.git("config", "filter.pointer.clean", f"touch {ran}; cat >/dev/null; echo pointer")
    repository.write("m.bin", "large")
    os.utime(repository.path / "m.bin", (1, 1))  # Git trusts its index only of files older than that
    repository.commit({".gitattributes": "*.bin filter=pointer\n"})
    assert repository.git("show", "HEAD:m.bin") == "pointer"
    if split:
        repository.git("update-index", "--split-index")
    ran.unlink()
    with working_copy(repository.path) as found:
        assert found.edited == (("m.bin",) if split else ())
    assert not ran.exists()


def test_a_folder_that_is_not_there_is_said(repository: Repository) -> None:
    repository.commit({"a.yml": "1"})
    with pytest.raises(StalledError, match="no folder 'models'"), working_copy(repository.path, "models"):
        pass


def test_a_bare_repository_has_no_working_copy(folder: Path, repository: Repository) -> None:
    repository.git("clone", "--quiet", "--bare", ".", str(folder / "bare.git"))
    with pytest.raises(StalledError, match="bare"), working_copy(folder / "bare.git"):
        pass


def test_any_expression_names_a_local_revision(repository: Repository) -> None:
    first = repository.commit({"a.yml": "1"})
    repository.commit({"a.yml": "2"})
    for name in ("HEAD~1", first[:9], "main^"):
        with revision(str(repository.path), name) as found:
            assert found.snapshot.commit == first
            assert found.snapshot.files.read(found.snapshot.files.entries()["a.yml"]) == b"1"


@pytest.mark.parametrize("name", ["nonsense", "--help", "main\nmain", "main:a.yml"])
def test_what_is_no_revision_is_refused(repository: Repository, name: str) -> None:
    repository.commit({"a.yml": "1"})
    with pytest.raises(StalledError, match="has no revision"), revision(str(repository.path), name):
        pass


@pytest.mark.real
def test_a_remote_branch_is_fetched(folder: Path, server: GitServer, repository: Repository) -> None:
    repository.commit({"a.yml": "1"})
    bare = server.root / "bare"
    repository.git("clone", "--quiet", "--bare", ".", str(bare))
    repository.git("switch", "--quiet", "--create", "feature")
    wanted = repository.commit({"a.yml": "2"})
    repository.git("push", "--quiet", str(bare), "feature", "feature:refs/pull/7/head")
    for name in ("feature", "refs/pull/7/head", wanted):
        with revision(server.url("bare"), name, mirror=folder / "mirror") as found:
            assert found.snapshot.commit == wanted
            assert found.snapshot.files.read(found.snapshot.files.entries()["a.yml"]) == b"2"
    with pytest.raises(HeadgateError, match="no branch or tag 'gone'"), revision(server.url("bare"), "gone"):
        pass


def test_the_working_copy_of_a_folder_is_found(repository: Repository, folder: Path) -> None:
    repository.write("x/y/a.yml", "1")
    assert find_top(repository.path / "x" / "y") == repository.path
    assert find_top(folder) is None
