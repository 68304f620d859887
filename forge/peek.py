"""Looking once at something else than what is followed: edits of a working copy, or any revision."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from forge.git import Git, check_ref
from forge.local import Layout, find_layout, make_mirror, object_format, resolve
from forge.location import check_subpath, parse_location
from forge.mirror import Mirror
from forge.origin import opened, read_commit
from forge.remote import RemoteOrigin
from forge.snapshot import Snapshot
from forge.tree import TreeFiles, find_directory, printable
from spec.errors import StalledError, TransientError

_ADD_TIMEOUT = 600.0
"""Seconds."""
MOST_EDITED = 2 * 2**30
"""Bytes of edited and new files."""
_TREE_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One look: readable while its block runs."""

    snapshot: Snapshot
    base: str = ""
    """The commit below a working copy's edits; empty where there is none, or for a revision."""
    edited: tuple[str, ...] = ()
    """Paths that differ from `base`, sorted."""


def find_top(path: Path) -> Path | None:
    """The working copy that a folder is in, or None."""
    start = path.expanduser().absolute()
    return next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), None)


@contextmanager
def working_copy(top: Path, folder: str = "") -> Iterator[Glimpse]:
    """A working copy as it is on disk, ignored files left out; nothing in it is written, no filter or hook runs.

    What Git's index knows to be unchanged keeps the id that it has there, so a file in LFS or of any size is no
    edit until it is edited. Raises `StalledError` if there is no working copy or no such folder.
    """
    git = Git()
    layout = find_layout(top)
    if layout.top is None:
        raise StalledError(f"{top} is a bare repository: it has no working copy.")
    with _scratch(git, layout) as mirror:
        try:
            head = read_commit(mirror, resolve(git, layout, None))
        except TransientError:
            head = None
        tree = _write_tree(git, mirror, layout.top, layout)
        base = head.oid if head else "0" * len(tree)
        commit = base if head and head.tree == tree else f"{base}+{tree[:_TREE_DIGITS]}"
        files = _files(mirror, tree, folder, "the working copy")
        edited = _edited(mirror, head.tree if head else None, folder, files)
        snapshot = Snapshot(commit, files.tree, files.files, head.message if head else "")
        yield Glimpse(snapshot, head.oid if head else "", edited)


@contextmanager
def revision(location: str, name: str, folder: str = "", *, mirror: Path | None = None) -> Iterator[Glimpse]:
    """One revision of a repository: of a local one any expression that Git knows, else a branch, tag or commit id.

    A remote one is fetched into `mirror` (kept, so that the next look is quick), else into a folder that goes with
    the block. Raises `StalledError` if there is no such revision, `TransientError` if the remote is away.
    """
    place = parse_location(location)
    check_subpath(folder)
    if place.is_local:
        git, layout = Git(), find_layout(Path(place.target))
        commit = _parse(git, layout, name)
        with _scratch(git, layout) as scratch:
            yield _commit(scratch, commit, folder)
        return
    git = Git(place, operator_config=True)
    with tempfile.TemporaryDirectory(prefix="headgate-") as temporary:
        origin = RemoteOrigin(place, check_ref(name), mirror or Path(temporary) / "mirror", git)
        try:
            found = origin.obtain(origin.tip())
            yield _commit(opened(origin.mirror), found.commit, folder)
        finally:
            git.kill()
            opened(origin.mirror).close()


@dataclass(frozen=True, slots=True)
class _Root:
    tree: str
    files: TreeFiles


def _commit(mirror: Mirror, oid: str, folder: str) -> Glimpse:
    commit = read_commit(mirror, oid)
    root = _files(mirror, commit.tree, folder, commit.oid[:12])
    return Glimpse(Snapshot(commit.oid, root.tree, root.files, commit.message))


def _files(mirror: Mirror, tree: str, folder: str, where: str) -> _Root:
    root = find_directory(mirror.reader, tree, folder)
    if root is None:
        raise StalledError(f"There is no folder {folder!r} in {where}.")
    return _Root(root.oid, TreeFiles(mirror.reader, root.oid))


def _edited(mirror: Mirror, base: str | None, folder: str, after: _Root) -> tuple[str, ...]:
    before = find_directory(mirror.reader, base, folder) if base else None
    if before is None:
        return tuple(sorted(after.files.entries()))
    _, paths = TreeFiles(mirror.reader, before.oid).successor(after.tree)
    return tuple(sorted(paths))


def _parse(git: Git, layout: Layout, name: str) -> str:
    """The commit that a revision expression names."""
    result = git.run(
        f"--git-dir={layout.git}", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
    )
    if result.status != 0 or "\n" in name:
        raise StalledError(
            f"{layout.top or layout.git} has no revision {name!r}: name a commit, branch or tag of it."
        )
    return result.out.decode().strip()


@contextmanager
def _scratch(git: Git, layout: Layout) -> Iterator[Mirror]:
    """A mirror of a local repository that goes with the block."""
    with tempfile.TemporaryDirectory(prefix="headgate-") as temporary:
        mirror = make_mirror(Path(temporary) / "mirror", git, layout)
        mirror.open(object_format(git, layout))
        try:
            yield mirror
        finally:
            git.kill()
            mirror.close()


def _write_tree(git: Git, mirror: Mirror, top: Path, layout: Layout) -> str:
    """The tree on disk, made in the mirror with a copy of the working copy's own index."""
    copy = mirror.path / "peek-index"
    if (layout.git / "index").is_file():
        shutil.copy2(layout.git / "index", copy)
        try:
            return _add(git, mirror, top, layout)
        except TransientError:
            # An index of parts (split index) cannot be copied alone: every file is read instead.
            copy.unlink(missing_ok=True)
    return _add(git, mirror, top, layout)


def _check_size(top: Path, listed: bytes) -> None:
    """What is edited is copied for the look: refuse data that somebody forgot to ignore."""
    sizes = {name: _size(top / os.fsdecode(name)) for name in set(listed.split(b"\0")) if name}
    total = sum(sizes.values())
    if total <= MOST_EDITED:
        return
    largest = os.fsdecode(max(sizes, key=lambda name: sizes[name]))
    raise StalledError(
        f"Edited and new files in {top} hold {total / 2**30:.1f} GiB, and at most {MOST_EDITED / 2**30:g} are read; "
        f"the largest is {printable(largest)}: let Git ignore what is no part of the repository."
    )


def _size(path: Path) -> int:
    try:
        found = path.lstat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _add(git: Git, mirror: Mirror, top: Path, layout: Layout) -> str:
    variables = {"GIT_INDEX_FILE": str(mirror.path / "peek-index")}
    exclude = layout.common / "info" / "exclude"
    ignoring = ("-c", "core.looseCompression=0", "-c", f"core.excludesFile={exclude}")
    options = ("-C", str(top), mirror.directory, f"--work-tree={top}", *ignoring)
    listed = git.check(
        *options, "ls-files", "-z", "--others", "--modified", "--exclude-standard",
        timeout=_ADD_TIMEOUT, variables=variables,
    )  # fmt: skip
    _check_size(top, listed)
    git.check(*options, "add", "--all", timeout=_ADD_TIMEOUT, variables={**variables, "GIT_OPTIONAL_LOCKS": "1"})
    return git.check(mirror.directory, "write-tree", variables=variables).decode().strip()
