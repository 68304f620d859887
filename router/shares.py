"""Live requests: how they are shared out over releases, which clients stay where, what a shield covers. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from router.clusters import duration
from router.filters import noted
from router.names import METADATA, NOTING_FILTER, ON_TRIAL, SHIELDED, cluster_name, mirror_name, shield_name
from router.rules import UNPINNED, Fields, action, answered_by, exact, longest, paths, rule
from router.shield import shielded
from router.stripes import stripes
from router.table import TOTAL, Backend, EndpointRoute, Stickiness

_ANY: Final = "-"
_REQUEST_ID: Final = "x-request-id"


def live(route: EndpointRoute, base: str) -> Iterator[Fields]:
    """Yield the rules of requests that pin nothing: those of a preview first, then the split."""
    backends = {backend.release: backend for backend in route.backends}
    yield from _preview(route, base, backends)
    shares = [(backends[release], share) for release, share in route.split if share > 0]
    if route.sticky is not None and len({backend.paths for backend, _ in shares}) == 1:
        yield from _sticky(route, base, [backend for backend, _ in shares], route.sticky)
    else:
        yield from _split(route, base, shares)


def _preview(route: EndpointRoute, base: str, backends: Mapping[str, Backend]) -> Iterator[Fields]:
    if route.preview is None:
        return
    release, headers = route.preview
    condition = {"headers": [*UNPINNED, *(exact(name, value) for name, value in headers)]}
    for path, rewrite in paths(base, backends[release]):
        yield _to_one(route, backends[release], "preview", path | condition, rewrite)


def _split(route: EndpointRoute, base: str, shares: Iterable[tuple[Backend, int]]) -> Iterator[Fields]:
    """Give each release its share by cumulative thresholds on Envoy's one random number for a request.

    Unlike weighted clusters, each release keeps a timeout and a path of its own; the share is as exact.
    """
    reached = 0
    for backend, share in shares:
        reached += share
        condition: Fields = {"headers": list(UNPINNED)}
        if reached < TOTAL:
            fraction = {"numerator": reached, "denominator": "TEN_THOUSAND"}
            condition["runtime_fraction"] = {"default_value": fraction}
        for path, rewrite in paths(base, backend):
            found = _to_one(route, backend, "split", path | condition, rewrite)
            found["route"] |= _mirror(route)
            yield found


def _to_one(route: EndpointRoute, backend: Backend, kind: str, match: Fields, rewrite: str) -> Fields:
    """Send live requests to one release; what it fails goes to another where it has a shield."""
    found = rule(route.endpoint, backend.release, kind, match, action(route.endpoint, backend, rewrite))
    proven = shielded(route).get(backend.release)
    if proven is not None:
        found["route"] |= {
            "cluster": shield_name(route.endpoint, backend.release, proven.release),
            "timeout": duration(longest([backend]) + longest([proven])),
        }
        found["response_headers_to_add"] = [answered_by(f"%UPSTREAM_METADATA({METADATA}:deployment)%")]
    return _as_evidence(found, route, backend.release, covered=proven is not None)


def _as_evidence(found: Fields, route: EndpointRoute, release: str, *, covered: bool) -> Fields:
    """Make each request evidence while a release is judged; pinned requests never are."""
    if route.trial:
        kind = SHIELDED if covered else ON_TRIAL
        found["name"] = f"{route.endpoint}/{release}/{kind}"
        found["typed_per_filter_config"] = {NOTING_FILTER: noted(on_trial=True)}
    return found


def _sticky(route: EndpointRoute, base: str, backends: list[Backend], sticky: Stickiness) -> Iterator[Fields]:
    """Choose by a hash of the client's cookie or header, so that only the share that moves changes its release.

    A client without a cookie is placed by the request's id, and gets that as its cookie.
    """
    covers, (first, *_) = shielded(route), backends
    slowest = longest(backends)
    if covers:
        slowest += longest(list(covers.values()))
    for path, rewrite in paths(base, first):
        balanced = {
            "weighted_clusters": {"use_hash_policy": True, "clusters": _weights(route, sticky)},
            "prefix_rewrite": rewrite,
            "timeout": duration(slowest),
        } | _mirror(route)
        for match, policy, answer in _clients(sticky, base):
            condition = path | {"headers": list(UNPINNED)} | match
            found = rule(route.endpoint, _ANY, "split", condition, balanced | {"hash_policy": policy})
            found["response_headers_to_add"] += answer
            yield _as_evidence(found, route, _ANY, covered=bool(covers))


def _weights(route: EndpointRoute, sticky: Stickiness) -> list[Fields]:
    covers = shielded(route)
    named = {
        release: shield_name(route.endpoint, release, covers[release].release)
        if release in covers
        else cluster_name(route.endpoint, release)
        for release, _ in route.split
    }
    split = tuple((release, share) for release, share in route.split if share > 0)
    return [{"name": named[release], "weight": size} for release, size in stripes(sticky.settled, split)]


def _clients(sticky: Stickiness, base: str) -> Iterator[tuple[Fields, list[Fields], list[Any]]]:
    """Yield which requests, what of them is hashed, and what their answers get."""
    if sticky.header:
        yield {}, [{"header": {"header_name": sticky.header}}], []
        return
    known = {"cookies": [{"name": sticky.cookie, "string_match": {"safe_regex": {"regex": ".+"}}}]}
    yield known, [{"cookie": {"name": sticky.cookie}}], []
    value = f"{sticky.cookie}=%REQ({_REQUEST_ID})%; Max-Age={sticky.ttl_s}; Path={base or '/'}; HttpOnly"
    cookie = {"header": {"key": "set-cookie", "value": value}, "append_action": "APPEND_IF_EXISTS_OR_ADD"}
    yield {}, [{"header": {"header_name": _REQUEST_ID}}], [cookie]


def _mirror(route: EndpointRoute) -> Fields:
    if route.mirror is None:
        return {}
    release, percent = route.mirror
    policy = {
        "cluster": mirror_name(route.endpoint, release),
        "runtime_fraction": {"default_value": {"numerator": percent, "denominator": "HUNDRED"}},
        "disable_shadow_host_suffix_append": True,
    }
    return {"request_mirror_policies": [policy]}
