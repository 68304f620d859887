"""What is said of policies, checks and variables that stops no endpoint."""

from collections.abc import Iterator
from dataclasses import replace

from spec.catalog import EndpointSpec
from spec.facts import Fact
from spec.index import Index
from spec.near import listing, suggestion
from spec.policy import WarmUp
from spec.problem import Problem, Severity
from spec.repository import Repository
from spec.rollout.choice import Policies, strangers, ties
from spec.variables import unsettable

MODEL_ERROR = 424


def cautions(repository: Repository, index: Index, policies: Policies) -> Iterator[Problem]:
    """Warnings on policies that are wrong or name nobody, on rival defaults, and on checks of no endpoint."""
    wrong = (problem for claim in index.claims.values() for problem in claim.problems)
    rivals = ties(repository, policies.defaults) if len(policies.defaults) > 1 else ()
    for problem in (*wrong, *rivals, *_strangers(repository, index), *_orphans(repository, index)):
        yield replace(problem, severity=Severity.WARNING)


def _strangers(repository: Repository, index: Index) -> Iterator[Problem]:
    for claim, place in strangers(index.claims.values(), index.is_declared):
        name = claim.names[place]
        message = f"No file declares the endpoint `{name}` that this policy names.{_hint(index, name)}"
        allowed = _names(index)
        yield repository.document(claim.file).problem(("endpoints", place), message, found=name, allowed=allowed)


def _orphans(repository: Repository, index: Index) -> Iterator[Problem]:
    for fact in index.flagged.values():
        if fact.kind == "checks" and fact.endpoint and not index.is_asked(fact.endpoint):
            message = f"No file declares the endpoint `{fact.endpoint}` of these checks.{_hint(index, fact.endpoint)}"
            found, allowed = fact.endpoint, _names(index)
            yield repository.document(fact.path).problem(("endpoint",), message, found=found, allowed=allowed)


def unjudged(spec: EndpointSpec) -> tuple[Problem, ...]:
    """Errors on live deployments without checks whose policy has a gate that waits for some: no step would end."""
    waits = any(gate.metric == "checks" and not gate.dry_run for gate in spec.policy.gates)
    return _bare(spec, "has a gate with `metric: checks`", Severity.ERROR) if waits else ()


def unchecked(spec: EndpointSpec) -> tuple[Problem, ...]:
    """Warnings on live deployments that have no checks although their policy could make use of some."""
    if any(gate.metric == "checks" for gate in spec.policy.gates):
        return _bare(spec, "has a gate with `metric: checks`", Severity.WARNING)
    if any(isinstance(step, WarmUp) for step in spec.policy.steps):
        return _bare(spec, "has a step `warmup`, which sends checks", Severity.WARNING)
    return ()


def unset(repository: Repository, spec: EndpointSpec) -> Iterator[Problem]:
    """Warnings on variables that Headgate sets itself, so that the file's value never reaches a replica."""
    for one in spec.deployments:
        reserved = unsettable(one.recipe)
        for name in (name for name, _ in one.recipe.variables if name in reserved):
            message = (
                f"`{name}` is not used: Headgate sets this variable of a replica itself. "
                "Delete it here, or give a variable of your own another name."
            )
            path = ("environment_variables", name)
            problem = repository.document(one.file).problem(path, message, allowed="another name", key=True)
            yield replace(problem, severity=Severity.WARNING)


def mapped(spec: EndpointSpec) -> tuple[Problem, ...]:
    """Warnings on checks that expect the status that only clients of the endpoint see."""
    message = (
        "The check `{}` expects status 424, which clients get for whatever a model answers but 200: a check sees the "
        "model's own status, so name that."
    )
    return tuple(
        Problem(one.checks.file, 0, 0, "", message.format(check.name), severity=Severity.WARNING)
        for one in spec.deployments
        if one.checks is not None
        for check in one.checks.checks
        if check.status == MODEL_ERROR
    )


def _bare(spec: EndpointSpec, what: str, severity: Severity) -> tuple[Problem, ...]:
    live = dict(spec.traffic)
    message = (
        f"The policy `{spec.policy.name}` {what}, and this deployment has none: add a file with `kind: checks` "
        "beside it, or take that out of the policy."
    )
    bare = (one.file for one in spec.deployments if one.checks is None and live.get(one.name))
    return tuple(Problem(file, 0, 0, "", message, severity=severity) for file in bare)


def lost_checks(fact: Fact) -> Problem:
    """Checks whose folder does not tell the endpoint."""
    message = (
        "`endpoint` is missing, and this folder does not hold exactly one endpoint: name the endpoint whose "
        "deployment these checks are for. Where its endpoint is to go, delete this file too."
    )
    return Problem(fact.path, 1, 1, "endpoint", message, allowed="an endpoint's name")


def _names(index: Index) -> str:
    return ", ".join(sorted(index.declared())[:40]) or "an endpoint that a file declares"


def _hint(index: Index, name: str) -> str:
    known = index.declared()
    return suggestion(name, known) or f" Endpoints: {listing(known)}."
