"""Files for `validate`: a directory as it is on disk, or one revision of a repository."""

import errno
import hashlib
import os
import stat
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from forge.git import Git
from forge.local import find_layout, make_mirror, object_format
from forge.mirror import Mirror
from forge.tree import ENTRY_LIMIT, READ_LIMIT, Bad, TreeFiles, left_out, printable, refuse_name
from spec.errors import StalledError
from spec.files import Entry, Files, Kind
from spec.problem import Problem

HASH_LIMIT = 16 * 1024 * 1024
"""Bytes: a larger file is identified by its inode, size and modification time instead of its content."""
_MODES: Mapping[Kind, str] = {
    "file": "100644",
    "executable": "100755",
    "symlink": "120000",
    "submodule": "160000",
    "directory": "40000",
}


def open_directory(path: Path) -> Files:
    """A directory's present content: of a working copy everything that is not ignored, else every file.

    Ids are Git's SHA-1 ones (see `HASH_LIMIT`); a bare repository stands for its HEAD. No symlink is followed.
    """
    root = path.expanduser().absolute()
    if not root.is_dir():
        raise StalledError(f"{path} is not a directory: name the folder that holds the specs.")
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), None)
    if top is not None:
        return DirectoryFiles(root, _list_git(top, root))
    if (root / "HEAD").is_file() and (root / "objects").is_dir():
        return open_revision(root, "HEAD")
    return DirectoryFiles(root, _walk(os.fsencode(root), b""))


def open_revision(repository: Path, revision: str) -> "RevisionFiles":
    """One revision (any expression Git knows) of a local repository; raise `HeadgateError` if there is none."""
    git = Git()
    layout = find_layout(repository.expanduser().absolute())
    form = object_format(git, layout)
    # A partial clone fetches nothing here: no transport is allowed.
    result = git.run(
        f"--git-dir={layout.git}", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
    )
    if result.status != 0 or "\n" in revision:
        raise StalledError(f"{repository} has no revision {revision!r}: name a commit, branch or tag of it.")
    folder = tempfile.TemporaryDirectory(prefix="headgate-")
    mirror = make_mirror(Path(folder.name) / "mirror", git, layout)
    mirror.open(form)
    return RevisionFiles(mirror, result.out.decode().strip(), folder)


class RevisionFiles(TreeFiles):
    """The files of one commit; `close` (or the garbage collector) ends what reading needs."""

    def __init__(self, mirror: Mirror, commit: str, folder: "tempfile.TemporaryDirectory[str]") -> None:
        try:
            self.commit = mirror.reader.commit(commit)
        except OSError as error:
            mirror.close()
            folder.cleanup()
            raise StalledError(f"{commit} cannot be read: {error.strerror}. Run `git fsck`.") from error
        super().__init__(mirror.reader, self.commit.tree)
        self._finalizer = weakref.finalize(self, _dispose, mirror, folder)

    def close(self) -> None:
        """End the reading processes and remove the temporary directory."""
        self._finalizer()


def _dispose(mirror: Mirror, folder: "tempfile.TemporaryDirectory[str]") -> None:
    mirror.close()
    folder.cleanup()


