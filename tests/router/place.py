"""A place for a real Envoy that serves one static answer."""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from router.access_log import loggers
from router.binary import Options
from router.bootstrap import Sockets, bootstrap
from router.log_files import Rotation
from router.supervisor import EnvoyProcess, EnvoySettings, ProcessSeen

OPTIONS = Options(concurrency=1, drain_s=2)
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def static(
    sockets: Sockets, port: int, body: str = "one", upstream: int = 0, log: Path | None = None
) -> dict[str, Any]:
    """Our bootstrap, with a listener of its own instead of a control plane."""
    config = bootstrap("test", sockets)
    del config["dynamic_resources"]
    route: dict[str, Any] = {"match": {"prefix": "/"}}
    if upstream:
        where = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": upstream}}}}
        load = {"cluster_name": "model", "endpoints": [{"lb_endpoints": [where]}]}
        config["static_resources"]["clusters"].append({"name": "model", "type": "STATIC", "load_assignment": load})
        route["route"] = {"cluster": "model"}
    else:
        route["direct_response"] = {"status": 200, "body": {"inline_string": body}}
    manager = {
        "@type": HCM,
        "stat_prefix": "headgate",
        "access_log": loggers(log),
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
        "route_config": {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]},
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    config["static_resources"]["listeners"] = [{"name": "in", "address": address, "filter_chains": [chain]}]
    return config


class Place:
    """One installation's directory, sockets and port."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="hg"))
        self.sockets = Sockets(self.root / "a.sock", self.root / "x.sock")
        self.port = free_port()
        self.states: list[ProcessSeen] = []

    def envoy(
        self, body: str = "one", *, binary: Path | None = None, upstream: int = 0, access_log: Rotation | None = None
    ) -> EnvoyProcess:
        ports, log = (("127.0.0.1", self.port),), access_log.path if access_log else None
        return EnvoyProcess(
            EnvoySettings(self.root / "envoy", self.sockets.admin, binary, OPTIONS, ports, access_log),
            static(self.sockets, self.port, body, upstream, log),
            self.states.append,
        )

    async def get(self) -> str:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"http://127.0.0.1:{self.port}/")).text


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    where = Place()
    try:
        yield where
    finally:
        await where.envoy().stop(drain_s=0.0)
        shutil.rmtree(where.root)


async def until(holds: Callable[[], bool], within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - what is awaited is another process
            await asyncio.sleep(0.02)


async def ready(envoy: EnvoyProcess) -> None:
    await envoy.answering()
    async with asyncio.timeout(20):
        while not await envoy.admin.ready():  # noqa: ASYNC110 - what is awaited is another process
            await asyncio.sleep(0.02)
