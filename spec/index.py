"""Facts by what they are looked up by; a change makes a new index and leaves the old one as it was."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from spec.facts import Fact
from spec.resolution.endpoint import Members
from spec.rollout.choice import Claim

K = TypeVar("K", bound=Hashable)

Paths = Mapping[K, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Index:
    """The facts of one commit."""

    facts: Mapping[str, Fact] = field(default_factory=dict)
    owned: Paths[str] = field(default_factory=dict)
    """Endpoint → files that name it."""
    declaring: Paths[str] = field(default_factory=dict)
    """Folder → endpoint files in it."""
    loose: Paths[str] = field(default_factory=dict)
    """Folder → files in it that name no endpoint."""
    assets: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    """Kind and name → path → version."""
    flagged: Mapping[str, Fact] = field(default_factory=dict)
    """Files with something to say on their own."""
    claims: Mapping[str, Claim] = field(default_factory=dict)
    """Policies, by path."""
    presumable: Paths[str] = field(default_factory=dict)
    """Name → files that are its endpoint, or would be if a deployment asked for it."""
    presumable_in: Paths[str] = field(default_factory=dict)
    """Folder → such files in it."""

    def changed(self, deltas: Mapping[str, Fact | None]) -> "Index":
        """The index with these files replaced (None: gone, or nothing of ours)."""
        draft = _Draft(self)
        for path, fact in deltas.items():
            draft.remove(self.facts.get(path))
            draft.add(fact)
        return draft.finish()

    def names_in(self, folder: str) -> frozenset[str]:
        """The endpoints that files in the folder declare."""
        return frozenset(self.facts[path].name for path in self.declaring.get(folder, ()))

    def declared(self) -> list[str]:
        """The endpoints that have a file of their own."""
        return sorted({self.facts[path].name for paths in self.declaring.values() for path in paths})

    def members(self, name: str) -> Members:
        """The endpoint's files, with the loose ones of a folder that holds no other endpoint."""
        facts = [self.facts[path] for path in self.owned.get(name, ())]
        folders = {fact.folder for fact in facts if fact.kind == "endpoint"}
        alone = [folder for folder in folders if len(self.names_in(folder)) == 1]
        facts += [self.facts[path] for folder in alone for path in self.loose.get(folder, ())]
        by_kind = {
            kind: tuple(sorted(fact.path for fact in facts if fact.kind == kind))
            for kind in ("endpoint", "deployment", "broken", "checks")
        }
        return Members(by_kind["endpoint"], by_kind["deployment"], by_kind["broken"], by_kind["checks"])

    def is_declared(self, name: str) -> bool:
        """Whether the endpoint has a file of its own."""
        return any(self.facts[path].kind == "endpoint" for path in self.owned.get(name, ()))

    def is_asked(self, name: str) -> bool:
        """Whether a file asks for the endpoint; checks alone do not."""
        return any(self.facts[path].kind != "checks" for path in self.owned.get(name, ()))

    def asked(self) -> list[str]:
        """The endpoints that some file asks for, sorted."""
        return sorted(name for name in self.owned if self.is_asked(name))

    def names(self, fact: Fact | None) -> Iterable[str]:
        """The endpoints that a file's appearing, changing or going may concern."""
        if fact is None:
            return ()
        own = {fact.endpoint} - {""}
        return own | self.names_in(fact.folder) if fact.is_loose or fact.kind == "endpoint" else own

    def strays(self) -> Iterable[Fact]:
        """Loose files whose folder does not tell the endpoint."""
        folders = (folder for folder in self.loose if len(self.names_in(folder)) != 1)
        return (self.facts[path] for folder in folders for path in self.loose[folder])


class _Draft:
    """Copies of an index's tables, and what is done to them."""

    def __init__(self, index: Index) -> None:
        self._facts = dict(index.facts)
        self._owned = dict(index.owned)
        self._declaring = dict(index.declaring)
        self._loose = dict(index.loose)
        self._assets = dict(index.assets)
        self._flagged = dict(index.flagged)
        self._claims = dict(index.claims)
        self._presumable = dict(index.presumable)
        self._presumable_in = dict(index.presumable_in)

    def add(self, fact: Fact | None) -> None:
        if fact is None:
            return
        self._facts[fact.path] = fact
        if fact.endpoint:
            _put(self._owned, fact.endpoint, fact.path)
        if fact.kind == "endpoint":
            _put(self._declaring, fact.folder, fact.path)
        if fact.is_presumable:
            _put(self._presumable, fact.name, fact.path)
            _put(self._presumable_in, fact.folder, fact.path)
        if fact.is_loose:
            _put(self._loose, fact.folder, fact.path)
        if fact.asset is not None:
            self._assets[fact.asset] = {**self._assets.get(fact.asset, {}), fact.path: fact.version}
        if fact.is_flagged:
            self._flagged[fact.path] = fact
        if fact.claim is not None:
            self._claims[fact.path] = fact.claim

    def remove(self, fact: Fact | None) -> None:
        if fact is None:
            return
        self._facts.pop(fact.path, None)
        self._flagged.pop(fact.path, None)
        self._claims.pop(fact.path, None)
        _take(self._owned, fact.endpoint, fact.path)
        _take(self._declaring, fact.folder, fact.path)
        _take(self._loose, fact.folder, fact.path)
        _take(self._presumable, fact.name, fact.path)
        _take(self._presumable_in, fact.folder, fact.path)
        if fact.asset is not None:
            rest = {path: version for path, version in self._assets.get(fact.asset, {}).items() if path != fact.path}
            self._assets.pop(fact.asset, None)
            self._assets |= {fact.asset: rest} if rest else {}

    def finish(self) -> Index:
        return Index(
            self._facts,
            self._owned,
            self._declaring,
            self._loose,
            self._assets,
            self._flagged,
            self._claims,
            self._presumable,
            self._presumable_in,
        )


def _put(table: dict[K, frozenset[str]], key: K, path: str) -> None:
    table[key] = table.get(key, frozenset()) | {path}


def _take(table: dict[K, frozenset[str]], key: K, path: str) -> None:
    rest = table.get(key, frozenset()) - {path}
    if rest:
        table[key] = rest
    else:
        table.pop(key, None)
