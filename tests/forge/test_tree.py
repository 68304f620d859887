"""Comparing trees: the fast way agrees with Git's own."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from forge.git import Git
from forge.objects import Objects
from forge.tree import TreeFiles

if TYPE_CHECKING:
    from tests.forge.conftest import Repository


def test_a_hundred_random_commits_are_compared_as_git_does(repository: Repository) -> None:
    choose = random.Random(7)
    names = [f"{folder}{name}.yml" for folder in ("", "a/", "a/b/", "z/") for name in ("0", "a", "ab", "m", "zz")]
    objects = Objects(Git(), repository.path / ".git")
    blobs = [repository.hash(bytes([number])) for number in range(5)]
    files: TreeFiles | None = None
    before = ""
    for _ in range(100):
        lines = [
            f"{choose.choice(['100644', '100755', '120000'])} {choose.choice(blobs)}\t{name}\n"
            for name in choose.sample(names, choose.randrange(1, len(names)))
        ]
        if choose.random() < 0.2:
            lines = [line for line in lines if "\ta/" not in line] + [f"100644 {blobs[0]}\ta\n"]
        repository.git("read-tree", "--empty")
        repository.git("update-index", "--index-info", feed="".join(lines).encode())
        tree = repository.git("write-tree")
        if files is None:
            files = TreeFiles(objects, tree)
            files.entries()
        else:
            files, paths = files.successor(tree)
            shown = repository.git("diff-tree", "-r", "--no-renames", "--name-only", before, tree)
            assert paths == frozenset(shown.split())
        assert files.entries() == TreeFiles(objects, tree).entries()
        listed = repository.git("ls-tree", "-r", "--format=%(path) %(objectname) %(objectsize)", tree).splitlines()
        assert sorted(f"{entry.path} {entry.oid} {entry.size}" for entry in files.entries().values()) == sorted(
            listed
        )
        before = tree
    objects.close()


def test_entries_that_are_left_out_are_followed(repository: Repository) -> None:
    objects = Objects(Git(), repository.path / ".git")
    blob = repository.hash(b"x")

    def tree(*names: str) -> str:
        repository.git("read-tree", "--empty")
        lines = "".join(f"100644 {blob}\t{name}\0" for name in names)
        repository.git("update-index", "-z", "--index-info", feed=lines.encode())
        return repository.git("write-tree")

    deep = "/".join(["d"] * 70) + "/e.yml"
    files = TreeFiles(objects, tree("a.yml", "bell\x07"))
    for names in (
        ("a.yml", "bell\x07", deep),
        ("b.yml", "bell\x07", f"{deep}2"),
        ("a.yml", "sub/bell\x07"),
        ("a.yml",),
    ):
        files.entries()
        files, _ = files.successor(tree(*names))
        fresh = TreeFiles(objects, tree(*names))
        assert files.problems() == fresh.problems()
        assert [problem.is_error for problem in files.problems()] == [False] * (len(names) - 1)
    many = TreeFiles(objects, tree(*(f"bell\x07{number:03}" for number in range(150)))).problems()
    assert len(many) == 101
    assert many[0].message == "50 more entries are left out for like reasons. Rename or remove them."
    objects.close()
