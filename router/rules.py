"""Single rules of an endpoint's route: what they match and what becomes of the request. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from router.clusters import duration
from router.names import DEPLOYMENT_HEADER, METADATA, RELEASE_HEADER, cluster_name, route_name
from router.table import Backend

Fields = dict[str, Any]

_OVERWRITE: Final = "OVERWRITE_IF_EXISTS_OR_ADD"


def paths(base: str, backend: Backend) -> Iterator[tuple[Fields, str]]:
    """Yield matches of the endpoint's paths with what replaces them; what the last rule covers is left out."""
    score, openapi, root = backend.paths
    root = root.rstrip("/") + "/"
    for name, target in (("score", score), ("swagger.json", openapi)):
        if target != root + name:
            yield {"path": f"{base}/{name}"}, target
    yield {"prefix": f"{base}/"}, root
    if base:
        yield {"path": base}, root


def rule(endpoint: str, release: str, kind: str, match: Fields, action: Fields) -> Fields:
    """Send what matches to a release (`-`: to one of several), and say to the client which deployment answered."""
    whose = f"%UPSTREAM_METADATA({METADATA}:deployment)%" if release == "-" else release.partition("@")[0]
    return {
        "name": route_name(endpoint, release, kind),
        "match": match,
        "route": action,
        "response_headers_to_add": [answered_by(whose)],
    }


def action(endpoint: str, backend: Backend, rewrite: str) -> Fields:
    """Send to one release, under its own path and within its own time."""
    return {
        "cluster": cluster_name(endpoint, backend.release),
        "prefix_rewrite": rewrite,
        "timeout": duration(longest([backend])),
    }


def longest(backends: Sequence[Backend]) -> int:
    """How long a request may last at most, its time in the queue included, on the slowest of these: milliseconds."""
    return max(backend.timeout_ms + backend.max_queue_wait_ms for backend in backends)


def answered_by(deployment: str) -> Fields:
    """The header that says whose answer it is."""
    return {"header": {"key": DEPLOYMENT_HEADER, "value": deployment}, "append_action": _OVERWRITE}


def whole(base: str) -> Fields:
    """Match everything of an endpoint."""
    return {"path_separated_prefix": base} if base else {"prefix": "/"}


def absent(header: str) -> Fields:
    """Match where the client sent no such header."""
    return {"name": header, "present_match": True, "invert_match": True}


def present(header: str) -> Fields:
    """Match where the client sent such a header."""
    return {"name": header, "present_match": True}


def exact(header: str, value: str) -> Fields:
    """Match where the client sent just this."""
    return {"name": header, "string_match": {"exact": value}}


def named(header: str, value: str) -> Fields:
    """Match where the client sent this name, in whatever case."""
    return {"name": header, "string_match": {"exact": value, "ignore_case": True}}


UNPINNED: Final = (absent(DEPLOYMENT_HEADER), absent(RELEASE_HEADER))
"""Matches requests that leave the choice to the split."""
