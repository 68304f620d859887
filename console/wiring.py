"""Builds the parts of one installation; nothing starts here."""

import asyncio
import logging
import secrets
import socket
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from console.envoy_news import EnvoyNews
from console.metrics import LiveMetrics
from console.paths import Paths
from console.settings import Settings
from console.views import Address
from forge.source import GitSource
from observability.examiner import HttpExaminer
from reconciler.access import Access
from reconciler.clock import Clock, SystemClock
from reconciler.loop import Reconciler
from reconciler.store import Store
from router import tls
from router.envoy import EnvoyRouter
from router.settings import RouterSettings
from runtime.environments import Environments
from runtime.prepare import Preparer
from runtime.process import ProcessRuntime
from spec.errors import StalledError
from spec.files import Files
from spec.release import ReleaseRef

log = logging.getLogger(__name__)


@dataclass
class Parts:
    """Everything that runs in one Headgate."""

    settings: Settings
    paths: Paths
    source: GitSource
    router: EnvoyRouter
    envoy_news: EnvoyNews
    metrics: LiveMetrics
    runtime: ProcessRuntime
    preparer: Preparer
    store: Store
    reconciler: Reconciler
    address: Address
    certificate: tls.ServerCertificate | None

    async def sample(self, path: str) -> bytes | None:
        """A file of the newest commit, or None if there is none."""
        snapshot = self.reconciler.snapshot
        return await asyncio.to_thread(_read, snapshot.files, path) if snapshot else None

    async def renew_certificate(self, now: datetime) -> None:
        """Hand Envoy a new certificate when the present one is due."""
        fresh = await asyncio.to_thread(_certificate, self.settings, self.paths, now)
        if fresh is not None and fresh != self.certificate:
            self.certificate = fresh
            self.router.set_certificate(fresh)

    async def close(self) -> None:
        """Let go of everything; Envoy and the replicas run on."""
        await self.source.close()
        await self.runtime.close()
        await self.router.close()
        self.store.close()


def _read(files: Files, path: str) -> bytes | None:
    entry = files.entries().get(path)
    return files.read(entry) if entry and entry.kind in {"file", "executable"} else None


async def build(settings: Settings, paths: Paths, installation: str, clock: Clock | None = None) -> Parts:
    """Make the parts. Raises `StalledError` for a repository address or a certificate that cannot be used."""
    clock = clock or SystemClock()
    if settings.repo is None:
        raise StalledError("no repository is named: give one, as in `headgate up ~/models`")
    source = GitSource(
        settings.repo,
        mirror=paths.source,
        ref=settings.branch,
        path=settings.path,
        poll_seconds=settings.poll_seconds,
        worktree=settings.worktree,
        operator_config=True,
    )
    certificate = await asyncio.to_thread(_certificate, settings, paths, clock.now())
    metrics = LiveMetrics(secrets.token_hex(8), clock, lambda: router.connected)
    news = EnvoyNews()
    router = EnvoyRouter(
        _router_settings(settings, paths, installation), heard=metrics.heard, process_changed=news.note
    )
    if certificate is not None:
        router.set_certificate(certificate)
    store = Store(f"sqlite:///{paths.database}")
    await asyncio.to_thread(store.migrate)
    runtime, preparer = _runtime(settings, paths, installation, (source, router))
    reconciler = Reconciler(
        source=source,
        router=router,
        runtime=runtime,
        store=store,
        access=Access(store),
        clock=clock,
        metrics=metrics,
        examiner=HttpExaminer(),
        conda=settings.conda is not None,
    )
    return Parts(
        settings=settings,
        paths=paths,
        source=source,
        router=router,
        envoy_news=news,
        metrics=metrics,
        runtime=runtime,
        preparer=preparer,
        store=store,
        reconciler=reconciler,
        address=address_of(settings),
        certificate=certificate,
    )


def _runtime(
    settings: Settings, paths: Paths, installation: str, ports: tuple[GitSource, EnvoyRouter]
) -> tuple[ProcessRuntime, Preparer]:
    source, router = ports
    paths.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def in_flight(address: str, port: int) -> int:
        await router.refresh()
        seen = router.seen()
        return seen.in_flight.get((address, port), 0) if seen else 0

    notes: list[ProcessRuntime] = []

    def note(release: ReleaseRef, text: str) -> None:
        notes[0].logs.note(release, text)

    environments = Environments(paths.runtime, conda=settings.conda)
    preparer = Preparer(paths.runtime, source, note, environments=environments)
    runtime = ProcessRuntime(paths.runtime, installation, preparer, in_flight=in_flight)
    notes.append(runtime)
    return runtime, preparer


def _router_settings(settings: Settings, paths: Paths, installation: str) -> RouterSettings:
    return RouterSettings(
        installation=installation,
        directory=paths.router,
        sockets=paths.run,
        port=settings.port,
        address=settings.address,
        domain=settings.domain or "",
        plain_http=settings.plain_http,
        max_request_bytes=int(settings.max_request_bytes),
        access_log=paths.router / "traffic.log",
        envoy_bin=str(settings.envoy_bin) if settings.envoy_bin else None,
        workers=settings.envoy_concurrency or 0,
    )


def _certificate(settings: Settings, paths: Paths, now: datetime) -> tls.ServerCertificate | None:
    if settings.plain_http:
        return None
    own = (settings.tls_certificate, settings.tls_key) if settings.tls_certificate and settings.tls_key else None
    return tls.current(paths.tls, _names(settings), now, own)


def _names(settings: Settings) -> tuple[str, ...]:
    names = tls.server_names(settings.domain or "", socket.gethostname())
    return names if ip_address(settings.address).is_unspecified else tuple(dict.fromkeys((*names, settings.address)))


def address_of(settings: Settings) -> Address:
    """How clients write the address; a router on all addresses is named by the host's name."""
    anywhere = ip_address(settings.address).is_unspecified
    host = socket.gethostname() if anywhere else settings.address
    loopback = "[::1]" if ":" in settings.address else "127.0.0.1"
    return Address(
        scheme="http" if settings.plain_http else "https",
        host=f"[{host}]" if ":" in host else host,
        port=settings.port,
        domain=settings.domain,
        connect=loopback if anywhere else settings.address,
    )
