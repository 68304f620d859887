"""Which files of a folder's models and code are Git LFS pointers whose objects nobody here has."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from forge.lfs import POINTER_LIMIT, Pointer, find_stored, parse_pointer
from forge.local import find_layout
from forge.peek import find_top
from spec.catalog import Catalog, EndpointSpec
from spec.files import Files
from spec.problem import Problem, Severity


def with_pointers(catalog: Catalog, files: Files, folder: Path) -> Catalog:
    """Add a problem for each pointer on disk whose object the repository around `folder` lacks.

    It is an error, and its endpoints are broken, where there is no git-lfs; else a warning.
    """
    top = find_top(folder)
    store = find_layout(top).common if top else None
    lacking = {path for path, pointer in _pointers(files) if store is None or not find_stored(store, pointer)}
    used = {endpoint.name: _within(endpoint, lacking) for endpoint in catalog.endpoints.values()}
    if shutil.which("git-lfs"):
        found = {_problem(path, Severity.WARNING) for paths in used.values() for path in paths}
        return replace(catalog, warnings=(*catalog.warnings, *sorted(found)))
    broken = {name: tuple(_problem(path, Severity.ERROR) for path in sorted(paths)) for name, paths in used.items()}
    broken = {name: problems for name, problems in broken.items() if problems}
    endpoints = {name: endpoint for name, endpoint in catalog.endpoints.items() if name not in broken}
    return replace(catalog, endpoints=endpoints, broken={**catalog.broken, **broken})


def _pointers(files: Files) -> Iterator[tuple[str, Pointer]]:
    for path, entry in files.entries().items():
        if entry.kind not in ("file", "executable") or entry.size > POINTER_LIMIT:
            continue
        try:
            pointer = parse_pointer(files.read(entry))
        except OSError:
            continue
        if pointer is not None:
            yield path, pointer


def _within(endpoint: EndpointSpec, paths: set[str]) -> set[str]:
    recipes = [deployment.recipe for deployment in endpoint.deployments]
    artifacts = [used.artifact for recipe in recipes for used in (recipe.model, recipe.code) if used is not None]
    roots = {artifact.path for artifact in artifacts}
    return {path for path in paths if any(not root or path == root or path.startswith(f"{root}/") for root in roots)}


def _problem(path: str, severity: Severity) -> Problem:
    advice = {
        Severity.WARNING: "Headgate fetches it where it has git-lfs; `git lfs pull` fetches it here.",
        Severity.ERROR: "run `git lfs pull`, install git-lfs, or commit the file itself.",
    }
    return Problem(path, 0, 0, "", f"This is a Git LFS pointer, not the file: {advice[severity]}", severity=severity)
