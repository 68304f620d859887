"""Fields of an online endpoint's YAML file, managed and Kubernetes."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from spec.fields import Access, Facts, Int, Name, Str, Strict, choice, ignored, reject, snake, text

MAX_MIRROR = 50
_WHOLE = 100


def _served(value: object) -> object:
    if isinstance(value, str) and snake(value) == "aad_token":
        raise reject(
            "cannot be `aad_token` here: Headgate has no access by OpenID Connect yet. "
            "Use `key` or `aml_token` until it is set up.",
            "key, aml_token",
            "headgate",
        )
    return value


AuthMode = Annotated[str, choice("key", "aml_token", casing=snake), BeforeValidator(_served)]


def _one(identities: list[dict[str, str]]) -> list[dict[str, str]]:
    if len(identities) > 1:
        raise reject(
            "may have one user-assigned identity at most.", "one identity", found=f"{len(identities)} identities"
        )
    return identities


class Identity(Strict):
    """The endpoint's identity; at most one user-assigned identity."""

    type: Annotated[str, choice("system_assigned", "user_assigned", "none", casing=snake)] = Field(
        description="The kind of identity."
    )
    principal_id: Str = ignored("the identity's principal.")
    tenant_id: Str = ignored("the identity's tenant.")
    user_assigned_identities: Annotated[list[dict[Str, Str]], AfterValidator(_one)] = Field(
        default=[], description="At most one mapping with `resource_id`."
    )


def _traffic(traffic: dict[str, int]) -> dict[str, int]:
    total, found = sum(traffic.values()), _written(traffic)
    if total > _WHOLE:
        raise reject(f"adds up to {total} percent: it must be 0 or 100.", "a sum of 0 or 100", found=found)
    if any(share < 0 for share in traffic.values()):
        raise reject("has a negative share: every share is from 0 to 100.", "0 to 100", "service", found)
    if total not in (0, _WHOLE):
        raise reject(f"adds up to {total} percent: it must be 0 or 100.", "a sum of 0 or 100", "service", found)
    return {name: share for name, share in traffic.items() if share}


def _written(shares: dict[str, int]) -> str:
    return ", ".join(f"{name}: {share}" for name, share in shares.items())


def _mirror(mirror: dict[str, int]) -> dict[str, int]:
    if len(mirror) > 1:
        raise reject("may name one deployment only.", "one deployment", "service", _written(mirror))
    if any(not 0 <= share <= MAX_MIRROR for share in mirror.values()):
        raise reject(f"must be from 0 to {MAX_MIRROR} percent.", f"0 to {MAX_MIRROR}", "service", _written(mirror))
    return {name: share for name, share in mirror.items() if share}


class Endpoint(Strict):
    """What managed and Kubernetes online endpoints share."""

    dropped = ("$schema", "kind")

    name: Name = Field(description="The endpoint's name, unique in the repository; lower-cased.")
    description: Str = Field(default="", description="What the endpoint is for.")
    tags: Facts = Field(default={}, description="Tags of your own.")
    properties: Facts = Field(default={}, description="Properties of your own.")
    auth_mode: AuthMode = Field(default="key", description="How clients prove themselves: `key` or `aml_token`.")
    traffic: Annotated[dict[Str, Int], AfterValidator(_traffic)] = Field(
        default={}, description="Percent of live requests by deployment; the sum is 0 or 100."
    )
    mirror_traffic: Annotated[dict[Str, Int], AfterValidator(_mirror)] = Field(
        default={}, description="One deployment that gets a copy of up to 50 percent of live requests."
    )
    identity: Identity | None = Field(default=None, description="Managed identity.")
    id: Str = ignored("the resource id.")
    provisioning_state: Str = ignored("the state.")
    scoring_uri: Str = ignored("the scoring URL.")
    openapi_uri: Str = ignored("the OpenAPI URL.")
    location: Str = ignored("the region.")


class ManagedEndpoint(Endpoint):
    """A managed online endpoint."""

    public_network_access: Access = Field(
        default="enabled",
        description="`disabled` asks for a private endpoint; the process runtime does not enforce it.",
    )


def _compute(value: str) -> str:
    if not text(value).startswith("azureml:") or value == "azureml:":
        raise reject("must name a compute as `azureml:NAME`.", "azureml:NAME")
    return value.removeprefix("azureml:")


class KubernetesEndpoint(Endpoint):
    """An online endpoint on a Kubernetes compute; `compute` says so."""

    compute: Annotated[Str, AfterValidator(_compute)] = Field(
        description="`azureml:NAME`; the repository's settings map NAME to a runtime."
    )


def endpoint_type(data: dict[Any, Any]) -> type[ManagedEndpoint] | type[KubernetesEndpoint]:
    """Which kind of endpoint a mapping describes: `compute` makes it Kubernetes."""
    return KubernetesEndpoint if data.get("compute") else ManagedEndpoint
