"""Models and code on disk, addressed by content: complete or absent, read-only, checked, rebuilt when damaged."""

import errno
import json
import os
import shutil
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol

from runtime.fault import FULL, FULL_ADVICE, ReleaseError, WorldError
from spec.errors import TransientError
from spec.release import Artifact

_UNWRITABLE = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE})
"""What says nothing of the content: the state directory, or this process, is not as it should be."""
_PARTIAL = ".partial-"
_MANIFEST = "manifest.json"
_CONTENT = "content"


class Exporter(Protocol):
    """Who can write a Git object's content to disk."""

    def export(self, oid: str, kind: Literal["file", "directory"], destination: Path, path: str) -> None:
        """Write the blob to, or the tree's files below, `destination`, which does not exist yet.

        `path` is where the repository has it, for what is told of it.

        Raises `OSError` if an object cannot be read or written, `HeadgateError` if it must not be.
        """
        ...


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells an untouched file: `size` in bytes, `mtime_ns`, and a symlink's target."""

    size: int
    mtime_ns: int
    link: str | None = None

    @classmethod
    def of(cls, path: Path) -> "Stamp | None":
        """The stamp of the file at `path`, or None if there is none."""
        try:
            stat = path.lstat()
            link = str(path.readlink()) if path.is_symlink() else None
        except OSError:
            return None
        return cls(stat.st_size, stat.st_mtime_ns, link)


Manifest = Mapping[str, Stamp]
"""Every file below a directory by its path with `/`; a single file has the path `""`."""


class Artifacts:
    """The store below `root`: one directory per object id, its content and a manifest written last."""

    def __init__(self, root: Path, exporter: Exporter) -> None:
        self.root = root
        self._exporter = exporter
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def ensure(self, artifact: Artifact) -> Path:
        """Return the artifact's content, exporting it if it is absent or damaged; concurrent calls do one job.

        Raises `WorldError` when the disk is full and `ReleaseError` when the content is missing or unsafe.
        """
        with self._locks[artifact.oid], _typed(artifact):
            if not self.check(artifact.oid):
                self._materialise(artifact)
            return self.content(artifact.oid)

    def content(self, oid: str) -> Path:
        """Where the content of `oid` is, once ensured."""
        return self.root / oid / _CONTENT

    def manifest(self, oid: str) -> Manifest | None:
        """The files that `oid` consists of, or None if it is not complete."""
        return read_manifest(self.root / oid / _MANIFEST)

    def check(self, oid: str) -> bool:
        """Whether the content is complete and no file of it was changed since it was exported."""
        return self.damaged(oid) is None

    def damaged(self, oid: str) -> Path | None:
        """The first file of the content that is missing or was changed; None: none is."""
        manifest = self.manifest(oid)
        if manifest is None:
            return self.root / oid
        return next((self.content(oid) / path for path in changed(self.content(oid), manifest)), None)

    def collect(self, live: Iterable[str]) -> list[str]:
        """Remove every artifact whose object id is not in `live`; return the ids removed."""
        keep = set(live)
        present = sorted(path.name for path in self.root.iterdir()) if self.root.is_dir() else []
        removed = [name for name in present if name not in keep and not name.startswith(_PARTIAL)]
        for oid in removed:
            with self._locks[oid]:
                remove(self.root / oid)
        return removed

    def sweep(self) -> None:
        """Remove what an earlier process left half done; call it before the first `ensure`."""
        for path in self.root.glob(f"{_PARTIAL}*"):
            remove(path)

    def _materialise(self, artifact: Artifact) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        partial = self.root / f"{_PARTIAL}{uuid.uuid4().hex}"
        partial.mkdir()
        try:
            content = partial / _CONTENT
            self._exporter.export(artifact.oid, artifact.kind, content, artifact.path)
            _seal(content, artifact)
            write_manifest(partial / _MANIFEST, scan(content))
            remove(self.root / artifact.oid)
            partial.rename(self.root / artifact.oid)
            fsync(self.root)
        finally:
            remove(partial)


@contextmanager
def _typed(artifact: Artifact) -> Iterator[None]:
    try:
        yield
    except TransientError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL:
            raise WorldError("DiskFull", f"{artifact.path} cannot be laid out: {FULL_ADVICE}") from error
        raise
    except OSError as error:
        if error.errno in FULL:
            raise WorldError("DiskFull", f"{artifact.path} cannot be laid out: {FULL_ADVICE}") from error
        if error.errno in _UNWRITABLE:
            raise WorldError("StateUnwritable", f"{artifact.path} cannot be laid out: {error}") from error
        text = f"{artifact.path} (object {artifact.oid[:12]}) cannot be read or written: {error}"
        raise ReleaseError("ArtifactUnreadable", f"{text}; check that the commit contains it") from error


def scan(content: Path) -> dict[str, Stamp]:
    """The manifest of what is on disk now."""
    found = {"": content} if not content.is_dir() or content.is_symlink() else dict(_walk(content))
    return {path: stamp for path, file in found.items() if (stamp := Stamp.of(file)) is not None}


def changed(content: Path, manifest: Manifest) -> list[str]:
    """The paths of a manifest that are missing below `content` or were changed."""
    return [path for path, stamp in manifest.items() if Stamp.of(content / path if path else content) != stamp]


def read_manifest(path: Path) -> dict[str, Stamp] | None:
    """A manifest as written by `write_manifest`; None if it is absent or unreadable."""
    try:
        return {name: Stamp(**stamp) for name, stamp in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the manifest so that it is there as a whole or not at all."""
    text = json.dumps({name: asdict(stamp) for name, stamp in sorted(manifest.items())})
    write_whole(path, text.encode())


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file so that a crash leaves the old one or the new one."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    fsync(path.parent)


def fsync(path: Path) -> None:
    """Bring a file or a directory's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file or a tree, read-only directories too; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        for directory, _names, _files in os.walk(path):
            Path(directory).chmod(0o700)
        shutil.rmtree(path)
        return
    path.unlink(missing_ok=True)


def _walk(root: Path) -> Iterator[tuple[str, Path]]:
    for directory, names, files in os.walk(root):
        here = Path(directory)
        links = [name for name in names if (here / name).is_symlink()]
        for name in (*files, *links):
            path = here / name
            yield path.relative_to(root).as_posix(), path


def _seal(content: Path, artifact: Artifact) -> None:
    """Refuse links that leave the artifact; make everything read-only and bring it to the disk."""
    found = dict(_walk(content)) if content.is_dir() else {"": content}
    for path, file in found.items():
        if file.is_symlink():
            _refuse_escape(content, file, f"{artifact.path}/{path}".rstrip("/"))
            continue
        file.chmod(0o555 if file.stat().st_mode & 0o111 else 0o444)
        fsync(file)
    for directory in [content, *(file.parent for file in found.values())] if content.is_dir() else []:
        with suppress(FileNotFoundError):
            directory.chmod(0o555)


def _refuse_escape(content: Path, link: Path, shown: str) -> None:
    target = (link.parent / link.readlink()).resolve()
    if not target.is_relative_to(content.resolve()):
        text = f"{shown} is a symbolic link that leaves the artifact; replace it by the file it points to"
        raise ReleaseError("ArtifactUnsafe", text)
