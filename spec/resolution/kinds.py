"""Managed or Kubernetes: what an endpoint and its deployments must agree on."""

from dataclasses import dataclass

from spec.azure.deployment import Deployment, KubernetesDeployment, ManagedDeployment, deployment_type
from spec.azure.endpoint import Endpoint, KubernetesEndpoint, ManagedEndpoint, endpoint_type
from spec.document import Document
from spec.fields import snake
from spec.findings import Scope
from spec.near import near
from spec.validation import keys

MAX_KUBERNETES_NAME = 62
_ENDPOINT_KEYS = keys(ManagedEndpoint, ()) | keys(KubernetesEndpoint, ()) | set(Endpoint.dropped)
_KINDS = ("managed", "kubernetes")


@dataclass(frozen=True, slots=True)
class Head:
    """An endpoint's own file, as far as it is right."""

    fields: Endpoint
    scope: Scope


def choose_endpoint(document: Document) -> type[ManagedEndpoint] | type[KubernetesEndpoint]:
    """The fields to hold an endpoint against; a misspelt `compute` means what it seems to."""
    unknown = (key for key in document.mapping if isinstance(key, str) and key not in _ENDPOINT_KEYS)
    is_meant = any(near(key, _ENDPOINT_KEYS) == "compute" for key in unknown)
    return KubernetesEndpoint if is_meant else endpoint_type(dict(document.mapping))


def choose(document: Document, head: Head | None) -> type[ManagedDeployment] | type[KubernetesDeployment]:
    """The fields to hold a deployment against: where its `type` is missing or misspelt, those that it seems to mean.

    Otherwise each field of the kind that is meant would be a problem beside the one that explains them all.
    """
    written = document.mapping.get("type")
    is_meant = (written is None or _is_capital(written)) and head is not None and _is_kubernetes(head)
    if isinstance(written, str) and snake(written) not in _KINDS:
        is_meant = near(written, _KINDS) == "kubernetes"
    return KubernetesDeployment if is_meant else deployment_type(dict(document.mapping))


def _is_kubernetes(head: Head) -> bool:
    return isinstance(head.fields, KubernetesEndpoint)


def _is_capital(written: object) -> bool:
    """Whether a `type` says kubernetes in capitals, which means managed to Azure's loader."""
    return isinstance(written, str) and written != "kubernetes" and snake(written) == "kubernetes"


def check(scope: Scope, fields: Deployment, head: Head | None) -> None:
    """Refuse a Kubernetes deployment on a managed endpoint, the reverse, and too long a pair of names."""
    if head is None:
        return
    endpoint = head.fields
    is_kubernetes = _is_kubernetes(head)
    written = scope.document.mapping.get("type")
    kind = "kubernetes" if written == "kubernetes" else "managed"
    is_known = not head.scope.doubts("compute") and not scope.doubts("type")
    if is_known and (kind == "kubernetes") != is_kubernetes:
        allowed = "kubernetes" if is_kubernetes else "managed"
        why = "has a `compute`" if is_kubernetes else "has no `compute`"
        found = (
            f"`{written}`, which Azure takes for managed: write it in small letters" if _is_capital(written) else kind
        )
        message = f"The endpoint `{endpoint.name}` {why}, so `type` must be {allowed}, and it is {found}."
        scope.error(message, "type", found=written or kind, allowed=allowed)
    if is_kubernetes and len(endpoint.name) + len(fields.name) > MAX_KUBERNETES_NAME:
        message = f"On Kubernetes the names of endpoint and deployment have {MAX_KUBERNETES_NAME} characters at most."
        scope.error(message, "name", found=fields.name, allowed=f"{MAX_KUBERNETES_NAME} characters together")
