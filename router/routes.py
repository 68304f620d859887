"""An endpoint's route as one scope of Envoy's scoped routes. Pure.

Routes are tried from the first to the last: the split (only for requests that pin nothing), then requests that pin
a release or a deployment, then what is answered 404.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from router.clusters import duration
from router.filters import noted
from router.names import (
    BY_HOST,
    CLIENT_ID,
    CLIENT_ID_HEADER,
    DEPLOYMENT_HEADER,
    EXTENSIONS,
    HOST_HEADER,
    JWT_FILTER,
    KEY_FILTER,
    METADATA,
    NOTING_FILTER,
    ON_TRIAL,
    OTHER_SCHEMES,
    PATH_HEADER,
    RELEASE_HEADER,
    SHIELDED,
    cluster_name,
    host_scope,
    mirror_name,
    route_name,
)
from router.table import TOTAL, Backend, EndpointRoute, KeyAuth, TokenAuth

_LONGEST_BODY: Final = 2000
_CLIENT_ID_LENGTH: Final = 40
_RETRY: Final = {
    "retry_on": "connect-failure,refused-stream,reset-before-request",
    "num_retries": 5,
    "host_selection_retry_max_attempts": 10,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {"@type": f"{EXTENSIONS}retry.host.previous_hosts.v3.PreviousHostsPredicate"},
        }
    ],
    "retry_back_off": {"base_interval": "0.010s", "max_interval": "0.100s"},
}

# For the access log, which otherwise sees the path as rewritten for the container. Without the query, where some
# clients put their secrets.
_SENT_PATH: Final = {
    "header": {"key": "x-envoy-original-path", "value": "%PATH(NQ:PATH)%"},
    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
}

# As the filters noted it; empty if it is not of Azure's form.
_CLIENT_ID: Final = {
    "header": {"key": CLIENT_ID_HEADER, "value": f"%DYNAMIC_METADATA({METADATA}:{CLIENT_ID}):{_CLIENT_ID_LENGTH}%"},
    "append_action": "OVERWRITE_IF_EXISTS",
    "keep_empty_value": True,
}

_Fields = dict[str, Any]


def base_path(endpoint: str) -> str:
    """Return the path below which an endpoint is reached: `/endpoints/iris`."""
    return f"/endpoints/{endpoint}"


def scopes(route: EndpointRoute, *, by_host: bool) -> dict[str, _Fields]:
    """Describe the whole route of one endpoint, by the name of its scopes.

    One scope holds requests by path; with `by_host` a second one holds requests to `NAME.<domain>`.
    """
    name, base = route.endpoint, base_path(route.endpoint)
    by_path = {name: _scope(name, (name, ""), route, base)}
    if not by_host:
        return by_path
    return by_path | {host_scope(name): _scope(host_scope(name), (BY_HOST, name), route, "")}


def _scope(name: str, key: tuple[str, ...], route: EndpointRoute, base: str) -> _Fields:
    host = {
        "name": route.endpoint,
        "domains": ["*"],
        "typed_per_filter_config": _authentication(route.auth),
        "retry_policy": _RETRY,
        "routes": list(_routes(route, base)),
    }
    configuration = {
        "name": name,
        "virtual_hosts": [host],
        "request_headers_to_add": [_SENT_PATH, _CLIENT_ID],
        "request_headers_to_remove": [PATH_HEADER, HOST_HEADER],
    }
    fragments = [{"string_key": fragment} for fragment in key]
    return {"name": name, "key": {"fragments": fragments}, "route_configuration": configuration}


def _authentication(auth: KeyAuth | TokenAuth) -> _Fields:
    match auth:
        case KeyAuth():
            return {KEY_FILTER: _keys(auth)}
        case TokenAuth():
            requirement = {
                "@type": f"{EXTENSIONS}filters.http.jwt_authn.v3.PerRouteConfig",
                "requirement_name": auth.audience,
            }
            return {JWT_FILTER: requirement}


def _keys(auth: KeyAuth) -> _Fields:
    credentials = [{"key": auth.primary, "client": "primary"}]
    if auth.secondary != auth.primary:
        credentials.append({"key": auth.secondary, "client": "secondary"})
    # Where the scheme is not `Bearer `, Envoy takes the whole header for the key.
    credentials += [each | {"key": scheme + each["key"]} for scheme in OTHER_SCHEMES for each in tuple(credentials)]
    return {
        "@type": f"{EXTENSIONS}filters.http.api_key_auth.v3.ApiKeyAuthPerRoute",
        "credentials": credentials,
        "key_sources": [{"header": "Authorization"}],
        "forwarding": {"hide_credentials": True},
    }


def _routes(route: EndpointRoute, base: str) -> Iterator[_Fields]:
    backends = {backend.release: backend for backend in route.backends}
    yield from _split(route, base, backends)
    for backend in route.backends:
        yield from _pinned(route.endpoint, base, backend, (RELEASE_HEADER, backend.release))
    for deployment, release in route.pinned:
        yield from _pinned(route.endpoint, base, backends[release], (DEPLOYMENT_HEADER, deployment))
    yield from _not_found(route, base)


def _split(route: EndpointRoute, base: str, backends: Mapping[str, Backend]) -> Iterator[_Fields]:
    """Give each release its share by cumulative thresholds on Envoy's one random number for a request.

    Unlike weighted clusters, each release keeps a timeout and a path of its own; the share is as exact.
    """
    shares = [(backends[release], share) for release, share in route.split if share > 0]
    unpinned = [_absent(DEPLOYMENT_HEADER), _absent(RELEASE_HEADER)]
    reached = 0
    for backend, share in shares:
        reached += share
        condition: _Fields = {"headers": unpinned}
        if reached < TOTAL:
            fraction = {"numerator": reached, "denominator": "TEN_THOUSAND"}
            condition["runtime_fraction"] = {"default_value": fraction}
        for path, rewrite in _paths(base, backend):
            action = _action(route.endpoint, backend, rewrite) | _mirror(route)
            yield _on_trial(_route(route.endpoint, backend, path | condition, action, "split"), route, backend)


def _on_trial(split: _Fields, route: EndpointRoute, backend: Backend) -> _Fields:
    """Make each request of a split evidence while a release is judged; pinned requests never are."""
    if route.trial:
        shielded = bool(route.shield) and backend.release in route.trial
        split["name"] = route_name(route.endpoint, backend.release, SHIELDED if shielded else ON_TRIAL)
        split["typed_per_filter_config"] = {NOTING_FILTER: noted(on_trial=True)}
    return split


def _pinned(endpoint: str, base: str, backend: Backend, pin: tuple[str, str]) -> Iterator[_Fields]:
    condition = {"headers": [{"name": pin[0], "string_match": {"exact": pin[1]}}]}
    for path, rewrite in _paths(base, backend):
        yield _route(endpoint, backend, path | condition, _action(endpoint, backend, rewrite), "pinned")


def _paths(base: str, backend: Backend) -> Iterator[tuple[_Fields, str]]:
    """Yield matches of the endpoint's paths with what replaces them; what the last rule covers is left out."""
    score, openapi, root = backend.paths
    root = root.rstrip("/") + "/"
    for name, target in (("score", score), ("swagger.json", openapi)):
        if target != root + name:
            yield {"path": f"{base}/{name}"}, target
    yield {"prefix": f"{base}/"}, root
    if base:
        yield {"path": base}, root


