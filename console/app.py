"""The one place where everybody is wired together: Git, Envoy, replicas, memory, the loop and the API."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from console import disk, envoy_news, shapes
from console.api import create_api
from console.chores import repeated
from console.down import stop_envoy, stop_replicas
from console.foresight import Foresight
from console.live import LiveService
from console.lock import hold
from console.news import SourceNews, adoption, announce, forgetting
from console.paths import Paths, prepare
from console.server import serve
from console.settings import Settings
from console.versions import own_version
from console.wiring import Parts, build
from observability.events import Event

AUDIT_S, VERIFY_S, CERTIFICATE_S, RESYNC_S, TIDY_S = 5, 15, 60, 300, 3600
"""Seconds between looks for lost evidence, drift in the router and a newer certificate, full passes, clean-ups."""

log = logging.getLogger(__name__)


def _silent() -> None:
    """Say nothing."""


async def run(
    settings: Settings,
    *,
    stop: asyncio.Event,
    report: Callable[[Event], None],
    started: Callable[[], None] = _silent,
) -> None:
    """Serve one installation until `stop`; its endpoints go on serving afterwards.

    `started` is called once every port is had, before the source is read.

    Raises `LockedError` if another Headgate runs on the state directory, `StalledError` if Envoy cannot run here,
    a port is taken or the repository's address is wrong.
    """
    paths = Paths(settings.state_dir)
    installation = prepare(paths)
    everything = asyncio.Event()
    with hold(paths.lock_file):
        lost = paths.memory_lost
        async with _started(settings, paths, installation, report) as parts:
            service = _service(parts, settings, stop, everything)
            async with serve(create_api(service, own_version()), settings, paths):
                started()
                if lost:
                    await announce(parts.reconciler, forgetting(paths.database, parts.reconciler.clock.now()))
                if (adopted := adoption(parts.runtime.seen(), parts.reconciler.clock.now())) is not None:
                    await announce(parts.reconciler, adopted)
                await _until(parts, stop)
        if everything.is_set():
            await stop_envoy(paths)
            await stop_replicas(paths)


@contextlib.asynccontextmanager
async def _started(
    settings: Settings, paths: Paths, installation: str, report: Callable[[Event], None]
) -> AsyncIterator[Parts]:
    """Start in the order that keeps what serves serving: memory, replicas, routes, and only then answer Envoy."""
    parts = await build(settings, paths, installation)
    try:
        parts.reconciler.listen(report)
        await parts.runtime.start()
        await parts.reconciler.restore()
        # Whether a release that memory lacks is a stray is for Git to say, which has not been read yet.
        await parts.runtime.settle({*parts.reconciler.recipes(), *(parts.runtime.seen() or {})})
        parts.router.set_jwks(parts.reconciler.access.jwks())
        await parts.router.start()
        await parts.router.open()
        yield parts
    finally:
        await parts.close()


async def _until(parts: Parts, stop: asyncio.Event) -> None:
    """Reconcile until `stop`; a fault of the loop itself ends Headgate with it."""
    loop = asyncio.create_task(parts.reconciler.run(), name="reconciler")
    told = (
        asyncio.create_task(SourceNews(parts.reconciler).follow(), name="source news"),
        asyncio.create_task(disk.DiskNews(parts.reconciler, parts.paths.state).follow(), name="disk news"),
        asyncio.create_task(parts.envoy_news.follow(parts.reconciler), name="envoy news"),
    )
    stopping = asyncio.create_task(stop.wait())
    try:
        async with repeated(parts, _CHORES):
            await asyncio.wait({loop, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if loop.done():
            loop.result()
    finally:
        tasks = (loop, stopping, *told)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _verify(parts: Parts) -> None:
    for name in await parts.router.verify():
        log.warning("the route of %s was not as decided and was put right", name)
        parts.reconciler.queue.add(name)


async def _resync(parts: Parts) -> None:
    parts.reconciler.queue.add_all(list(parts.reconciler.memories))


async def _tidy(parts: Parts) -> None:
    reconciler = parts.reconciler
    await reconciler.in_store(reconciler.store.trim_events)
    if await reconciler.in_store(reconciler.access.renew_ring, reconciler.clock.now()):
        parts.router.set_jwks(reconciler.access.jwks())
    await parts.preparer.collect(reconciler.recipes())


async def _audit(parts: Parts) -> None:
    if parts.router.on_trial:
        parts.metrics.audit(await parts.router.evidence_sent(), parts.router.evidence.records)


async def _certify(parts: Parts) -> None:
    await parts.renew_certificate(parts.reconciler.clock.now())


_CHORES = ((_audit, AUDIT_S), (_verify, VERIFY_S), (_certify, CERTIFICATE_S), (_resync, RESYNC_S), (_tidy, TIDY_S))


def _service(parts: Parts, settings: Settings, stop: asyncio.Event, everything: asyncio.Event) -> LiveService:
    def stop_everything() -> None:
        everything.set()
        stop.set()

    return LiveService(
        reconciler=parts.reconciler,
        settings=settings,
        address=parts.address,
        logs_of=parts.runtime.logs,
        samples=parts.sample,
        certificate=lambda: parts.certificate,
        stop_everything=stop_everything,
        conditions=lambda: _conditions(parts),
        foresight=Foresight(parts.reconciler, settings),
        mirrored=parts.router.mirrored,
    )


def _conditions(parts: Parts) -> tuple[shapes.Condition, ...]:
    """Conditions of the installation itself."""
    return (envoy_news.condition(parts.router.process.seen), disk.condition(parts.paths.state))
