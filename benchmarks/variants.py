"""Headgate's route as it is, and without one of its parts each, on an Envoy of its own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.load import Target
from benchmarks.statics import free_port, listening
from router import clusters, envoy, resources, routes, tls
from router import listener as listeners
from router.access_log import loggers
from router.envoy import EnvoyRouter
from router.names import BUFFER_FILTER, DISCARD_FILTER, NOTING_FILTER, cluster_name
from router.settings import RouterSettings
from router.table import TOTAL, Backend, EndpointRoute, Host, KeyAuth

KEY = "benchmark-key-0000000000000000000000000001"
ENDPOINT = "bench"
PATH = f"/endpoints/{ENDPOINT}/score"
_NEIGHBOURS = 100
"""Further endpoints in the scoped route table."""

Fields = dict[str, Any]
Edit = Callable[[Fields], None]
_Describe = Callable[..., Fields]


def _as_it_is(_: Fields) -> None:
    """Leave the description alone."""


@dataclass(frozen=True, slots=True)
class Variant:
    """What differs from the full route."""

    name: str
    plain_http: bool = True
    access_log: bool = True
    stats: bool = True
    split: bool = False
    """Nine tenths to one release and one to another, instead of all to one."""
    manager: Edit = _as_it_is
    """Changes the description of the connection manager."""
    host: Edit = _as_it_is
    """Changes the description of the endpoint's virtual host."""
    cluster: Edit = _as_it_is


def _without_mapping(manager: Fields) -> None:
    router = manager["http_filters"][-1]["typed_config"]
    kept = [each for each in router["upstream_http_filters"] if each["name"] != "headgate.model_error"]
    router["upstream_http_filters"] = kept


def _without_limit(manager: Fields) -> None:
    router = manager["http_filters"][-1]["typed_config"]
    kept = [each for each in router["upstream_http_filters"] if "body_size_limit" not in each["name"]]
    router["upstream_http_filters"] = kept


def _without_discarding(manager: Fields) -> None:
    off = (DISCARD_FILTER, BUFFER_FILTER)
    manager["http_filters"] = [each for each in manager["http_filters"] if each["name"] not in off]


def _without_refusal(host: Fields) -> None:
    host["routes"] = [each for each in host["routes"] if each.get("direct_response", {}).get("status") != 413]


def _without_evidence(manager: Fields) -> None:
    manager["access_log"] = [each for each in manager["access_log"] if "http_grpc" not in each["name"]]
    manager["http_filters"][-1]["typed_config"].pop("upstream_log")


def _without_ids(manager: Fields) -> None:
    manager.pop("always_set_request_id_in_response")
    manager["http_filters"] = [each for each in manager["http_filters"] if each["name"] != NOTING_FILTER]


def _without_options(manager: Fields) -> None:
    for name in ("use_remote_address", "normalize_path", "common_http_protocol_options", "request_headers_timeout"):
        manager.pop(name)


def _without_keys(host: Fields) -> None:
    host.pop("typed_per_filter_config")


def _without_limits(cluster: Fields) -> None:
    for name in ("circuit_breakers", "outlier_detection", "load_balancing_policy"):
        cluster.pop(name, None)


def _without_retry(host: Fields) -> None:
    host.pop("retry_policy", None)


FULL = Variant("full route")
SPLIT = Variant("full route, split 90/10", split=True)
TLS = Variant("full route, TLS", plain_http=False)
PARTS = (
    Variant("key authentication", host=_without_keys),
    Variant("access log (18 columns)", access_log=False),
    Variant("statistics logger", stats=False),
    Variant("424 mapping", manager=_without_mapping),
    Variant("request size limit", manager=_without_limit),
    Variant("413 over TLS", manager=_without_discarding, host=_without_refusal),
    Variant("client's request id, id in answers", manager=_without_ids),
    Variant("evidence of releases on trial", manager=_without_evidence),
    Variant("addresses, path rules, timers", manager=_without_options),
    Variant("breakers, outliers, balancing", cluster=_without_limits),
    Variant("retry policy", host=_without_retry),
    Variant("both logs", access_log=False, stats=False),
)


@dataclass(frozen=True, slots=True)
class Running:
    """A variant that takes requests."""

    pid: int
    target: Target


