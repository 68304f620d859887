"""A commit's files to its catalog, wholly or, after a change, only as far as the change reaches."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from spec.catalog import Catalog, EndpointSpec, differing
from spec.cautions import cautions, lost_checks, mapped, unchecked, unjudged, unset
from spec.facts import Fact, gather, is_yaml
from spec.files import Changes, Files
from spec.findings import Findings
from spec.index import Index
from spec.presumption import presume
from spec.problem import Problem, Severity
from spec.repository import Repository
from spec.resolution import endpoint as endpoints
from spec.resolution.ground import Ground
from spec.rollout.choice import Claim, Policies, choose
from spec.settings import Settings, read_settings, read_values
from spec.unreadable import find_all, passed_over, renewed
from spec.watches import Trace, Watches

_GLOBAL = ("settings", "values")
_NOBODY = ""
"""Stands for an endpoint's name where what nobody owns is watched."""


@dataclass(frozen=True, slots=True)
class Common:
    """What the repository's own settings and values say, and what is wrong with them."""

    settings: Settings = field(default_factory=Settings)
    settings_file: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    is_settled: bool = True
    """False: the settings cannot be read, so every endpoint keeps its last good spec."""
    conda: bool = False
    """Whether a real conda makes the environments of conda files."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A catalog, and what loading the next commit needs of it."""

    catalog: Catalog
    index: Index = field(default=Index(), repr=False)
    watches: Watches = field(default=Watches(), repr=False)
    common: Common = field(default=Common(), repr=False)
    left_out: tuple[Problem, ...] = ()
    """Warnings on entries that the source leaves out."""
    resolved: Mapping[str, EndpointSpec] = field(default_factory=dict, repr=False)
    """Endpoints whose own files are right, before a policy is chosen for them."""
    policies: Policies = field(default=Policies(), repr=False)
    hints: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict, repr=False)
    """Endpoint → warnings on its deployments, and on how its policy goes together with them."""


def load(
    commit: str,
    files: Files,
    previous: Loaded | None = None,
    changes: Changes | None = None,
    *,
    conda: bool = False,
) -> Loaded:
    """Load a commit; with `previous` and `changes` only what the changes reach is read and resolved again.

    With `conda` a real conda makes the environments of conda files, so what only conda has is no problem.
    """
    if previous is None or changes is None or previous.common.conda != conda:
        return _load_all(commit, files, previous, conda=conda)
    repository = Repository(files, previous.common.values)
    deltas = _deltas(repository, previous.index, changes)
    concerned = previous.watches.of_paths(changes.paths)
    left_out, unreadable = files.problems(), renewed(previous.catalog.unreadable, repository, changes.paths)
    catalog = replace(previous.catalog, commit=commit, unreadable=unreadable)
    is_same = left_out == previous.left_out and unreadable is previous.catalog.unreadable
    if not deltas and not concerned and is_same:
        return replace(previous, catalog=catalog)
    if _reaches_all(deltas, previous.index):
        return _load_all(commit, files, previous, conda=conda)
    draft = replace(previous, catalog=catalog, left_out=left_out)
    return _load_changes(commit, repository, draft, (deltas, concerned))


def affected(previous: Loaded | None, loaded: Loaded) -> frozenset[str]:
    """Names of endpoints whose spec or whose problems differ."""
    return differing(previous.catalog if previous is not None else Catalog(""), loaded.catalog)


def _load_all(commit: str, files: Files, previous: Loaded | None, *, conda: bool) -> Loaded:
    repository = Repository(files)
    known = previous.index.facts if previous is not None else {}
    paths = sorted(path for path in repository.entries if _is_candidate(repository, path, known))
    values, problems = _values(repository, paths)
    repository.use(values)
    facts = {path: gather(repository.document(path), known.get(path)) for path in paths}
    index = Index().changed(presume(Index(), facts))
    common = replace(_common(repository, index, values, problems), conda=conda)
    policies = Policies.of(index.claims.values())
    catalog = Catalog(commit, unreadable=find_all(repository))
    draft = Loaded(catalog, index, Watches(), common, files.problems(), policies=policies)
    return _resolve(commit, repository, draft, (index.asked(), ()), previous)


def _is_candidate(repository: Repository, path: str, known: Mapping[str, Fact]) -> bool:
    kind = repository.entries[path].kind
    was_ours = path in known and known[path].kind != "presumable"
    return is_yaml(path) and (kind in ("file", "executable") or (kind == "symlink" and was_ours))


