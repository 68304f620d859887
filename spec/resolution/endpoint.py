"""One endpoint's files to an endpoint, or to every problem in them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from pydantic import BaseModel

from spec.azure.endpoint import Endpoint, KubernetesEndpoint, ManagedEndpoint
from spec.catalog import AuthMode, DeploymentSpec, EndpointSpec, Note
from spec.document import Document
from spec.findings import Findings, Scope
from spec.near import listing, suggestion
from spec.pairs import pairs
from spec.placeholders import is_unfilled
from spec.problem import Problem
from spec.resolution import checks, kinds, serving, traffic
from spec.resolution import deployment as deployments
from spec.resolution.deployment import NETWORK_NOT_ENFORCED
from spec.resolution.ground import Ground
from spec.resolution.kinds import Head
from spec.salvage import read
from spec.settings import PROCESS

M = TypeVar("M", bound=BaseModel)

Names = Callable[[], list[str]]

_OWNER = "endpoint_name"
_NO_OWNER = (
    "`endpoint_name` is missing, and this folder does not hold exactly one endpoint: "
    "name the endpoint that this deployment belongs to. "
    "Where its endpoint is to go, delete this file too; where only its file is gone, bring that back."
)
IDENTITY_NOT_USED = "IdentityNotUsed"


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
    head = _endpoint(ground, members, findings)
    if not members.endpoints and not members.broken:
        _orphans(ground, name, (members, declared()), findings)
    found = _deployments(ground, findings, members, head, name)
    if not members.broken:
        names = _names(ground, members)
        found = checks.attach(ground.repository, findings, members.checks, found, names)
        if head is not None and all(name and not is_unfilled(name) for name in names):
            traffic.check(head.scope, head.fields, names)
    if head is None or findings.problems:
        return None, findings
    return _spec(head.fields, head.scope, found), findings


def check_stray(ground: Ground, path: str, findings: Findings) -> None:
    """Note all that is wrong with a deployment that names no endpoint, and whose folder does not tell it either."""
    document = ground.repository.document(path)
    _deployments(ground, findings, Members(deployments=(path,)), None, "")
    scope = Scope(document, findings, doubtful=read(kinds.choose(document, None), document).doubtful)
    if not scope.doubts(_OWNER):
        findings.problems.append(Problem(path, 1, 1, _OWNER, _NO_OWNER, allowed="an endpoint's name"))


def _endpoint(ground: Ground, members: Members, findings: Findings) -> Head | None:
    if not members.endpoints:
        return None
    document = ground.repository.document(members.endpoints[0])
    fields, scope = _read(kinds.choose_endpoint(document), document, findings)
    for other in members.endpoints[1:]:
        _clash(ground, findings, ("endpoint", members.endpoints[0], other))
    return Head(fields, scope) if fields is not None else None


def _clash(ground: Ground, findings: Findings, clash: tuple[str, str, str]) -> None:
    """Two files of one name: say it at both."""
    kind, first, second = clash
    for path, other in ((first, second), (second, first)):
        document = ground.repository.document(path)
        findings.paths.add(path)
        name = str(document.mapping.get("name", ""))
        message = f"The {kind} `{name}` is declared by this file and by `{other}`: keep one, or rename one."
        findings.problems.append(document.problem(("name",), message, found=name, allowed="a name of its own"))


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
        allowed = ", ".join(sorted(known)[:40]) or "an endpoint that a file declares"
        problem = document.problem(("endpoint_name",), message, found=name, allowed=allowed)
        findings.problems.append(problem)


def _deployments(
    ground: Ground, findings: Findings, members: Members, head: Head | None, name: str
) -> list[DeploymentSpec]:
    runtime = _runtime(ground, head)
    first: dict[str, str] = {}
    found = []
    for path in members.deployments:
        document = ground.repository.document(path)
        fields, scope = _read(kinds.choose(document, head), document, findings)
        key = str(document.mapping.get("name", path)).lower()
        if key in first:
            _clash(ground, findings, ("deployment", first[key], path))
        first.setdefault(key, path)
        if fields is None:
            continue
        kinds.check(scope, fields, head)
        spec = deployments.resolve(ground, scope, fields, name, runtime or PROCESS)
        found += [spec] if spec is not None else []
    return found


def _runtime(ground: Ground, head: Head | None) -> str | None:
    if head is None or head.scope.doubts("compute"):
        return None
    compute = head.fields.compute if isinstance(head.fields, KubernetesEndpoint) else ""
    return serving.runtime(ground, head.scope, compute)


def _names(ground: Ground, members: Members) -> list[str]:
    documents = (ground.repository.document(path) for path in members.deployments)
    return [str(document.mapping.get("name", "")).lower() for document in documents]


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


def _read(model: type[M], document: Document, findings: Findings) -> tuple[M | None, Scope]:
    """What the file says, as far as it is right."""
    reading = read(model, document)
    findings.paths.add(document.file)
    findings.problems.extend(reading.problems)
    return reading.fields, Scope(document, findings, doubtful=reading.doubtful)
