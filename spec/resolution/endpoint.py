"""One endpoint's files to an endpoint, or to every problem in them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from pydantic import BaseModel

from spec.azure.deployment import Deployment, deployment_type
from spec.azure.endpoint import Endpoint, KubernetesEndpoint, ManagedEndpoint, endpoint_type
from spec.catalog import AuthMode, DeploymentSpec, EndpointSpec, Note
from spec.document import Document
from spec.findings import Findings, Scope
from spec.near import listing, suggestion
from spec.pairs import pairs
from spec.resolution import checks, serving
from spec.resolution import deployment as deployments
from spec.resolution.deployment import NETWORK_NOT_ENFORCED
from spec.resolution.ground import Ground
from spec.settings import PROCESS
from spec.validation import validate

M = TypeVar("M", bound=BaseModel)

Names = Callable[[], list[str]]

IDENTITY_NOT_USED = "IdentityNotUsed"
MAX_KUBERNETES_NAME = 62


@dataclass(frozen=True, slots=True)
class Members:
    """The files of one endpoint, by path."""

    endpoints: tuple[str, ...] = ()
    deployments: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()


def resolve(ground: Ground, name: str, members: Members, declared: Names) -> tuple[EndpointSpec | None, Findings]:
    """The endpoint, or None with at least one error; `declared` gives the names of all endpoints."""
    findings = Findings()
    for path in members.broken:
        findings.problems.extend(ground.repository.document(path).problems)
        findings.paths.add(path)
    fields, scope = _endpoint(ground, members, findings)
    if scope is None and not members.broken:
        _orphans(ground, name, (members, declared()), findings)
    found = _deployments(ground, findings, members, fields, name)
    if not members.broken:
        found = checks.attach(ground.repository, findings, members.checks, found, _names(ground, members))
    if fields is None or scope is None:
        return None, findings
    if not members.broken:
        _check_traffic(scope, fields, _names(ground, members))
    if findings.problems:
        return None, findings
    return _spec(fields, scope, found), findings


def _endpoint(ground: Ground, members: Members, findings: Findings) -> tuple[Endpoint | None, Scope | None]:
    if not members.endpoints:
        return None, None
    document = ground.repository.document(members.endpoints[0])
    fields = _read(endpoint_type(dict(document.mapping)), document, findings)
    for other in members.endpoints[1:]:
        _clash(ground, findings, ("endpoint", members.endpoints[0], other))
    return fields, Scope(document, findings)


def _clash(ground: Ground, findings: Findings, clash: tuple[str, str, str]) -> None:
    """Two files of one name: say it at both."""
    kind, first, second = clash
    for path, other in ((first, second), (second, first)):
        document = ground.repository.document(path)
        findings.paths.add(path)
        name = str(document.mapping.get("name", ""))
        message = f"The {kind} `{name}` is declared by this file and by `{other}`: keep one, or rename one."
        findings.problems.append(document.problem(("name",), message, found=name))


def _orphans(ground: Ground, name: str, found: tuple[Members, list[str]], findings: Findings) -> None:
    members, known = found
    for path in members.deployments:
        document = ground.repository.document(path)
        message = (
            f"No file declares the endpoint `{name}` that this deployment belongs to."
            f"{suggestion(name, known) or f' Endpoints: {listing(known)}.'} "
            "Add the endpoint's file or bring it back, or correct `endpoint_name`; "
            "where the endpoint is to go, delete its deployments' files too, this one among them."
        )
        problem = document.problem(("endpoint_name",), message, found=name, allowed=", ".join(sorted(known)[:40]))
        findings.problems.append(problem)


def _deployments(
    ground: Ground, findings: Findings, members: Members, endpoint: Endpoint | None, name: str
) -> list[DeploymentSpec]:
    runtime = _runtime(ground, findings, members, endpoint)
    first: dict[str, str] = {}
    found = []
    for path in members.deployments:
        document = ground.repository.document(path)
        fields = _read(deployment_type(dict(document.mapping)), document, findings)
        key = str(document.mapping.get("name", path)).lower()
        if key in first:
            _clash(ground, findings, ("deployment", first[key], path))
        first.setdefault(key, path)
        if fields is None or document.problems or endpoint is None:
            continue
        scope = Scope(document, findings)
        _check_kind(scope, fields, endpoint)
        spec = deployments.resolve(ground, scope, fields, name, runtime or PROCESS)
        found += [spec] if spec is not None else []
    return found


def _runtime(ground: Ground, findings: Findings, members: Members, endpoint: Endpoint | None) -> str | None:
    if endpoint is None:
        return None
    document = ground.repository.document(members.endpoints[0])
    compute = endpoint.compute if isinstance(endpoint, KubernetesEndpoint) else ""
    return serving.runtime(ground, Scope(document, findings), compute)


def _check_kind(scope: Scope, fields: Deployment, endpoint: Endpoint) -> None:
    """Refuse a Kubernetes deployment on a managed endpoint, and too long a pair of names."""
    is_kubernetes = isinstance(endpoint, KubernetesEndpoint)
    kind = "kubernetes" if scope.document.mapping.get("type") == "kubernetes" else "managed"
    if (kind == "kubernetes") != is_kubernetes:
        allowed = "kubernetes" if is_kubernetes else "managed"
        why = "has a `compute`" if is_kubernetes else "has no `compute`"
        message = f"The endpoint `{endpoint.name}` {why}, so `type` must be {allowed}, and it is {kind}."
        scope.error(message, "type", found=kind, allowed=allowed)
    if is_kubernetes and len(endpoint.name) + len(fields.name) > MAX_KUBERNETES_NAME:
        message = f"On Kubernetes the names of endpoint and deployment have {MAX_KUBERNETES_NAME} characters at most."
        scope.error(message, "name", found=fields.name, allowed=f"{MAX_KUBERNETES_NAME} characters together")


def _names(ground: Ground, members: Members) -> list[str]:
    documents = (ground.repository.document(path) for path in members.deployments)
    return [str(document.mapping.get("name", "")).lower() for document in documents]


def _check_traffic(scope: Scope, fields: Endpoint, names: list[str]) -> None:
    for key, shares in (("traffic", fields.traffic), ("mirror_traffic", fields.mirror_traffic)):
        for name in shares:
            if name.lower() not in names:
                hint = suggestion(name, names) or f" Deployments: {listing(names)}."
                message = f"`{key}` names the deployment `{name}`, which no file declares.{hint}"
                scope.error(message, key, name, found=name, allowed=", ".join(sorted(names)))
        if len({name.lower() for name in shares}) < len(shares):
            scope.error(f"`{key}` names a deployment twice, in capitals and not: keep one.", key)
    live = {name.lower() for name in fields.traffic}
    for name in fields.mirror_traffic:
        if name.lower() in live:
            message = (
                f"The deployment `{name}` takes live traffic, so it cannot be the mirror's target: choose another."
            )
            scope.error(message, "mirror_traffic", name, found=name)


def _spec(fields: Endpoint, scope: Scope, found: list[DeploymentSpec]) -> EndpointSpec:
    is_public = not (isinstance(fields, ManagedEndpoint) and fields.public_network_access == "disabled")
    notes = _notes(fields, is_public=is_public)
    return EndpointSpec(
        name=fields.name,
        auth_mode=_auth(fields.auth_mode),
        file=scope.document.file,
        traffic=_shares(fields.traffic),
        mirror_traffic=_shares(fields.mirror_traffic),
        deployments=tuple(sorted((_noted(one, notes) for one in found), key=lambda one: one.name)),
        public_network_access=is_public,
        tags=pairs(fields.tags),
        properties=pairs(fields.properties),
        description=fields.description,
    )


def _notes(fields: Endpoint, *, is_public: bool) -> tuple[Note, ...]:
    """What the process runtime does not give that the endpoint asks for."""
    private = "`public_network_access` is disabled, which is not enforced: who reaches the host reaches the endpoint."
    identity = "`identity` is not used: replicas have the identity of the user that Headgate runs as."
    has_identity = fields.identity is not None and fields.identity.type != "none"
    return (
        *(() if is_public else (Note(NETWORK_NOT_ENFORCED, private),)),
        *((Note(IDENTITY_NOT_USED, identity),) if has_identity else ()),
    )


def _noted(spec: DeploymentSpec, notes: tuple[Note, ...]) -> DeploymentSpec:
    return replace(spec, notes=(*spec.notes, *notes)) if notes and spec.recipe.runtime == PROCESS else spec


def _auth(mode: str) -> AuthMode:
    return "aml_token" if mode == "aml_token" else "key"


def _shares(shares: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((name.lower(), share) for name, share in shares.items()))


def _read(model: type[M], document: Document, findings: Findings) -> M | None:
    findings.paths.add(document.file)
    findings.problems.extend(document.problems)
    fields, problems = validate(model, document, document.data)
    findings.problems.extend(problems)
    return fields
