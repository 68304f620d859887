"""Names that Envoy sees: resources, clusters, metadata. None of them holds anything that a client sent."""

from typing import Final

from router.messages import TYPE_PREFIX

CLUSTER: Final = f"{TYPE_PREFIX}envoy.config.cluster.v3.Cluster"
ASSIGNMENT: Final = f"{TYPE_PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER: Final = f"{TYPE_PREFIX}envoy.config.listener.v3.Listener"
SCOPE: Final = f"{TYPE_PREFIX}envoy.config.route.v3.ScopedRouteConfiguration"
SECRET: Final = f"{TYPE_PREFIX}envoy.extensions.transport_sockets.tls.v3.Secret"
EXTENSION: Final = f"{TYPE_PREFIX}envoy.config.core.v3.TypedExtensionConfig"

EXTENSIONS: Final = f"{TYPE_PREFIX}envoy.extensions."

LISTENER_NAME: Final = "endpoints"
SERVER_SECRET: Final = "server"  # noqa: S105 - a resource's name
JWT_FILTER: Final = "envoy.filters.http.jwt_authn"
KEY_FILTER: Final = "envoy.filters.http.api_key_auth"
NOTING_FILTER: Final = "envoy.filters.http.header_to_metadata"
DISCARD_FILTER: Final = "headgate.discard"
BUFFER_FILTER: Final = "envoy.filters.http.buffer"
METADATA: Final = "hg"
"""Key of the metadata of replicas (`release`) and of requests."""
CLIENT_ID_HEADER: Final = "x-ms-client-request-id"
CLIENT_ID: Final = "client_id"
"""Key of a request's metadata: the client's id for it, empty if it is not of Azure's form."""

OTHER_SCHEMES: Final = ("bearer ", "BEARER ")
"""How clients write `Bearer ` too; Envoy's filters compare letter by letter."""

DEPLOYMENT_HEADER: Final = "azureml-model-deployment"
RELEASE_HEADER: Final = "headgate-release"

PATH_HEADER: Final = "x-headgate-path"
HOST_HEADER: Final = "x-headgate-host"
"""Headers of Envoy's own that the scope is chosen by where endpoints are reached by host name too."""
BY_HOST: Final = "-"
"""What a request by host name has where another has the endpoint of its path; never the name of an endpoint."""

ON_TRIAL: Final = "trial"
SHIELDED: Final = "shielded-trial"
"""Kinds of routes that are part of a split while a release is judged; on a shielded one, an attempt that fails is
made again on another release."""

HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

_MIRROR: Final = "/mirror"
TRIAL: Final = "/trial"
"""How the name of a cluster ends whose replicas take whatever they get."""
_SHIELD: Final = "/shield"
_BY_HOST: Final = "/host"


def cluster_name(endpoint: str, release: str) -> str:
    """Name the cluster of one release: `iris/blue@3f2a9c41d0e7`."""
    return f"{endpoint}/{release}"


def mirror_name(endpoint: str, release: str) -> str:
    """Name the cluster that gets a release's mirrored requests, so that their numbers stay apart."""
    return f"{endpoint}/{release}{_MIRROR}"


def trial_name(endpoint: str, release: str) -> str:
    """Name the cluster that a shielded release's live requests try first."""
    return f"{endpoint}/{release}{TRIAL}"


def shield_name(endpoint: str, release: str, proven: str) -> str:
    """Name the cluster that asks a proven release for what the release on trial fails."""
    return f"{endpoint}/{release}{_SHIELD}/{proven}"


def route_name(endpoint: str, release: str, kind: str) -> str:
    """Name one route. Requests of a route whose `kind` ends in `ON_TRIAL` are evidence.

    Where several releases share the route, `release` is `-`.
    """
    return f"{endpoint}/{release}/{kind}"


def host_scope(endpoint: str) -> str:
    """Name the scope of requests to `NAME.<domain>`; the scope of requests by path is named as the endpoint."""
    return f"{endpoint}{_BY_HOST}"


def scope_names(endpoint: str) -> tuple[str, str]:
    """Return the names of all scopes that an endpoint may have."""
    return endpoint, host_scope(endpoint)


def endpoint_of(resource: str) -> str:
    """Return the endpoint that a scope, cluster or assignment belongs to."""
    return resource.partition("/")[0]
