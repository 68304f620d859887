"""An endpoint's route as one scope of Envoy's scoped routes. Pure.

Routes are tried from the first to the last: with tokens, what is not spelt as one (401); what says that it is over
the limit (413); the split (only for requests that pin nothing); then requests that pin a release or a deployment;
then what is answered 404.
"""

from collections.abc import Iterator
from typing import Final

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
    OTHER_SCHEMES,
    PATH_HEADER,
    RELEASE_HEADER,
    host_scope,
    route_name,
)
from router.oversize import stated, turned_on
from router.rules import Fields, action, exact, named, paths, present, rule, whole
from router.shares import live
from router.shield import BODY_BYTES, shielded
from router.table import Backend, EndpointRoute, KeyAuth, TokenAuth
from router.tokens import LENGTH, SPELLING

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


def base_path(endpoint: str) -> str:
    """Return the path below which an endpoint is reached: `/endpoints/iris`."""
    return f"/endpoints/{endpoint}"


def scopes(route: EndpointRoute, *, by_host: bool, max_request_bytes: int) -> dict[str, Fields]:
    """Describe the whole route of one endpoint, by the name of its scopes.

    One scope holds requests by path; with `by_host` a second one holds requests to `NAME.<domain>`.
    """
    name, base = route.endpoint, base_path(route.endpoint)
    by_path = {name: _scope(name, (name, ""), route, list(_routes(route, base, max_request_bytes)))}
    if not by_host:
        return by_path
    rules = list(_routes(route, "", max_request_bytes))
    return by_path | {host_scope(name): _scope(host_scope(name), (BY_HOST, name), route, rules)}


def _scope(name: str, key: tuple[str, ...], route: EndpointRoute, rules: list[Fields]) -> Fields:
    host: Fields = {
        "name": route.endpoint,
        "domains": ["*"],
        "typed_per_filter_config": _authentication(route.auth),
        "retry_policy": _RETRY,
        "routes": rules,
    }
    if shielded(route):
        host["request_body_buffer_limit"] = BODY_BYTES
    configuration = {
        "name": name,
        "virtual_hosts": [host],
        "request_headers_to_add": [_SENT_PATH, _CLIENT_ID],
        "request_headers_to_remove": [PATH_HEADER, HOST_HEADER],
    }
    fragments = [{"string_key": fragment} for fragment in key]
    return {"name": name, "key": {"fragments": fragments}, "route_configuration": configuration}


def _authentication(auth: KeyAuth | TokenAuth) -> Fields:
    match auth:
        case KeyAuth():
            return {KEY_FILTER: _keys(auth)}
        case TokenAuth():
            requirement = {
                "@type": f"{EXTENSIONS}filters.http.jwt_authn.v3.PerRouteConfig",
                "requirement_name": auth.audience,
            }
            return {JWT_FILTER: requirement}


def _keys(auth: KeyAuth) -> Fields:
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


def _routes(route: EndpointRoute, base: str, max_request_bytes: int) -> Iterator[Fields]:
    backends = {backend.release: backend for backend in route.backends}
    if isinstance(route.auth, TokenAuth):
        yield from _misspelt(route.endpoint, base)
    if over := stated(max_request_bytes):
        refused = _answer(route.endpoint, whole(base) | {"headers": [over]}, "", 413)
        yield refused | {"typed_per_filter_config": turned_on()}
    yield from live(route, base)
    for backend in route.backends:
        yield from _pinned(route.endpoint, base, backend, exact(RELEASE_HEADER, backend.release))
    for deployment, release in route.pinned:
        # Names in Git are lower-cased when they are loaded, and callers may write them as they stand there.
        yield from _pinned(route.endpoint, base, backends[release], named(DEPLOYMENT_HEADER, deployment))
    yield from _not_found(route, base)


def _pinned(endpoint: str, base: str, backend: Backend, pin: Fields) -> Iterator[Fields]:
    for path, rewrite in paths(base, backend):
        match = path | {"headers": [pin]}
        yield rule(endpoint, backend.release, "pinned", match, action(endpoint, backend, rewrite))


def _misspelt(endpoint: str, base: str) -> Iterator[Fields]:
    """Refuse before anything else what `mint` does not write: Envoy reads the end of a token leniently.

    What has no token, or a wrong one, is refused by the filter before.
    """
    schemes = "|".join(("Bearer ", *OTHER_SCHEMES))
    for spelling in (f"({schemes}){SPELLING}", LENGTH):
        condition = {
            "name": "authorization",
            "string_match": {"safe_regex": {"regex": spelling}},
            "invert_match": True,
        }
        yield _answer(endpoint, whole(base) | {"headers": [condition]}, "", 401)


def _not_found(route: EndpointRoute, base: str) -> Iterator[Fields]:
    releases = ", ".join(backend.release for backend in route.backends)
    deployments = ", ".join(deployment for deployment, _ in route.pinned)
    yield _answer(
        route.endpoint,
        whole(base) | {"headers": [present(RELEASE_HEADER)]},
        f"Endpoint {route.endpoint} has no such release. Its releases: {releases or 'none'}.",
    )
    yield _answer(
        route.endpoint,
        whole(base) | {"headers": [present(DEPLOYMENT_HEADER)]},
        f"Endpoint {route.endpoint} has no such deployment. Its deployments: {deployments or 'none'}.",
    )
    if not route.split:
        yield _answer(
            route.endpoint, whole(base), f"Endpoint {route.endpoint} has no deployment with positive traffic."
        )


def _answer(endpoint: str, condition: Fields, message: str, status: int = 404) -> Fields:
    return {
        "name": route_name(endpoint, "-", "none"),
        "match": condition,
        "direct_response": {"status": status, "body": {"inline_string": message[:_LONGEST_BODY]}},
    }
