"""Releases as Envoy clusters, and their replicas as cluster load assignments. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from router.names import EXTENSIONS, HTTP_OPTIONS, METADATA
from router.table import Backend, Host

_ADS: Final = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
_IDLE: Final = "1s"
"""Below the keep-alive of every common server (gunicorn's is 2 s), so that none closes what Envoy is about to use."""

# The replica with the fewest requests is the one that refuses them all, so a retry would choose it again. After two
# failed connections in a row it is passed over for a moment, but never the last one. What a replica answers never
# counts: that is for the probes and gates to judge.
_OUTLIERS: Final = {
    "split_external_local_origin_errors": True,
    "consecutive_local_origin_failure": 2,
    "enforcing_consecutive_local_origin_failure": 100,
    "enforcing_consecutive_5xx": 0,
    "enforcing_success_rate": 0,
    "enforcing_local_origin_success_rate": 0,
    "interval": "0.500s",
    "base_ejection_time": "0.500s",
    "max_ejection_time": "2s",
    "max_ejection_percent": 50,
}


_MANY: Final = 4096
_UNLIMITED: Final = {"thresholds": [{"max_connections": _MANY, "max_pending_requests": _MANY, "max_requests": _MANY}]}


def cluster(name: str, backend: Backend, *, unlimited: bool = False) -> dict[str, Any]:
    """Describe one release: how to choose a replica, how much it takes at once, how long it may take.

    With `unlimited` a replica takes what it gets: what waits for others' time to run out would fail with them.
    """
    return {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": _ADS},
        "connect_timeout": "1s",
        "load_balancing_policy": _least_request(),
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "ignore_health_on_host_removal": True,
        "circuit_breakers": _UNLIMITED if unlimited else _limits(backend),
        "outlier_detection": _OUTLIERS,
        "typed_extension_protocol_options": {HTTP_OPTIONS: _protocol(backend)},
    }


def assignment(name: str, backend: Backend) -> dict[str, Any]:
    """List a release's replicas; a draining one gets no new requests."""
    hosts = [_host(host, backend) for host in backend.hosts]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": hosts}] if hosts else []}


def duration(milliseconds: int) -> str:
    """Write milliseconds as a protobuf duration: `5.5s`."""
    return f"{milliseconds / 1000:g}s" if milliseconds % 1000 else f"{milliseconds // 1000}s"


def _least_request() -> Mapping[str, Any]:
    """A replica scores few requests at once, so the one with the fewest is found by looking at all of them."""
    policy = {
        "@type": f"{EXTENSIONS}load_balancing_policies.least_request.v3.LeastRequest",
        "selection_method": "FULL_SCAN",
    }
    name = "envoy.load_balancing_policies.least_request"
    return {"policies": [{"typed_extension_config": {"name": name, "typed_config": policy}}]}


def _limits(backend: Backend) -> Mapping[str, Any]:
    """Azure refuses what exceeds twice the capacity in flight.

    A request counts as pending while its connection opens, so the queue has room for a burst of all that Azure
    allows; one that follows a filled queue may therefore be admitted where Azure would answer 429.
    """
    capacity = backend.max_concurrent * max(1, len(backend.hosts))
    threshold = {
        "max_connections": capacity,
        "max_pending_requests": 2 * capacity,
        "max_requests": max(1024, 3 * capacity),
        "retry_budget": {"budget_percent": {"value": 50.0}, "min_retry_concurrency": 100},
    }
    return {"thresholds": [threshold], "per_host_thresholds": [{"max_connections": backend.max_concurrent}]}


def _protocol(backend: Backend) -> Mapping[str, Any]:
    return {
        "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
        "explicit_http_config": {"http_protocol_options": {}},
        "common_http_protocol_options": {
            "idle_timeout": _IDLE,
            "max_stream_duration": duration(backend.timeout_ms),
        },
    }


def _host(host: Host, backend: Backend) -> Mapping[str, Any]:
    return {
        "endpoint": {"address": {"socket_address": {"address": host.address, "port_value": host.port}}},
        "health_status": "DRAINING" if host.draining else "HEALTHY",
        "metadata": {"filter_metadata": {METADATA: {"release": backend.release, "deployment": backend.deployment}}},
    }
