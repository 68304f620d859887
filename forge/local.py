"""A repository on this machine: its refs are asked of Git, its objects are read where they are."""

import os
from dataclasses import dataclass
from pathlib import Path

from forge.git import Git, explain, is_oid
from forge.mirror import Mirror
from forge.origin import Revision, format_of, missing_ref, opened, read_commit
from spec.errors import TransientError

_MISSING = 1
"""`rev-parse --verify --quiet` says so of a ref that does not exist."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The directories of a local repository."""

    top: Path | None
    """The working copy; None: bare."""
    git: Path
    """Where HEAD is."""
    common: Path
    """Where refs and objects are: differs from `git` in a linked worktree."""


def find_layout(path: Path) -> Layout:
    """Find a repository's directories without running Git; raise `TransientError` if there is none."""
    try:
        dot = path / ".git"
        if dot.is_dir():
            return Layout(path, dot, _common(dot))
        if dot.is_file():
            target = (path / dot.read_text("utf-8").removeprefix("gitdir:").strip()).resolve()
            return Layout(path, target, _common(target))
        if (path / "HEAD").is_file() and (path / "objects").is_dir():
            return Layout(None, path, _common(path))
    except (OSError, UnicodeDecodeError) as error:
        owner = _owner(path)
        raise TransientError(f"{path} cannot be read ({error}); it belongs to {owner}.") from error
    raise TransientError(f"{path} is not a Git repository (yet): make one there, or name another.")


def _common(git: Path) -> Path:
    link = git / "commondir"
    return (git / link.read_text("utf-8").strip()).resolve() if link.is_file() else git


def _owner(path: Path) -> str:
    try:
        return f"user {path.stat().st_uid}, and Headgate runs as user {os.geteuid()}"
    except OSError:
        return "an unknown user"


def candidates(ref: str | None) -> tuple[str, ...]:
    """The full refs that the operator's word may mean, best first."""
    if ref is None or ref == "HEAD":
        return ("HEAD",)
    if ref.startswith("refs/"):
        return (ref,)
    return (f"refs/heads/{ref}", f"refs/tags/{ref}")


def resolve(git: Git, layout: Layout, ref: str | None) -> str:
    """Return the id that a ref of a local repository points at (a tag is not peeled)."""
    if ref is not None and is_oid(ref):
        return ref
    for name in candidates(ref):
        # The repository's own configuration is read here, but nothing of it is run: no object is even looked up.
        result = git.run(f"--git-dir={layout.git}", "rev-parse", "--verify", "--quiet", "--end-of-options", name)
        found = result.out.decode().strip()
        if result.status == 0 and is_oid(found):
            return found
        if result.status != _MISSING:
            raise explain("rev-parse", result.err)
    raise missing_ref(ref, str(layout.top or layout.git))


def object_format(git: Git, layout: Layout) -> str:
    """`sha1` or `sha256`; raise `StalledError` by name for a format that this Git does not know."""
    return git.check(f"--git-dir={layout.git}", "rev-parse", "--show-object-format").decode().strip()


def make_mirror(path: Path, git: Git, layout: Layout) -> Mirror:
    """A mirror that reads the objects of a local repository where they are."""
    return Mirror(path, git, source=str(layout.common), alternate=layout.common / "objects")


class LocalOrigin:
    """Follows a ref of a local repository."""

    def __init__(self, path: Path, ref: str | None, mirror: Path, git: Git) -> None:
        self.mirror: Mirror | None = None
        self.path = path
        self._ref = ref
        self._git = git
        self._where = mirror

    def tip(self) -> str:
        """The id that the ref points at."""
        layout = find_layout(self.path)
        tip = resolve(self._git, layout, self._ref)
        if self.mirror is None:
            self.mirror = make_mirror(self._where, self._git, layout)
        self.mirror.open(format_of(tip))
        return tip

    def obtain(self, tip: str) -> Revision:
        """The tip's commit; its objects are read from the repository itself."""
        commit = read_commit(opened(self.mirror), tip)
        return Revision(commit.oid, commit.tree, commit.message)
