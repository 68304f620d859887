"""Releases laid out on disk as Azure does: the model below its name and version, the code below its basename."""

import hashlib
import os
import shutil
import sys
import uuid
from collections.abc import Iterable, Iterator
from importlib import resources
from itertools import chain
from pathlib import Path

from runtime.artifacts import Artifacts, Stamp, fsync, read_manifest, remove, write_manifest, write_whole
from runtime.fault import disk
from runtime.layout import Layout, release_root
from spec.release import Artifact, Recipe, ReleaseRef, Server

LINK_FROM = 16 * 1024 * 1024
"""Bytes from which on a file is shared with the store (read-only) where the file system cannot clone it."""

_FICLONE = 0x40049409
_SERVER_FILES = ("gunicorn_conf.py", "mlflow_score.py")
_MANIFEST = "layout.json"


class Layouts:
    """The directories of releases below `<state>/releases`; small files are the release's own copies."""

    def __init__(self, state: Path, artifacts: Artifacts) -> None:
        self._releases = state / "releases"
        self._temp = state / "tmp"
        self._artifacts = artifacts

    def at(self, release: ReleaseRef, recipe: Recipe) -> Layout:
        """Where the release lies, whether it is there or not."""
        root = release_root(self._releases, release)
        model = recipe.model
        code = recipe.code if recipe.server is not Server.MLFLOW else None
        models = root / "azureml-models"
        return Layout(
            release=release,
            root=root,
            model_dir=models / model.name / model.version if model else models,
            app_root=root / "azureml-app" / _basename(code.artifact, "code") if code else root / "server",
            server=root / "server",
            home=root / "home",
            # Short, since programs put unix sockets there and their paths end at 100 bytes.
            temp=self._temp / _short(release),
        )

    def ensure(self, release: ReleaseRef, recipe: Recipe) -> Layout:
        """Lay the release out, or put back what is missing or changed; raises as `Artifacts.ensure` does."""
        layout = self.at(release, recipe)
        contents = [(artifact, self._artifacts.ensure(artifact), to) for artifact, to in _placed(recipe, layout)]
        with disk(f"{release} cannot be laid out at {layout.root}"):
            for directory in (layout.root, layout.model_dir, layout.app_root, layout.server):
                directory.mkdir(parents=True, exist_ok=True)
            for private in (layout.home, layout.temp):
                private.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_server_files(layout.server)
            self._place(layout, contents)
        return layout

    def damaged(self, release: ReleaseRef, recipe: Recipe) -> Path | None:
        """The first of the release's files and directories that is not as it was laid out; None: all are."""
        layout = self.at(release, recipe)
        recorded = read_manifest(layout.root / _MANIFEST)
        if recorded is None:
            return layout.root / _MANIFEST if layout.root.is_dir() else layout.root
        made = (layout.model_dir, layout.app_root, layout.home, layout.temp)
        gone = [path for path in made if not path.is_dir()]
        gone += [path for name in _SERVER_FILES if not (path := layout.server / name).is_file()]
        changed = (layout.root / path for path, stamp in recorded.items() if Stamp.of(layout.root / path) != stamp)
        return next(chain(gone, changed), None)

    def remove(self, release: ReleaseRef, recipe: Recipe) -> None:
        """Remove the release's directory; its artifacts stay."""
        layout = self.at(release, recipe)
        remove(layout.root)
        remove(layout.temp)

    def collect(self, live: Iterable[ReleaseRef]) -> list[Path]:
        """Remove the directories of all releases but `live`; return those removed."""
        releases = list(live)
        keep = {release_root(self._releases, release) for release in releases}
        temps = {_short(release) for release in releases}
        gone = [path for path in sorted(self._releases.glob("*/*")) if path not in keep]
        for path in (*gone, *(path for path in self._temp.glob("?" * 12) if path.name not in temps)):
            remove(path)
        return gone

    def _place(self, layout: Layout, contents: Iterable[tuple[Artifact, Path, Path]]) -> None:
        recorded = read_manifest(layout.root / _MANIFEST) or {}
        stamps: dict[str, Stamp] = {}
        for artifact, content, target in contents:
            for path in self._artifacts.manifest(artifact.oid) or {}:
                source, placed = (content / path, target / path) if path else (content, target)
                key = placed.relative_to(layout.root).as_posix()
                if key not in recorded or Stamp.of(placed) != recorded[key]:
                    place(source, placed)
                stamps[key] = Stamp.of(placed) or Stamp(0, 0)
        if stamps != recorded or not (layout.root / _MANIFEST).exists():
            write_manifest(layout.root / _MANIFEST, stamps)


def place(source: Path, target: Path) -> None:
    """Put `source` at `target`: a clone or a copy of its own, or a read-only hard link if it is large.

    What is at `target` is replaced at once, so that a process that has it open keeps what it had.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not target.is_symlink():
        remove(target)
    partial = target.with_name(f".{uuid.uuid4().hex}")
    try:
        _transfer(source, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _transfer(source: Path, target: Path) -> None:
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    stat = source.stat()
    if stat.st_size >= LINK_FROM and (_clone(source, target) or _link(source, target)):
        return
    shutil.copyfile(source, target)
    target.chmod(0o755 if stat.st_mode & 0o111 else 0o644)
    fsync(target)


def _clone(source: Path, target: Path) -> bool:
    """Share the blocks until one side writes (Btrfs, XFS); False where the file system cannot."""
    if sys.platform != "linux":
        return False
    import fcntl

    with source.open("rb") as reader, target.open("wb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError:
            cloned = False
        else:
            cloned = True
    if not cloned:
        target.unlink()
    return cloned


def _link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def _placed(recipe: Recipe, layout: Layout) -> Iterator[tuple[Artifact, Path]]:
    if recipe.model is not None:
        artifact = recipe.model.artifact
        yield artifact, layout.model_dir / _basename(artifact, recipe.model.name)
    if recipe.code is not None and recipe.server is not Server.MLFLOW:
        yield recipe.code.artifact, layout.app_root


def _short(release: ReleaseRef) -> str:
    return hashlib.sha256(str(release).encode()).hexdigest()[:12]


def _basename(artifact: Artifact, fallback: str) -> str:
    """The repository's root has no basename of its own."""
    return artifact.basename if artifact.basename not in {"", ".", ".."} else fallback


def _write_server_files(directory: Path) -> None:
    package = resources.files("runtime.servers")
    for name in _SERVER_FILES:
        text = package.joinpath(name).read_bytes()
        path = directory / name
        if not path.is_file() or path.read_bytes() != text:
            write_whole(path, text)