def _values(repository: Repository, paths: Iterable[str]) -> tuple[Mapping[str, str], tuple[Problem, ...]]:
    """The placeholders' values, before any placeholder is filled."""
    found = [path for path in paths if repository.raw(path).mapping.get("kind") == "values"]
    if len(found) > 1:
        return {}, _rivals(repository, found, "values")
    return read_values(repository.raw(found[0])) if found else ({}, ())


def _rivals(repository: Repository, paths: list[str], kind: str) -> tuple[Problem, ...]:
    listed = " and ".join(f"`{path}`" for path in paths)
    message = f"A repository has one file of `kind: {kind}`, and here are {listed}: keep one."
    return tuple(
        repository.raw(path).problem(("kind",), message, found=kind, allowed="one such file") for path in paths
    )


def _common(repository: Repository, index: Index, values: Mapping[str, str], problems: tuple[Problem, ...]) -> Common:
    wordless = (fact.problems for fact in index.flagged.values() if fact.kind == "values")
    problems = (*problems, *(problem for found in wordless for problem in found))
    paths = sorted(path for path, fact in index.flagged.items() if fact.kind == "settings")
    unreadable = tuple(problem for path in paths for problem in index.facts[path].problems)
    if len(paths) > 1 or unreadable:
        wrong = unreadable or _rivals(repository, paths, "settings")
        return Common(values=values, problems=(*problems, *wrong), is_settled=False)
    if not paths:
        return Common(values=values, problems=problems)
    settings, wrong = read_settings(repository.document(paths[0]))
    return Common(settings, paths[0], values, (*problems, *wrong), is_settled=not wrong)


def _deltas(repository: Repository, index: Index, changes: Changes) -> dict[str, Fact | None]:
    """What changed files of ours are now; files that were and are nothing of ours are left out."""
    deltas: dict[str, Fact | None] = {}
    for path in sorted(path for path in changes.paths if is_yaml(path)):
        before = index.facts.get(path)
        is_there = path in repository.entries and _is_candidate(repository, path, index.facts)
        after = gather(repository.document(path), before) if is_there else None
        if before is not None or after is not None:
            deltas[path] = after
    return presume(index, deltas) if deltas else deltas


def _reaches_all(deltas: Mapping[str, Fact | None], index: Index) -> bool:
    facts = (*deltas.values(), *(index.facts.get(path) for path in deltas))
    return any(fact is not None and fact.kind in _GLOBAL for fact in facts)


def _load_changes(
    commit: str, repository: Repository, previous: Loaded, reach: tuple[Mapping[str, Fact | None], set[str]]
) -> Loaded:
    deltas, concerned = reach
    index = previous.index.changed(deltas)
    names = set(concerned)
    for path, fact in deltas.items():
        before = previous.index.facts.get(path)
        for one in (before, fact):
            names.update(previous.index.names(one), index.names(one))
            names.update(previous.watches.of_asset(one.asset if one is not None else None))
    claims = _changed_claims(previous.index, index, deltas)
    draft = replace(previous, index=index)
    if claims:
        draft = replace(draft, policies=Policies.of(index.claims.values()))
    return _resolve(commit, repository, draft, (sorted(names), _claimed(previous, claims)), previous)


def _changed_claims(before: Index, after: Index, paths: Iterable[str]) -> list[Claim]:
    """What changed policies claim, and what they claimed."""
    both = ((before.claims.get(path), after.claims.get(path)) for path in paths)
    return [one for old, new in both if old != new for one in (old, new) if one is not None]


def _claimed(previous: Loaded, claims: list[Claim]) -> list[str]:
    """The endpoints whose policy may be another one now."""
    specs = previous.resolved.values() if claims else ()
    return [spec.name for spec in specs if any(claim.concerns(spec.name, spec.tags) for claim in claims)]


