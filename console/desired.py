"""What a plan may be of, read and loaded: edits of a working copy, any revision, or a folder. Blocks."""

from pathlib import Path

from console.planning import MOST_EDITED, Desired
from console.plans import PlanSubject
from forge.directory import open_directory
from forge.location import parse_location
from forge.peek import Glimpse, find_top, revision, working_copy
from spec.catalog import Catalog
from spec.errors import HeadgateError
from spec.loader import load


def of_edits(repository: str, folder: str, *, conda: bool) -> Desired | None:
    """A local working copy with its edits; None where there are none, or no working copy."""
    place = parse_location(repository)
    top = Path(place.target)
    if not place.is_local or not (top / ".git").exists():
        return None
    with working_copy(top, folder) as found:
        if not found.edited:
            return None
        return Desired(_load(found, conda=conda), _subject("edits", str(top), found), found.snapshot.message)


def of_revision(repository: str, folder: str, name: str, *, conda: bool, mirror: Path | None = None) -> Desired:
    """One revision of a repository. Raises `HeadgateError` if there is none of that name."""
    with revision(repository, name, folder, mirror=mirror) as found:
        return Desired(_load(found, conda=conda), _subject("revision", name, found), found.snapshot.message)


def of_folder(path: Path, name: str | None, *, conda: bool) -> Desired:
    """A folder of specs on this machine as it is on disk, or (in a repository) at a revision."""
    root = path.expanduser().absolute()
    if not root.is_dir():
        raise HeadgateError(f"{path} is not a folder: give the root of the repository, or a folder in it.")
    top = find_top(root)
    if top is None:
        if name is None:
            catalog = load("", open_directory(root), conda=conda).catalog
            return Desired(catalog, PlanSubject(kind="directory", name=str(root)))
        return of_revision(str(root), "", name, conda=conda)
    folder = "" if root == top else root.relative_to(top).as_posix()
    if name is not None:
        return of_revision(str(top), folder, name, conda=conda)
    with working_copy(top, folder) as found:
        return Desired(_load(found, conda=conda), _subject("directory", str(root), found), found.snapshot.message)


def _load(found: Glimpse, *, conda: bool) -> Catalog:
    return load(found.snapshot.commit, found.snapshot.files, conda=conda).catalog


def _subject(kind: str, name: str, found: Glimpse) -> PlanSubject:
    return PlanSubject.model_validate(
        {
            "kind": kind,
            "name": name,
            "base": found.base or None,
            "edited": found.edited[:MOST_EDITED],
            "edited_count": len(found.edited),
        }
    )
