"""Files that are an endpoint only because a deployment asks for one: their own keys do not tell."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from spec.facts import Fact
from spec.index import Index


def presume(index: Index, deltas: Mapping[str, Fact | None]) -> dict[str, Fact | None]:
    """The changes, with those among the presumable files that become an endpoint by them, or are one no more."""
    if not index.presumable and not any(fact is not None and fact.is_presumable for fact in deltas.values()):
        return dict(deltas)
    draft = index.changed(deltas)
    both = [fact for path, delta in deltas.items() for fact in (index.facts.get(path), delta) if fact is not None]
    concerned = {path for fact in both for path in _concerned(draft, fact)}
    changed: dict[str, Fact | None] = dict(deltas)
    for path in sorted(concerned):
        fact = draft.facts[path]
        decided = _decided(draft, fact)
        if decided != fact:
            changed[path] = decided
    return changed


def _concerned(index: Index, fact: Fact) -> Iterable[str]:
    names = {fact.name, fact.endpoint}
    named = (path for name in names for path in index.presumable.get(name, ()))
    return (*named, *index.presumable_in.get(fact.folder, ()))


def _decided(index: Index, fact: Fact) -> Fact:
    if _is_asked(index, fact):
        return replace(fact, kind="endpoint", endpoint=fact.name, is_presumed=True)
    return replace(fact, kind="presumable", endpoint="", is_presumed=False)


def _is_asked(index: Index, fact: Fact) -> bool:
    """Whether a deployment asks for this file, no other file is its endpoint, and none may be."""
    owned = [index.facts[path] for path in index.owned.get(fact.name, ())]
    if any(other.kind in ("endpoint", "broken") and not other.is_presumed for other in owned):
        return False
    folders = {other.folder for other in owned if other.kind == "deployment"}
    if folders:
        rivals = index.presumable[fact.name]
        near = {path for path in rivals if index.facts[path].folder in folders}
        return (near or rivals) == {fact.path}
    return _is_asked_by_folder(index, fact)


def _is_asked_by_folder(index: Index, fact: Fact) -> bool:
    """Whether a deployment that names no endpoint lies beside it, and nothing else beside it is an endpoint."""
    certain = (index.facts[path] for path in index.declaring.get(fact.folder, ()))
    if any(not other.is_presumed for other in certain):
        return False
    loose = {index.facts[path].kind for path in index.loose.get(fact.folder, ())}
    return loose - {"checks"} == {"deployment"} and len(index.presumable_in[fact.folder]) == 1
