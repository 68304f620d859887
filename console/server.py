"""Serving the API inside a running event loop: a private unix socket, and TCP where asked for."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn

from console.api import Api, guard
from console.paths import Paths, read_api_token
from console.settings import Settings
from spec.errors import HeadgateError

GRACE_SECONDS = 3


class BindError(HeadgateError):
    """The API cannot listen where it was told to."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: signals are the caller's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serve(api: Api, settings: Settings, paths: Paths) -> AsyncIterator[None]:
    """Serve within the block. Raises `BindError` if a socket cannot be had; the paths must be prepared."""
    listeners = _listen(api, settings, paths)
    tasks = [asyncio.create_task(server.serve(sockets=[sock])) for sock, server in listeners]
    try:
        yield
    finally:
        api.closing.set()
        for _, server in listeners:
            server.should_exit = True
        await asyncio.gather(*tasks, return_exceptions=True)
        paths.api_socket.unlink(missing_ok=True)


def _listen(api: Api, settings: Settings, paths: Paths) -> list[tuple[socket.socket, _Server]]:
    """Listen on TCP first: a taken port must leave nothing behind."""
    listeners = []
    if settings.api_port is not None:
        app = guard(api.app, read_api_token(paths), _hosts(settings))
        listeners.append((_listen_tcp(settings.api_address, settings.api_port), _server(app, settings)))
    try:
        listeners.append((_listen_unix(paths.api_socket), _server(api.app)))
    except BindError:
        for listener, _ in listeners:
            listener.close()
        raise
    return listeners


def _server(app: object, settings: Settings | None = None) -> _Server:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        log_level="error",
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=64 * 1024,
    )
    if settings is not None and settings.tls_certificate and settings.tls_key:
        config.load()
        config.ssl = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        config.ssl.load_cert_chain(settings.tls_certificate, settings.tls_key)
    return _Server(config)


def _hosts(settings: Settings) -> frozenset[str]:
    named = (name.strip().lower() for name in settings.api_hosts.split(","))
    return frozenset({"localhost", "127.0.0.1", "[::1]", *filter(None, named)})


def _listen_unix(path: Path) -> socket.socket:
    """Listen at `path`, which only its owner may use: the directory is 0700 before the socket exists."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise BindError(f"The API cannot listen on {path}: {error.strerror}.") from error
    listener.settimeout(0)
    return listener


def _listen_tcp(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise BindError(
            f"The API cannot listen on {address}:{port}: {error.strerror}. Choose another with --api-port."
        ) from error
    listener.settimeout(0)
    return listener
