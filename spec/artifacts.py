"""Paths in YAML files to artifacts of the repository."""

import re

from spec.document import show
from spec.findings import Scope
from spec.release import Artifact
from spec.repository import Repository, join

_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def find(repository: Repository, scope: Scope, path: str, *keys: str) -> Artifact | None:
    """The file or folder that a field names, or None with a problem at that field."""
    target = _locate(repository, scope, path, keys)
    if target is None:
        return None
    entry = repository.entries.get(target)
    if entry is not None:
        return Artifact(entry.oid, "file", target)
    folder = repository.directory(target)
    if folder is not None:
        return Artifact(folder.oid, "directory", target)
    dotted = scope.name(*keys)
    message = (
        f"`{dotted}` names `{show(target)}`, which is not in the repository.{repository.neighbours(target, path)}"
    )
    scope.error(message, *keys, found=path, allowed="a path relative to this file")
    return None


def find_directory(repository: Repository, scope: Scope, path: str, *keys: str) -> Artifact | None:
    """Like `find`, for a folder."""
    found = find(repository, scope, path, *keys)
    if found is not None and found.kind == "file":
        message = f"`{scope.name(*keys)}` must be a folder, and `{found.path}` is a file."
        scope.error(message, *keys, found=path, allowed="a folder")
        return None
    return found


def _locate(repository: Repository, scope: Scope, path: str, keys: tuple[str, ...]) -> str | None:
    dotted = scope.name(*keys)
    if _REMOTE.match(path):
        message = (
            f"`{dotted}` is not a path of the repository: put the files into it and name them by a relative path."
        )
        scope.error(message, *keys, found=path, allowed="a path relative to this file")
        return None
    target = join(scope.folder, path)
    if target is None or "\0" in path:
        message = f"`{dotted}` leaves the repository: name a path within it, relative to this file."
        scope.error(message, *keys, found=path, allowed="a path relative to this file")
        return None
    scope.findings.paths.add(target)
    obstacle = repository.obstacle(target)
    if obstacle is not None:
        scope.error(f"`{dotted}` cannot be used: {obstacle}", *keys, found=path, allowed="files and folders")
        return None
    return target
