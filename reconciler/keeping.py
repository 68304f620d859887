"""What a commit does not ask for only because it cannot be read: that is broken, and not removed. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.state import Memory
from spec.catalog import Catalog, EndpointSpec
from spec.problem import Problem


def remembered(memories: Mapping[str, Memory], newer: Mapping[str, EndpointSpec]) -> list[EndpointSpec]:
    """The last good spec of each endpoint that has one; `newer` are those that memory may not have yet."""
    return [newer.get(name, memory.spec) for name, memory in memories.items() if memory.spec is not None]


def keep(catalog: Catalog, last: Iterable[EndpointSpec]) -> Catalog:
    """The catalog, with those endpoints broken of which a file that declared them is there and cannot be read.

    The loader may know that by itself, of an earlier commit; one that has just started does not.
    """
    if not catalog.unreadable:
        return catalog
    broken, kept = dict(catalog.broken), set[str]()
    for spec in last:
        found = {problem.file: problem for problem in _lost(catalog, spec)}
        said = broken.get(spec.name, ())
        missing = found.keys() - {problem.file for problem in said}
        if missing:
            broken[spec.name] = tuple(sorted({*said, *(found[file] for file in missing)}))
        kept |= found.keys()
    if not kept:
        return catalog
    return replace(
        catalog,
        endpoints={name: spec for name, spec in catalog.endpoints.items() if name not in broken},
        broken=broken,
        unattributed=tuple(problem for problem in catalog.unattributed if problem.file not in kept),
        warnings=tuple(problem for problem in catalog.warnings if problem.file not in kept),
    )


def _lost(catalog: Catalog, last: EndpointSpec) -> Iterator[Problem]:
    """What stands where something was declared that the commit no longer declares; one problem a path is enough."""
    for what, file in _missing(last, catalog.endpoints.get(last.name)):
        for path in _upwards(file):
            if path in catalog.unreadable:
                problem = catalog.unreadable[path].problem
                hint = f"To have {what}, which was declared here, removed: delete `{path}`."
                yield replace(problem, message=f"{problem.message} {hint}")
                break


def _missing(last: EndpointSpec, now: EndpointSpec | None) -> Iterator[tuple[str, str]]:
    """What was declared and is not now, and where; the endpoint comes last, so that a folder is told of as its."""
    for deployment in last.deployments:
        what = f"the deployment `{deployment.name}` of `{last.name}`"
        there = now.deployment(deployment.name) if now is not None else None
        if there is None:
            yield what, deployment.file
        elif there.checks is None and deployment.checks is not None:
            yield f"the checks of {what}", deployment.checks.file
    if now is None:
        yield f"the endpoint `{last.name}`", last.file
    elif now.policy.name != last.policy.name and last.policy.file:
        yield f"the rollout policy `{last.policy.name}` of `{last.name}`", last.policy.file


def _upwards(path: str) -> Iterator[str]:
    """The path and every folder that it is in."""
    while path:
        yield path
        path = path.rpartition("/")[0]
