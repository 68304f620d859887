"""A shield: what a release on trial fails is asked of a proven one, within the same request. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from router.filters import upstream
from router.names import EXTENSIONS, HTTP_OPTIONS, cluster_name, shield_name, trial_name
from router.table import Backend, EndpointRoute

BODY_BYTES: Final = 4 * 1024 * 1024
"""A request body up to this size is kept for the second attempt; one that is larger has no shield."""

_MANY: Final = 4096
# The default of three retries at once would fail nearly all requests of a release that fails everything.
_LIMITS: Final = dict.fromkeys(("max_retries", "max_requests", "max_connections", "max_pending_requests"), _MANY)
_RETRY: Final = {
    "retry_on": "5xx,reset,connect-failure,refused-stream,retriable-status-codes",
    "retriable_status_codes": [424],
    "num_retries": 1,
    "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.005s"},
}


def shielded(route: EndpointRoute) -> Mapping[str, Backend]:
    """Releases on trial that have a shield, each with the release that answers what it fails.

    Both get the same path of a request, so there is no shield where their containers' paths differ.
    """
    backends = {backend.release: backend for backend in route.backends}
    proven = backends.get(route.shield)
    if proven is None:
        return {}
    return {
        release: proven
        for release in route.trial
        if release != route.shield and release in backends and backends[release].paths == proven.paths
    }


def shield_cluster(name: str, members: tuple[str, str], max_request_bytes: int) -> dict[str, Any]:
    """Describe the cluster whose first attempt goes to one cluster, and its second to another.

    An answer of up to 1 MiB is a failure too if it breaks off.
    """
    protocol = {
        "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
        "explicit_http_config": {"http_protocol_options": {}},
        "retry_policy": _RETRY,
        "http_filters": upstream(max_request_bytes, whole_answers=True),
    }
    composite = {
        "@type": f"{EXTENSIONS}clusters.composite.v3.ClusterConfig",
        "clusters": [{"name": member} for member in members],
    }
    return {
        "name": name,
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "1s",
        "cluster_type": {"name": "envoy.clusters.composite", "typed_config": composite},
        "circuit_breakers": {"thresholds": [_LIMITS]},
        "typed_extension_protocol_options": {HTTP_OPTIONS: protocol},
    }


def shields(route: EndpointRoute) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the clusters that shield releases of an endpoint, each with its members."""
    for release, proven in shielded(route).items():
        members = (trial_name(route.endpoint, release), cluster_name(route.endpoint, proven.release))
        yield shield_name(route.endpoint, release, proven.release), members
