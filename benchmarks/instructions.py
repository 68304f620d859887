"""Part 1b: instructions that a worker of Envoy executes for one request, counted by valgrind.

Time on a machine that others use varies by a tenth from one run to the next; instructions by a thousandth. Those of
the kernel are not among them. Resources are the router's own, in a static configuration.
"""

import asyncio
import json
import re
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks import statics, variants
from benchmarks.figures import Progress, Section
from benchmarks.load import BODY
from router.binary import find_binary
from router.bootstrap import Sockets, bootstrap

_REQUESTS = 300
_WARM = 50
_TOTALS = re.compile(r"^totals: (\d+)", re.MULTILINE)


async def measure(folder: Path, progress: Progress) -> list[Section]:
    """Count for the bare Envoy, the full route, and that without one of its parts each."""
    if shutil.which("callgrind_control") is None:
        raise SystemExit("instructions: valgrind is not on PATH")
    columns = ("", "1,000 a request", "this/bare", "costs")
    section = Section("1b. Instructions of an Envoy worker for one request", columns)
    upstream, port = statics.free_port(), statics.free_port()
    async with statics.running(folder / "backend-b", upstream, statics.backend(upstream)):
        bare = await _count(statics.bare(port, upstream), port)
        section.rows.append(("bare Envoy", f"{bare:.1f}", "1.00", ""))
        full = 0.0
        for variant in (variants.FULL, variants.SPLIT, *variants.PARTS):
            progress(f"instructions: {variant.name}")
            port = statics.free_port()
            found = await _count(_static(variant, port, upstream, folder), port)
            full = full or found
            part = variant in variants.PARTS
            name = f"  without {variant.name}" if part else variant.name
            cost = f"{full - found:.1f}" if part else ""
            section.rows.append((name, f"{found:.1f}", f"{found / bare:.2f}", cost))
            section.figures[variant.name] = found
    section.figures["bare"] = bare
    return [section]


def _static(variant: variants.Variant, port: int, upstream: int, folder: Path) -> dict[str, Any]:
    """The variant as one file that needs no control plane."""
    sockets = Sockets(admin=folder / "b.sock", xds=folder / "x.sock")
    listener, scopes, clusters = variants.described(variant, port, upstream, folder / "b.log")
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"] = [each for each in manager["http_filters"] if "config_discovery" not in each]
    manager["scoped_routes"] |= {"scoped_route_configurations_list": {"scoped_route_configurations": scopes}}
    for name in ("scoped_rds", "rds_config_source"):
        manager["scoped_routes"].pop(name)
    config = bootstrap("bench", sockets)
    config.pop("dynamic_resources")
    config["static_resources"]["clusters"] += clusters
    return config | {"static_resources": config["static_resources"] | {"listeners": [listener]}}


async def _count(config: dict[str, Any], port: int) -> float:
    """Thousands of instructions for each request of one connection, once it is warm."""
    with tempfile.TemporaryDirectory(prefix="hgv") as name:
        folder = Path(name)
        async with _valgrind(folder, config, port) as pid:
            connection = await asyncio.to_thread(socket.create_connection, ("127.0.0.1", port))
            try:
                await _send(connection, port, _WARM)
                await _control("-i", "on", pid)
                await _send(connection, port, _WARM)
                await _control("-z", pid)
                await _send(connection, port, _REQUESTS)
                await _control("-d", pid)
            finally:
                connection.close()
        return max(_totals(folder)) / _REQUESTS / 1000


def _totals(folder: Path) -> Iterator[int]:
    """What each thread executed; the worker by far the most."""
    for path in folder.glob("counts.1-*"):
        yield from map(int, _TOTALS.findall(path.read_text(errors="replace")))


@asynccontextmanager
async def _valgrind(folder: Path, config: dict[str, Any], port: int) -> AsyncIterator[str]:
    path = folder / "envoy.json"
    await asyncio.to_thread(path.write_text, json.dumps(config))
    process = await asyncio.create_subprocess_exec(
        *("valgrind", "--tool=callgrind", "--separate-threads=yes", "--instr-atstart=no"),
        *(f"--callgrind-out-file={folder / 'counts'}", str(find_binary(None)), "--config-path", str(path)),
        *("--concurrency", "1", "--disable-hot-restart", "--log-level", "error"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await statics.listening(port, within_s=180)
        yield str(process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _control(*arguments: str) -> None:
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec("callgrind_control", *arguments, stdout=quiet, stderr=quiet)
    if await process.wait():
        raise RuntimeError(f"callgrind_control {' '.join(arguments)} failed")


async def _send(connection: socket.socket, port: int, count: int) -> None:
    head = (
        f"POST {variants.PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {variants.KEY}\r\nContent-Length: {len(BODY)}\r\n\r\n"
    )
    await asyncio.to_thread(_exchange, connection, head.encode() + BODY, count)


def _exchange(connection: socket.socket, request: bytes, count: int) -> None:
    ending = statics.ANSWER.encode()
    for _ in range(count):
        connection.sendall(request)
        answer = b""
        while not answer.endswith(ending):
            received = connection.recv(65536)
            if not received:
                raise RuntimeError(f"the connection ended after {answer!r}")
            answer += received
        if b" 200 " not in answer[:20]:
            raise RuntimeError(f"answered {answer[:200]!r}")