def _route(endpoint: str, backend: Backend, match: _Fields, action: _Fields, kind: str) -> _Fields:
    return {
        "name": route_name(endpoint, backend.release, kind),
        "match": match,
        "route": action,
        "response_headers_to_add": [
            {
                "header": {"key": DEPLOYMENT_HEADER, "value": backend.deployment},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
    }


def _action(endpoint: str, backend: Backend, rewrite: str) -> _Fields:
    return {
        "cluster": cluster_name(endpoint, backend.release),
        "prefix_rewrite": rewrite,
        "timeout": duration(backend.timeout_ms + backend.max_queue_wait_ms),
    }


def _mirror(route: EndpointRoute) -> _Fields:
    if route.mirror is None:
        return {}
    release, percent = route.mirror
    policy = {
        "cluster": mirror_name(route.endpoint, release),
        "runtime_fraction": {"default_value": {"numerator": percent, "denominator": "HUNDRED"}},
        "disable_shadow_host_suffix_append": True,
    }
    return {"request_mirror_policies": [policy]}


def _not_found(route: EndpointRoute, base: str) -> Iterator[_Fields]:
    releases = ", ".join(backend.release for backend in route.backends)
    deployments = ", ".join(deployment for deployment, _ in route.pinned)
    yield _answer(
        route.endpoint,
        _below(base) | {"headers": [_present(RELEASE_HEADER)]},
        f"Endpoint {route.endpoint} has no such release. Its releases: {releases or 'none'}.",
    )
    yield _answer(
        route.endpoint,
        _below(base) | {"headers": [_present(DEPLOYMENT_HEADER)]},
        f"Endpoint {route.endpoint} has no such deployment. Its deployments: {deployments or 'none'}.",
    )
    if not route.split:
        yield _answer(
            route.endpoint, _below(base), f"Endpoint {route.endpoint} has no deployment with positive traffic."
        )


def _answer(endpoint: str, condition: _Fields, message: str) -> _Fields:
    return {
        "name": route_name(endpoint, "-", "none"),
        "match": condition,
        "direct_response": {"status": 404, "body": {"inline_string": message[:_LONGEST_BODY]}},
    }


def _below(base: str) -> _Fields:
    return {"path_separated_prefix": base} if base else {"prefix": "/"}


def _absent(header: str) -> _Fields:
    return {"name": header, "present_match": True, "invert_match": True}


def _present(header: str) -> _Fields:
    return {"name": header, "present_match": True}
