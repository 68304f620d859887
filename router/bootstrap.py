"""Envoy's bootstrap: what it must know before it can ask for the rest. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

XDS_CLUSTER = "headgate_xds"
"""The gRPC server of Headgate on its unix socket: ADS, and the access log service."""
STATS_PREFIX = "ep"
"""Prefix of every statistic that the stats access logger keeps by endpoint and release."""
HTTP_STAT_PREFIX = "headgate"
"""`stat_prefix` of the connection manager: `http.headgate.downstream_rq_active` counts what `stop` waits for."""
NODE_CLUSTER = "headgate"

GRPC_SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
)
"""What the xDS gRPC server must be made with, or it answers Envoy's keepalive with GOAWAY too_many_pings."""

_API = "type.googleapis.com/envoy"
_HTTP_OPTIONS = f"{_API}.extensions.upstreams.http.v3.HttpProtocolOptions"
_CONNECTIONS = f"{_API}.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
_ADMIN_PATHS = (
    "/ready",
    "/server_info",
    "/clusters",
    "/config_dump",
    "/listeners",
    "/stats",
    "/drain_listeners",
    "/reopen_logs",
)
_CLUSTER_STATS = (
    "upstream_rq_active|upstream_rq_pending_active|upstream_cx_active|upstream_rq_pending_overflow|"
    "upstream_rq_timeout|upstream_cx_connect_fail|upstream_rq_retry|upstream_rq_retry_overflow|"
    "upstream_cx_none_healthy|upstream_rq_total|upstream_rq_completed|upstream_rq_[1-5]xx|"
    "membership_healthy|membership_total"
)


@dataclass(frozen=True, slots=True)
class Sockets:
    """Unix sockets between Headgate and its Envoy; each path must stay under 100 bytes."""

    admin: Path
    xds: Path


def bootstrap(
    installation: str, sockets: Sockets, *, max_connections: int = 20_000, otlp_socket: Path | None = None
) -> dict[str, Any]:
    """Return the bootstrap of one installation, ready for JSON.

    `installation` becomes the node id. Envoy waits for listeners and clusters for as long as it takes, so that a
    hot restart while Headgate is away loses nothing. `otlp_socket` turns on the statistics sink.
    """
    config: dict[str, Any] = {
        "node": {"id": installation, "cluster": NODE_CLUSTER},
        "admin": _admin(sockets.admin),
        "dynamic_resources": _dynamic_resources(),
        "static_resources": {"clusters": [_grpc_cluster(XDS_CLUSTER, sockets.xds)]},
        "cluster_manager": {"enable_deferred_cluster_creation": True},
        "deferred_stat_options": {"enable_deferred_creation_stats": True},
        "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": _stats_kept()}}},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": {}}]},
        "overload_manager": _overload(max_connections),
    }
    if otlp_socket is not None:
        config["static_resources"]["clusters"].append(_grpc_cluster("otlp", otlp_socket))
        config["stats_sinks"] = [_otlp_sink()]
        config["stats_flush_interval"] = "5s"
    return config


def _admin(socket: Path) -> Mapping[str, Any]:
    """Only what Headgate calls is answered: no runtime changes, no profiles. Envoy matches path and query as one."""
    return {
        "address": {"pipe": {"path": str(socket), "mode": 0o600}},
        "allow_paths": [{"prefix": path} for path in _ADMIN_PATHS],
        "ignore_global_conn_limit": True,
    }


def _dynamic_resources() -> Mapping[str, Any]:
    source = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    retry = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}}
    service = {"envoy_grpc": {"cluster_name": XDS_CLUSTER, "retry_policy": retry}}
    return {
        "ads_config": {
            "api_type": "DELTA_GRPC",
            "transport_api_version": "V3",
            "set_node_on_first_message_only": True,
            "grpc_services": [service],
        },
        "lds_config": source,
        "cds_config": source,
    }


def _grpc_cluster(name: str, socket: Path) -> Mapping[str, Any]:
    keepalive = {"interval": "15s", "timeout": "10s"}
    address = {"endpoint": {"address": {"pipe": {"path": str(socket)}}}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _HTTP_OPTIONS,
                "explicit_http_config": {"http2_protocol_options": {"connection_keepalive": keepalive}},
            }
        },
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [address]}]},
    }


def _stats_kept() -> list[Mapping[str, Any]]:
    """Everything per cluster that nobody reads stays out: it is most of the memory at thousands of endpoints."""
    prefixes = (
        f"{STATS_PREFIX}.",
        "server.",
        "cluster_manager.",
        "listener_manager.",
        "control_plane.",
        "overload.",
        "access_logs.",
    )
    return [
        *({"prefix": prefix} for prefix in prefixes),
        {"prefix": f"http.{HTTP_STAT_PREFIX}.downstream_"},
        {"prefix": f"http.{HTTP_STAT_PREFIX}.scoped_rds."},
        {"prefix": f"cluster.{XDS_CLUSTER}."},
        {"safe_regex": {"regex": rf"cluster\..+\.({_CLUSTER_STATS})"}},
    ]


def _overload(max_connections: int) -> Mapping[str, Any]:
    monitor = {"@type": _CONNECTIONS, "max_active_downstream_connections": max_connections}
    name = "envoy.resource_monitors.global_downstream_max_connections"
    return {"resource_monitors": [{"name": name, "typed_config": monitor}]}


def _otlp_sink() -> Mapping[str, Any]:
    return {
        "name": "envoy.stat_sinks.open_telemetry",
        "typed_config": {
            "@type": f"{_API}.extensions.stat_sinks.open_telemetry.v3.SinkConfig",
            "grpc_service": {"envoy_grpc": {"cluster_name": "otlp"}},
            "report_counters_as_deltas": True,
            "report_histograms_as_deltas": True,
        },
    }
