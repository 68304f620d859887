"""Which endpoints a changed path concerns."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from spec.findings import Findings

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Trace:
    """What one endpoint depends on."""

    paths: frozenset[str]
    """Files and folders."""
    assets: frozenset[tuple[str, str]]
    """Kind and name of models and environments."""

    @classmethod
    def of(cls, findings: Findings) -> "Trace":
        """What was found while the endpoint was resolved."""
        return cls(frozenset(findings.paths), frozenset(findings.assets))


@dataclass(frozen=True, slots=True)
class Watches:
    """Every endpoint's dependencies, both ways round."""

    traces: Mapping[str, Trace] = field(default_factory=dict)
    by_path: Mapping[str, frozenset[str]] = field(default_factory=dict)
    by_asset: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    def of_paths(self, paths: Iterable[str]) -> set[str]:
        """Endpoints that depend on one of the paths, or on a folder above it."""
        return {name for path in paths for above in _ancestry(path) for name in self.by_path.get(above, ())}

    def of_asset(self, asset: tuple[str, str] | None) -> frozenset[str]:
        """Endpoints that refer to a model or environment."""
        return self.by_asset.get(asset, frozenset()) if asset is not None else frozenset()

    def changed(self, traces: Mapping[str, Trace | None]) -> "Watches":
        """The watches with these endpoints' dependencies replaced (None: the endpoint is gone)."""
        all_traces = dict(self.traces)
        by_path, by_asset = dict(self.by_path), dict(self.by_asset)
        old = {name: all_traces.pop(name) for name in traces if name in all_traces}
        new = {name: trace for name, trace in traces.items() if trace is not None}
        all_traces |= new
        _rewrite(by_path, ((name, trace.paths) for name, trace in old.items()), _pairs_of_paths(new))
        _rewrite(by_asset, ((name, trace.assets) for name, trace in old.items()), _pairs_of_assets(new))
        return Watches(all_traces, by_path, by_asset)


def _pairs_of_paths(traces: Mapping[str, Trace]) -> Iterator[tuple[str, frozenset[str]]]:
    return ((name, trace.paths) for name, trace in traces.items())


def _pairs_of_assets(traces: Mapping[str, Trace]) -> Iterator[tuple[str, frozenset[tuple[str, str]]]]:
    return ((name, trace.assets) for name, trace in traces.items())


def _rewrite(
    table: dict[K, frozenset[str]],
    removed: Iterable[tuple[str, frozenset[K]]],
    added: Iterable[tuple[str, frozenset[K]]],
) -> None:
    """Take names out and put names in, each key of the table rebuilt once."""
    gone, come = _grouped(removed), _grouped(added)
    for key in gone.keys() | come.keys():
        names = (table.get(key, frozenset()) - gone.get(key, set())) | come.get(key, set())
        if names:
            table[key] = names
        else:
            table.pop(key, None)


def _grouped(pairs: Iterable[tuple[str, frozenset[K]]]) -> dict[K, set[str]]:
    groups: dict[K, set[str]] = {}
    for name, keys in pairs:
        for key in keys:
            groups.setdefault(key, set()).add(name)
    return groups


def _ancestry(path: str) -> Iterator[str]:
    yield path
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
    yield ""
