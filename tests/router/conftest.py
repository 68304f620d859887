"""A real Envoy with a configuration of the test's own, without a control plane."""

import asyncio
import contextlib
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from router.admin import Admin
from router.binary import Options
from router.bootstrap import Sockets, bootstrap
from router.supervisor import EnvoyProcess, EnvoySettings
from spec.errors import TransientError

EXTENSIONS = "type.googleapis.com/envoy.extensions."


@dataclass
class StaticEnvoy:
    """One that answers."""

    root: Path
    port: int
    admin: Admin
    process: EnvoyProcess

    async def request(self, path: str = "/", method: str = "GET", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.request(method, f"http://127.0.0.1:{self.port}{path}", headers=named)


StartEnvoy = Callable[..., Awaitable[StaticEnvoy]]


@pytest.fixture
async def start_envoy() -> AsyncIterator[StartEnvoy]:
    """`await start_envoy(manager, clusters, **bootstrap)`: `manager` are fields of the connection manager."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(manager: dict[str, Any], clusters: list[Any] | None = None, **fields: Any) -> StaticEnvoy:  # noqa: ANN401
            root = Path(tempfile.mkdtemp(prefix="hg"))
            stack.callback(shutil.rmtree, root)
            sockets, port = Sockets(root / "a.sock", root / "x.sock"), free_port()
            config = bootstrap("test", sockets) | fields
            if "dynamic_resources" not in fields:
                del config["dynamic_resources"]
            config["static_resources"]["clusters"] += clusters or []
            config["static_resources"]["listeners"] = [static_listener(port, manager)]
            settings = EnvoySettings(root / "envoy", sockets.admin, options=Options(concurrency=1, drain_s=2))
            process = EnvoyProcess(settings, config)
            stack.push_async_callback(process.stop, 0.0)
            await process.start()
            await until_ready(process)
            return StaticEnvoy(root, port, process.admin, process)

        yield start


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def static_listener(port: int, manager: dict[str, Any]) -> dict[str, Any]:
    router = {"@type": f"{EXTENSIONS}filters.http.router.v3.Router"}
    fields = {
        "@type": f"{EXTENSIONS}filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "headgate",
        **manager,
        "http_filters": [
            *manager.get("http_filters", []),
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": fields}]}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {"name": "in", "address": address, "filter_chains": [chain]}


async def until_ready(process: EnvoyProcess) -> None:
    await process.answering()
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(TransientError):
                if await process.admin.ready():
                    return
            await asyncio.sleep(0.02)


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory whose unix sockets have paths short enough for the system."""
    path = Path(tempfile.mkdtemp(prefix="hg"))
    yield path
    shutil.rmtree(path)
