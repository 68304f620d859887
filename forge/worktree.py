"""The uncommitted edits of a working copy, turned into tree objects of the mirror."""

import os
from pathlib import Path

from forge.git import Git
from forge.local import find_layout, make_mirror, object_format, resolve
from forge.mirror import Mirror
from forge.origin import Revision, opened, read_commit
from spec.errors import StalledError, TransientError

ADD_TIMEOUT = 600.0
"""Seconds."""
_TREE_DIGITS = 12
_KEPT = "refs/headgate/worktree"


class WorktreeOrigin:
    """Follows a working copy as it is on disk; only the mirror's index and objects are written."""

    def __init__(self, path: Path, mirror: Path, git: Git) -> None:
        self.mirror: Mirror | None = None
        self.path = path
        self._git = git
        self._where = mirror

    def tip(self) -> str:
        """The commit checked out (zeros if there is none), a space, and the id of the tree on disk."""
        layout = find_layout(self.path)
        if layout.top is None:
            raise StalledError(f"{self.path} is a bare repository: it has no working copy to follow.")
        form = object_format(self._git, layout)
        if self.mirror is None:
            self.mirror = make_mirror(self._where, self._git, layout)
        self.mirror.open(form)
        try:
            head = resolve(self._git, layout, None)
        except TransientError:
            head = "0" * (64 if form == "sha256" else 40)
        return f"{head} {self._write_tree(self.mirror, layout.top, layout.common / 'info' / 'exclude')}"

    def obtain(self, tip: str) -> Revision:
        """The revision for a tip: its objects are already in the mirror."""
        mirror = opened(self.mirror)
        head, _, tree = tip.partition(" ")
        if set(head) == {"0"}:
            return Revision(f"{head}+{tree[:_TREE_DIGITS]}", tree, "")
        commit = read_commit(mirror, head)
        if commit.tree == tree:
            return Revision(commit.oid, tree, commit.message)
        return Revision(f"{commit.oid}+{tree[:_TREE_DIGITS]}", tree, commit.message)

    def _write_tree(self, mirror: Mirror, top: Path, exclude: Path) -> str:
        # The mirror's configuration is the only one read, so no filter or hook of the working copy can run.
        options = ("-C", str(top), mirror.directory, f"--work-tree={top}", "-c", "core.looseCompression=0", "-c")
        variables = {"GIT_INDEX_FILE": os.fspath(mirror.path / "worktree-index")}
        (mirror.path / "worktree-index.lock").unlink(missing_ok=True)
        self._git.check(
            *options, f"core.excludesFile={exclude}", "add", "--all",
            timeout=ADD_TIMEOUT, variables={**variables, "GIT_OPTIONAL_LOCKS": "1"},
        )  # fmt: skip
        tree = self._git.check(mirror.directory, "write-tree", variables=variables).decode().strip()
        self._git.check(mirror.directory, "update-ref", _KEPT, tree)
        return tree
