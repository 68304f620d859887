"""Paths that are there and cannot be read: what they declared before must not be taken for removed."""

from collections.abc import Iterable, Mapping

from spec.catalog import Unreadable
from spec.document import Document
from spec.facts import is_yaml
from spec.problem import Problem
from spec.repository import Repository


def find_all(repository: Repository) -> Mapping[str, Unreadable]:
    """All of a commit, by path."""
    both = ((path, _find(repository, path)) for path in repository.entries)
    return {path: found for path, found in both if found is not None}


def renewed(
    before: Mapping[str, Unreadable], repository: Repository, paths: Iterable[str]
) -> Mapping[str, Unreadable]:
    """Those of the commit after a change of these paths; the same object where nothing differs."""
    found = {path: _find(repository, path) for path in paths}
    changed = {path: now for path, now in found.items() if now != before.get(path)}
    if not changed:
        return before
    return {path: now for path, now in {**before, **changed}.items() if now is not None}


def _find(repository: Repository, path: str) -> Unreadable | None:
    entry = repository.entries.get(path)
    if entry is None:
        return None
    if entry.kind in ("symlink", "submodule"):
        message = f"This is a {entry.kind}, which is not followed: put the files themselves here."
        return Unreadable(Problem(path, 0, 0, "", message))
    return _judge(repository.raw(path)) if is_yaml(path) else None


def _judge(document: Document) -> Unreadable | None:
    """A file that is empty, or a mapping that is nothing of ours, can be read: it asks for nothing."""
    if document.data is None:
        return Unreadable(document.problems[0]) if document.problems else None
    if isinstance(document.data, dict):
        return None
    what = "a list" if isinstance(document.data, list) else "a single value"
    return Unreadable(document.problem((), f"This file holds {what} and not one mapping: write `key: value` lines."))
