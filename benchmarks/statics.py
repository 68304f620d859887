"""Envoys with a fixed configuration: the backend that always answers, and the bare proxy to compare with."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from router.binary import find_binary

_API = "type.googleapis.com/envoy.extensions.filters"
ANSWER = '{"predictions": [0.42]}'


def free_port() -> int:
    """A TCP port that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def backend(port: int) -> dict[str, Any]:
    """Answer 200 with a small JSON body to everything, once the whole request is there.

    An answer before that would cost the connection.
    """
    answer = {"status": 200, "body": {"inline_string": ANSWER}}
    buffer = {"@type": f"{_API}.http.buffer.v3.Buffer", "max_request_bytes": 1024 * 1024}
    filters = [{"name": "envoy.filters.http.buffer", "typed_config": buffer}]
    return _config(port, {"match": {"prefix": "/"}, "direct_response": answer}, [], filters)


def bare(port: int, upstream: int) -> dict[str, Any]:
    """Pass everything to one address: the least that Envoy can do as a proxy."""
    host = {"endpoint": {"address": _address(upstream)}}
    cluster = {
        "name": "backend",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "backend", "endpoints": [{"lb_endpoints": [host]}]},
    }
    return _config(port, {"match": {"prefix": "/"}, "route": {"cluster": "backend"}}, [cluster])


@contextlib.asynccontextmanager
async def running(folder: Path, port: int, config: dict[str, Any]) -> AsyncIterator[int]:
    """Run an Envoy with one worker until the end of the block; give its pid."""
    await asyncio.to_thread(folder.mkdir)
    path = folder / "envoy.json"
    await asyncio.to_thread(path.write_text, json.dumps(config))
    flags = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
    process = await asyncio.create_subprocess_exec(
        str(find_binary(None)), "--config-path", str(path), *flags, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await listening(port)
        yield process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def listening(port: int, within_s: float = 30.0) -> None:
    """Return once something listens on the port."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def _config(
    port: int, route: dict[str, Any], clusters: list[Any], filters: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    manager = {
        "@type": f"{_API}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            *filters,
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_API}.http.router.v3.Router"}},
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    listener = {"name": "in", "address": _address(port), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