def _resolve(
    commit: str,
    repository: Repository,
    draft: Loaded,
    reach: tuple[Iterable[str], Iterable[str]],
    previous: Loaded | None,
) -> Loaded:
    """Resolve the first named endpoints anew on the draft's index; choose policies for these and the others."""
    names, claimed = reach
    common, index = draft.common, draft.index
    ground = Ground(repository, common.settings, index.assets, common.settings_file, common.conda, common.is_settled)
    known = previous.resolved if previous is not None else {}
    resolved, broken = dict(draft.resolved), dict(draft.catalog.broken)
    traces: dict[str, Trace | None] = {}
    for name in names:
        resolved.pop(name, None)
        broken.pop(name, None)
        traces[name] = None
        if not index.is_asked(name):
            continue
        spec, problems, traces[name] = _one(ground, common, index, name)
        if spec is None:
            broken[name] = problems
        else:
            resolved[name] = _same(known.get(name), spec)
    strays = _strays(ground, index)
    traces[_NOBODY] = Trace.of(strays) if strays.paths else None
    draft = replace(draft, resolved=resolved, watches=draft.watches.changed(traces))
    chosen = {*traces, *claimed}
    good = _attach(repository, draft, chosen, broken, previous)
    draft = replace(draft, hints=_hints(repository, draft, chosen, good))
    return replace(draft, catalog=_catalog(commit, repository, draft, (good, broken), strays.problems))


def _hints(
    repository: Repository, draft: Loaded, names: Iterable[str], good: Mapping[str, EndpointSpec]
) -> dict[str, tuple[Problem, ...]]:
    """All hints, those of the named endpoints made anew."""
    found = dict(draft.hints)
    for name in names:
        found.pop(name, None)
        spec = good.get(name)
        said = (*unchecked(spec), *mapped(spec), *unset(repository, spec)) if spec is not None else ()
        found |= {name: said} if said else {}
    return found


def _attach(
    repository: Repository,
    draft: Loaded,
    names: Iterable[str],
    broken: dict[str, tuple[Problem, ...]],
    previous: Loaded | None,
) -> dict[str, EndpointSpec]:
    """All good endpoints, the named ones with their policies chosen anew; those without one join the broken."""
    good = dict(draft.catalog.endpoints)
    known = previous.catalog.endpoints if previous is not None else {}
    for name in names:
        good.pop(name, None)
        spec = draft.resolved.get(name)
        if spec is None:
            continue
        broken.pop(name, None)
        policy, problems = choose(repository, draft.policies.claims(name, spec.tags), name)
        if policy is None:
            broken[name] = problems
        else:
            whole = spec if policy is spec.policy else replace(spec, policy=policy)
            if stuck := unjudged(whole):
                broken[name] = stuck
            else:
                good[name] = _same(known.get(name), whole)
    return good


def _same(old: EndpointSpec | None, new: EndpointSpec) -> EndpointSpec:
    """The old object where it equals the new, so that what is unchanged is seen at a glance."""
    if old is None or old != new or _origin(old) != _origin(new):
        return new
    return old


def _origin(spec: EndpointSpec) -> tuple[str, str]:
    """What equal policies may differ in."""
    return spec.policy.name, spec.policy.file


def _one(
    ground: Ground, common: Common, index: Index, name: str
) -> tuple[EndpointSpec | None, tuple[Problem, ...], Trace]:
    spec, findings = endpoints.resolve(ground, name, index.members(name), index.declared)
    unsettled = () if common.is_settled else common.problems
    problems = tuple(sorted({*unsettled, *findings.problems}))
    return None if unsettled else spec, problems, Trace.of(findings)


def _catalog(
    commit: str,
    repository: Repository,
    draft: Loaded,
    outcome: tuple[dict[str, EndpointSpec], dict[str, tuple[Problem, ...]]],
    strays: list[Problem],
) -> Catalog:
    good, broken = outcome
    index, common = draft.index, draft.common
    unattributed = {*common.problems, *strays}
    unreadable = draft.catalog.unreadable
    warnings: set[Problem] = {*cautions(repository, index, draft.policies), *passed_over(unreadable, index.facts)}
    warnings.update(problem for found in draft.hints.values() for problem in found)
    for fact in index.flagged.values():
        if fact.kind == "unread":
            unattributed.update(fact.problems)
        elif fact.kind in ("unknown", "model", "environment"):
            warnings.update(replace(problem, severity=Severity.WARNING) for problem in fact.problems)
    said = {replace(problem, severity=Severity.WARNING) for found in broken.values() for problem in found}
    return Catalog(
        commit,
        good,
        broken,
        tuple(sorted(unattributed)),
        tuple(sorted((warnings - said).union(draft.left_out))),
        common.settings.max_removed_share,
        unreadable,
    )


def _strays(ground: Ground, index: Index) -> Findings:
    """What is wrong with the files whose folder does not tell their endpoint."""
    findings = Findings()
    for fact in index.strays():
        if fact.kind == "deployment":
            endpoints.check_stray(ground, fact.path, findings)
        else:
            findings.problems.extend(fact.problems if fact.kind == "broken" else (lost_checks(fact),))
    return findings
