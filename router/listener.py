"""The one listener that clients reach, and its certificate. Pure."""

import json
from collections.abc import Sequence
from typing import Any, Final

from router.attempts import request_log
from router.bootstrap import HTTP_STAT_PREFIX
from router.filters import http_filters
from router.names import BY_HOST, EXTENSIONS, HOST_HEADER, LISTENER_NAME, PATH_HEADER, SERVER_SECRET
from router.replies import local_replies
from router.settings import RouterSettings

_Fields = dict[str, Any]
_ADS: Final = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}


def listener(settings: RouterSettings, access_log: Sequence[_Fields] = ()) -> _Fields:
    """Describe the listener: TLS with the certificate `SERVER_SECRET`, unless plain HTTP was asked for."""
    chain: _Fields = {
        "filters": [
            {
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": _connection_manager(settings, access_log),
            }
        ]
    }
    if not settings.plain_http:
        chain["transport_socket"] = _tls()
    return {
        "name": LISTENER_NAME,
        "address": {"socket_address": {"address": settings.address, "port_value": settings.port}},
        "filter_chains": [chain],
    }


def certificate(chain: str, key: str) -> _Fields:
    """Describe the server's certificate chain and private key (PEM)."""
    return {
        "name": SERVER_SECRET,
        "tls_certificate": {
            "certificate_chain": {"inline_string": chain},
            "private_key": {"inline_string": key},
        },
    }


def _tls() -> _Fields:
    context = {
        "@type": f"{EXTENSIONS}transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            # Of a client that takes both, the first is used: see docs/decisions/0014-http1-first.md
            "alpn_protocols": ["http/1.1", "h2"],
            "tls_certificate_sds_secret_configs": [{"name": SERVER_SECRET, "sds_config": _ADS}],
        },
    }
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _connection_manager(settings: RouterSettings, access_log: Sequence[_Fields]) -> _Fields:
    return {
        "@type": f"{EXTENSIONS}filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": HTTP_STAT_PREFIX,
        "scoped_routes": _scoped_routes(settings.domain),
        "http_filters": http_filters(settings.max_request_bytes),
        "early_header_mutation_extensions": _early_headers(settings.domain),
        "local_reply_config": local_replies(),
        "access_log": [*access_log, request_log()],
        "use_remote_address": True,
        "always_set_request_id_in_response": True,
        "normalize_path": True,
        "server_header_transformation": "PASS_THROUGH",
        # Longer than any request timeout. Unlike a limit on idleness, it is not set anew with each part of a request.
        "common_http_protocol_options": {"max_stream_duration": "400s"},
        "stream_idle_timeout": "0s",
        # A client that sends no header at all is cut sooner.
        "request_headers_timeout": "30s",
        # ApacheBench and old load balancers ask so, and may name no host.
        "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": "localhost"},
        "http2_protocol_options": {"max_concurrent_streams": 1000},
    }


def _scoped_routes(domain: str) -> _Fields:
    """Choose the scope by the path's second segment (`/endpoints/NAME/...`); with a domain, by path and host.

    Requests by path have the same key, NAME and what is before the first slash, with a domain as without: the
    former listener's connections live on beside the new one, and both choose among the same scopes.
    """
    if domain:
        fragments = [_fragment(PATH_HEADER, "/", 2), _fragment(HOST_HEADER, ".", 0)]
    else:
        fragments = [_fragment(":path", "/", 2), _fragment(":path", "/", 0)]
    return {
        "name": "endpoints",
        "scope_key_builder": {"fragments": fragments},
        "rds_config_source": _ADS,
        "scoped_rds": {"scoped_rds_config_source": _ADS},
    }


def _fragment(header: str, separator: str, index: int) -> _Fields:
    return {"header_value_extractor": {"name": header, "element_separator": separator, "index": index}}


def _early_headers(domain: str) -> list[_Fields]:
    """Say of which form a request is, where there are two.

    This comes before the scope is chosen, so a client's own headers of these names choose nothing.
    """
    if not domain:
        return []
    # Whatever the case of the domain. Envoy's expressions here can lower no letters, so a name is taken as written.
    spelt = "(?i)[.]" + domain.lower().replace(".", "[.]")
    by_host = f"request.host.matches({json.dumps(spelt)})"
    mutations = [
        {"remove": PATH_HEADER},
        {"remove": HOST_HEADER},
        _overwrite(PATH_HEADER, f"%CEL({by_host} ? '//{BY_HOST}' : request.path)%"),
        _overwrite(HOST_HEADER, f"%CEL({by_host} ? request.host : '.')%"),
    ]
    mutation = {
        "@type": f"{EXTENSIONS}http.early_header_mutation.header_mutation.v3.HeaderMutation",
        "mutations": mutations,
    }
    return [{"name": "envoy.http.early_header_mutation.header_mutation", "typed_config": mutation}]


def _overwrite(header: str, value: str) -> _Fields:
    return {"append": {"header": {"key": header, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
