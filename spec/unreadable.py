"""Paths that are there and cannot be read: what they declared before must not be taken for removed."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from spec.catalog import Unreadable
from spec.document import Document
from spec.facts import is_yaml
from spec.problem import Problem, Severity
from spec.repository import Repository

SHOWN_LIMIT = 100
"""Files that are passed over and told one by one."""
_NO_TEXT = ("\0", "\ufffd")
"""What a file that is no UTF-8 has in its text as far as it is read."""


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


def passed_over(unreadable: Mapping[str, Unreadable], told: Collection[str]) -> Iterator[Problem]:
    """Warnings on YAML files that may be meant for Headgate, for all that can be seen of them, but `told` ones."""
    opaque = sorted(path for path, found in unreadable.items() if found.is_opaque and is_yaml(path))
    paths = [path for path in opaque if path not in told]
    for path in paths[:SHOWN_LIMIT]:
        problem = unreadable[path].problem
        message = f"{problem.message} It is passed over, which is right if it is not meant for Headgate."
        yield replace(problem, message=message, severity=Severity.WARNING)
    if len(paths) > SHOWN_LIMIT:
        rest = len(paths) - SHOWN_LIMIT
        message = f"{rest:,} more YAML files are passed over for like reasons: links, or no UTF-8 text."
        yield Problem("", 0, 0, "", message, severity=Severity.WARNING)


def _find(repository: Repository, path: str) -> Unreadable | None:
    entry = repository.entries.get(path)
    if entry is None:
        return None
    if entry.kind in ("symlink", "submodule"):
        message = f"This is a {entry.kind}, which is not followed: put the files themselves here."
        return Unreadable(Problem(path, 0, 0, "", message), is_opaque=True)
    return _judge(repository.raw(path)) if is_yaml(path) else None


def _judge(document: Document) -> Unreadable | None:
    """A file that is empty, or a mapping that is nothing of ours, can be read: it asks for nothing."""
    if document.data is None:
        is_opaque = any(sign in document.text for sign in _NO_TEXT)
        return Unreadable(document.problems[0], is_opaque) if document.problems else None
    if isinstance(document.data, dict):
        return None
    what = "a list" if isinstance(document.data, list) else "a single value"
    return Unreadable(document.problem((), f"This file holds {what} and not one mapping: write `key: value` lines."))