@contextlib.asynccontextmanager
async def running(variant: Variant, folder: Path, upstream: int) -> AsyncIterator[Running]:
    """Run the variant in front of the backend until the end of the block."""
    await asyncio.to_thread(folder.mkdir)
    port = free_port()
    settings = RouterSettings(
        installation=variant.name,
        directory=folder / "router",
        sockets=folder / "s",
        port=port,
        plain_http=variant.plain_http,
        access_log=folder / "router" / "traffic.log" if variant.access_log else None,
        stats=variant.stats,
        workers=1,
    )
    with _edited(variant):
        router = EnvoyRouter(settings)
        for name in (ENDPOINT, *(f"neighbour-{number}" for number in range(_NEIGHBOURS))):
            router.put(_route(name, upstream, split=variant.split))
    if not variant.plain_http:
        router.set_certificate(await asyncio.to_thread(tls.ensure, folder / "tls", ("localhost",), datetime.now(UTC)))
    await router.start()
    try:
        await router.open()
        await _acknowledged(router)
        await listening(port)
        yield Running(router.process.seen.pid, Target(port, PATH, KEY, tls=not variant.plain_http))
    finally:
        await router.close(stop_envoy=True)


def described(variant: Variant, port: int, upstream: int, log: Path) -> tuple[Fields, list[Fields], list[Fields]]:
    """Describe the variant's listener, scopes, and clusters with their replicas in them."""
    listen, describe, limit = _edits(variant)
    settings = RouterSettings(variant.name, log.parent, log.parent, port, plain_http=True)
    logs = loggers(log if variant.access_log else None, stats=variant.stats)
    route = _route(ENDPOINT, upstream, split=variant.split)
    found = []
    for backend in route.backends:
        name = cluster_name(ENDPOINT, backend.release)
        fields = limit(name, backend) | {"type": "STATIC", "load_assignment": clusters.assignment(name, backend)}
        fields.pop("eds_cluster_config")
        found.append(fields)
    scopes = describe(route, by_host=False, max_request_bytes=settings.max_request_bytes)
    return listen(settings, logs), list(scopes.values()), found


def _route(name: str, upstream: int, *, split: bool) -> EndpointRoute:
    """Two releases with the same replica behind them, and room for every connection of the generator."""
    host = (Host("127.0.0.1", upstream),)
    blue, green = "blue@0123456789ab", "green@ba9876543210"
    backends = tuple(
        Backend(release, release.split("@", 1)[0], host, timeout_ms=60_000, max_concurrent=256)
        for release in (blue, green)
    )
    return EndpointRoute(
        name,
        KeyAuth(KEY, KEY[:-1] + "2"),
        backends,
        split=((blue, TOTAL * 9 // 10), (green, TOTAL // 10)) if split else ((blue, TOTAL),),
        pinned=(("blue", blue), ("green", green)),
    )


async def _acknowledged(router: EnvoyRouter) -> None:
    def waiting() -> bool:
        seen = router.seen()
        return seen is None or not all(route.settled for route in seen.routes.values())

    changed = asyncio.Event()
    router.subscribe(lambda _: changed.set())
    async with asyncio.timeout(60):
        while waiting():
            changed.clear()
            await changed.wait()


@contextlib.contextmanager
def _edited(variant: Variant) -> Iterator[None]:
    """Let the router describe itself with the variant's changes."""
    listen, describe, limit = _edits(variant)
    with (
        mock.patch.object(envoy, "listener", listen),
        mock.patch.object(resources, "scopes", describe),
        mock.patch.object(resources, "cluster", limit),
    ):
        yield


def _edits(variant: Variant) -> tuple[_Describe, _Describe, _Describe]:
    """Return what describes listener, scopes and clusters, with the variant's changes."""
    listener, scopes, cluster = listeners.listener, routes.scopes, clusters.cluster

    def listen(*arguments: Any) -> Fields:  # noqa: ANN401 - handed on as they are
        fields = listener(*arguments)
        variant.manager(fields["filter_chains"][0]["filters"][0]["typed_config"])
        return fields

    def describe(*arguments: Any, **more: Any) -> dict[str, Fields]:  # noqa: ANN401 - handed on as they are
        found = scopes(*arguments, **more)
        for scope in found.values():
            variant.host(scope["route_configuration"]["virtual_hosts"][0])
        return found

    def limit(*arguments: Any, **more: Any) -> Fields:  # noqa: ANN401 - handed on as they are
        fields = cluster(*arguments, **more)
        variant.cluster(fields)
        return fields

    return listen, describe, limit