class DirectoryFiles:
    """`spec.files.Files` over a directory; it is listed once, at the start."""

    def __init__(self, root: Path, names: Iterable[bytes]) -> None:
        self._root = root
        self._bad: list[Bad] = []
        self._entries: dict[str, Entry] = {}
        self._trees: dict[str, dict[str, Entry]] = {}
        for name in names:
            if len(self._entries) >= ENTRY_LIMIT:
                raise StalledError(f"{root} holds more than {ENTRY_LIMIT:,} files: name a sub-directory.")
            self._add(name)

    def entries(self) -> Mapping[str, Entry]:
        """Every file, symlink and submodule below the root, by path."""
        return MappingProxyType(self._entries)

    def problems(self) -> tuple[Problem, ...]:
        """Entries that are left out because of their names, as warnings."""
        return left_out(self._bad)

    def directory(self, path: str) -> Entry | None:
        """The tree at `path`, or None; its id is what Git would give it."""
        if not self._trees:
            self._gather()
        clean = "/".join(part for part in path.split("/") if part)
        return self._tree(clean) if clean in self._trees else None

    def read(self, entry: Entry) -> bytes:
        """The file's bytes, or a symlink's target. Raises `OSError` if it is too large or cannot be read."""
        if entry.size > READ_LIMIT:
            raise OSError(errno.EFBIG, f"is {entry.size:,} bytes; at most {READ_LIMIT:,} are read", entry.path)
        data = _content(self._root / entry.path, entry.kind)
        if len(data) > READ_LIMIT:
            raise OSError(errno.EFBIG, f"at most {READ_LIMIT:,} bytes are read", entry.path)
        return data

    def _add(self, name: bytes) -> None:
        reason = next((why for part in name.split(b"/") if (why := refuse_name(part))), "")
        if reason:
            self._bad.append(Bad(printable(name.decode("utf-8", "backslashreplace")), reason))
            return
        path = name.decode("utf-8")
        try:
            entry = _identify(self._root, path)
        except FileNotFoundError:
            return
        except OSError as error:
            self._bad.append(Bad(path, f"it cannot be read ({error.strerror})"))
            return
        if entry is not None:
            self._entries[path] = entry

    def _gather(self) -> None:
        self._trees[""] = {}
        for path, entry in self._entries.items():
            folder, _, name = path.rpartition("/")
            self._folder(folder)[name] = entry

    def _folder(self, path: str) -> dict[str, Entry]:
        if path not in self._trees:
            self._trees[path] = {}
            parent, _, name = path.rpartition("/")
            self._folder(parent)[name] = Entry(path, "directory", "")
        return self._trees[path]

    def _tree(self, path: str) -> Entry:
        items = (
            self._tree(entry.path) if entry.kind == "directory" else entry for entry in self._trees[path].values()
        )
        lines = sorted((_sort_key(entry), _line(entry)) for entry in items)
        return Entry(path, "directory", _git_hash(b"tree", b"".join(line for _, line in lines)))


def _list_git(top: Path, root: Path) -> Iterator[bytes]:
    layout = find_layout(top)
    out = Git().check(
        "-C", str(root), f"--git-dir={layout.git}", f"--work-tree={top}",
        "ls-files", "-z", "--cached", "--others", "--exclude-standard", timeout=120,
    )  # fmt: skip
    seen = set()
    for raw in out.split(b"\0"):
        name = raw.rstrip(b"/")
        if name and name not in seen:
            seen.add(name)
            yield name


def _walk(root: bytes, base: bytes) -> Iterator[bytes]:
    with os.scandir(root + b"/" + base) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name == b".git":
            continue
        path = base + b"/" + entry.name if base else entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, path)
        else:
            yield path


def _identify(root: Path, path: str) -> Entry | None:
    full = root / path
    parent = full.parent
    if parent != root and parent.resolve() != root.resolve() / parent.relative_to(root):
        # A tracked file whose directory is a symlink now: it is not there any more.
        return None
    status = full.lstat()
    kind = _kind(status.st_mode)
    if kind is None:
        return None
    if kind == "submodule":
        return Entry(path, kind, "0" * 40)
    if status.st_size > HASH_LIMIT:
        mark = f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"
        return Entry(path, kind, _git_hash(b"stat", mark.encode()), status.st_size)
    data = _content(full, kind)
    return Entry(path, kind, _git_hash(b"blob", data), len(data))


def _kind(mode: int) -> Kind | None:
    if stat.S_ISLNK(mode):
        return "symlink"
    if stat.S_ISDIR(mode):
        return "submodule"
    if not stat.S_ISREG(mode):
        return None
    return "executable" if mode & stat.S_IXUSR else "file"


def _content(path: Path, kind: Kind) -> bytes:
    if kind == "symlink":
        return os.fsencode(os.readlink(path))  # noqa: PTH115 (Path.readlink rewrites the target)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(HASH_LIMIT + 1)


def _sort_key(entry: Entry) -> bytes:
    name = entry.path.rpartition("/")[2].encode()
    return name + b"/" if entry.kind == "directory" else name


def _line(entry: Entry) -> bytes:
    name = entry.path.rpartition("/")[2].encode()
    return _MODES[entry.kind].encode() + b" " + name + b"\0" + bytes.fromhex(entry.oid)


def _git_hash(kind: bytes, data: bytes) -> str:
    return hashlib.sha1(b"%s %d\0%s" % (kind, len(data), data), usedforsecurity=False).hexdigest()
