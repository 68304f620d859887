"""The router: route tables in, Envoy's acknowledgements out. Puts control plane, process and admin together."""

import asyncio
import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final

import grpc

from router import names
from router.access_log import loggers, mirrored_of, read_mirrored
from router.admin import Admin, Shown
from router.attempts import Attempt
from router.binary import Options
from router.bootstrap import Sockets, bootstrap
from router.desired import Desired, Entry
from router.drift import Comparison
from router.evidence import Evidence
from router.in_flight import InFlight
from router.listener import certificate, listener
from router.log_files import Rotation
from router.resources import Resource, encode
from router.server import ControlPlane, Sent
from router.settings import RouterSettings
from router.supervisor import EnvoyProcess, EnvoySettings, Phase, ProcessSeen
from router.table import EndpointRoute, RouterSeen, RouteSeen
from router.tls import ServerCertificate
from router.tokens import ISSUER
from spec.errors import StalledError, TransientError

_Subscriber = Callable[[str], None]
_FEW: Final = 100
"""Endpoints that one `verify` looks at: Envoy shows a hundred in 0.1 s, and takes no changes meanwhile."""
_LOOK_AGAIN_S: Final = 0.2
_EVIDENCE: Final = r"^access_logs\.grpc_access_log\.logs_(written|dropped)$"


class EnvoyRouter:
    """One Envoy (or several on the same socket), told what to serve.

    Order of calls: construct, `set_certificate` and `set_jwks`, `put` what is known, `start` (Envoy is adopted or
    started and waits), `open` (from here on Envoy is told), and at the end `close`. All on one event loop.
    """

    def __init__(
        self,
        settings: RouterSettings,
        *,
        handlers: Sequence[grpc.GenericRpcHandler] = (),
        heard: Callable[[Sequence[Attempt]], None] | None = None,
        process_changed: Callable[[ProcessSeen], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.process = EnvoyProcess(_envoy_settings(settings), _bootstrap(settings), self._process)
        self._process_changed = process_changed or _unwatched
        self.evidence = Evidence(heard or _unheard)
        self._handlers = (self.evidence.handler, *handlers)
        self._clock = clock
        self._desired = Desired(by_host=bool(settings.domain), max_request_bytes=settings.max_request_bytes)
        self._plane = ControlPlane(self._desired, self._changed, self._connected)
        self._seen: dict[str, RouteSeen] = {}
        self._in_flight = InFlight()
        self._subscribers: list[_Subscriber] = []
        self._looking: asyncio.Task[None] | None = None
        self._reading = asyncio.Lock()
        self._reads = 0
        self._verified = ""
        self._comparison = Comparison()
        logs = loggers(settings.access_log, stats=settings.stats)
        self._desired.set(encode(names.LISTENER, names.LISTENER_NAME, listener(settings, logs)))

    @property
    def admin(self) -> Admin:
        """The client of Envoy's admin socket."""
        return self.process.admin

    @property
    def connected(self) -> bool:
        """Whether an Envoy is connected and answers; evidence of what it serves comes over the same socket."""
        return bool(self._plane.live) and self.process.seen.phase is not Phase.UNRESPONSIVE

    @property
    def on_trial(self) -> bool:
        """Whether an endpoint's route has releases on trial, so that there is evidence to hear."""
        return any(seen.route is not None and seen.route.trial for seen in self._seen.values())

    @property
    def sent(self) -> Sent:
        """Responses and bytes that went to Envoys so far."""
        return self._plane.sent

    async def start(self) -> None:
        """Adopt the installation's Envoy, or start one; it serves what it has, else nothing, until `open`.

        Raises `StalledError` if there is no Envoy for this platform or the port is taken.
        """
        self.settings.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        await self.process.start()

    async def open(self) -> None:
        """Begin to tell Envoy; every known endpoint must have been put, or it would be taken out.

        Raises `StalledError` without a certificate, unless HTTP is plain.
        """
        if not self.settings.plain_http and self._desired.get(names.SECRET, names.SERVER_SECRET) is None:
            raise StalledError("The router has no server certificate. Give it one before it opens.")
        self.settings.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        await self._plane.open(self.settings.xds_socket, self._handlers)

    async def close(self, *, stop_envoy: bool = False) -> None:
        """Stop telling Envoy, which goes on serving what it has; with `stop_envoy`, end it too."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        if stop_envoy:
            await self.process.stop()
        else:
            await self.process.detach()
        await self._plane.close()
        await self.evidence.ended()

    def put(self, route: EndpointRoute) -> int:
        """Make this the endpoint's route; return its generation. Equal to what was last put: nothing happens."""
        before = self._desired.entries.get(route.endpoint, Entry(0))
        if self._desired.put(route):
            self._in_flight.note(before.bundle, self._desired.entries[route.endpoint], self._clock())
            self._pushed(route.endpoint)
        return self._desired.entries[route.endpoint].generation

    def drop(self, endpoint: str) -> int:
        """Take the endpoint's route out; return the generation whose acknowledgement means that it is gone."""
        if self._desired.drop(endpoint):
            self._pushed(endpoint)
        return self._desired.entries.get(endpoint, Entry(0)).generation

    def seen(self) -> RouterSeen | None:
        """Routes, and in-flight counts as last read; None while no Envoy is connected, or it does not answer."""
        counts = self._in_flight.counts(self._desired.entries, self._clock())
        if counts is None or not self.connected:
            return None
        return RouterSeen(MappingProxyType(self._seen), counts)

    async def mirrored(self, endpoint: str) -> dict[str, dict[str, int]]:
        """Return answers to mirrored requests since Envoy's start, by release and status.

        Raises `TransientError` if Envoy does not say.
        """
        return read_mirrored(await self.admin.stats(mirrored_of(endpoint)))

    async def refresh(self) -> None:
        """Read in-flight counts from Envoy now. Raises `TransientError` if it does not answer."""
        asked = self._reads
        async with self._reading:
            if self._reads > asked:
                return
            self._reads += 1
            self._in_flight.update(await self.admin.in_flight())

    async def evidence_sent(self) -> int:
        """Ask Envoy for how many entries of evidence it has sent, or dropped. Raises `TransientError`."""
        return sum((await self.admin.stats(_EVIDENCE)).values())

    def subscribe(self, changed: _Subscriber) -> None:
        """Call `changed(endpoint)` on the event loop after an acknowledgement, a rejection or a reconnect."""
        self._subscribers.append(changed)

    def set_certificate(self, presented: ServerCertificate) -> None:
        """Present this certificate to new connections."""
        fields = certificate(presented.certificate_pem, presented.key_pem)
        self._desired.set(encode(names.SECRET, names.SERVER_SECRET, fields))
        self._plane.flush()

    def set_jwks(self, jwks: str, issuer: str = ISSUER) -> None:
        """Check tokens against this JSON Web Key Set."""
        self._desired.set_keys(jwks, issuer)
        self._plane.flush()

    async def verify(self) -> frozenset[str]:
        """Compare what Envoy has with what it should have, send it again where they differ; return the endpoints.

        Looks at all endpoints while they are few, else at the next few of them. A route that is on its way is left
        alone. Raises `TransientError` if Envoy does not answer.
        """
        some = self._next_few()
        before, known = self._settled(some), self._desired.names_of(names.SCOPE)
        found = await self.admin.shown(some)
        scopes = {name: resource for (kind, name), resource in before.items() if kind == names.SCOPE}
        edited = await asyncio.to_thread(self._comparison.differing, found.scopes, scopes)
        # What was pushed while Envoy was being asked says nothing of what it had.
        after = {key: resource for key, resource in self._settled(some).items() if before.get(key) is resource}
        strays = found.scopes.keys() - known - self._desired.names_of(names.SCOPE) if self._plane.live else ()
        wrong = [key for key, resource in after.items() if key[1] in edited or _missing(found, resource)]
        wrong += [(names.SCOPE, name) for name in sorted(strays) if self._confirmed(name)]
        for type_url, name in wrong:
            self._plane.resend(type_url, name)
        self._plane.flush()
        return frozenset(names.endpoint_of(name) for _, name in wrong)

    def _next_few(self) -> tuple[str, ...]:
        """Return the endpoints whose turn it is; none: all."""
        known = sorted(self._desired.entries)
        if len(known) <= _FEW:
            return ()
        begin = bisect_right(known, self._verified) % len(known)
        some = (known[begin:] + known[:begin])[:_FEW]
        self._verified = some[-1]
        return tuple(some)

    def _settled(self, some: Collection[str]) -> dict[tuple[str, str], Resource]:
        """The clusters and scopes that every Envoy has confirmed, by type and name."""
        keys = [(kind, name) for kind in (names.CLUSTER, names.SCOPE) for name in sorted(self._of(kind, some))]
        wanted = ((key, self._desired.get(*key)) for key in keys if self._plane.live and self._confirmed(key[1]))
        return {key: resource for key, resource in wanted if resource is not None}

    def _of(self, type_url: str, endpoints: Collection[str]) -> frozenset[str]:
        """Return the names wanted of one type for these endpoints; none given: of all."""
        wanted = self._desired.names_of(type_url)
        return frozenset(name for name in wanted if names.endpoint_of(name) in endpoints) if endpoints else wanted

    def _confirmed(self, resource: str) -> bool:
        endpoint = names.endpoint_of(resource)
        return endpoint not in self._desired.entries or self._plane.settled(endpoint)

    def _pushed(self, endpoint: str) -> None:
        entry = self._desired.entries[endpoint]
        before = self._seen.get(endpoint)
        self._seen[endpoint] = RouteSeen(entry.route, entry.generation, before.acknowledged if before else 0)
        self._plane.flush()
        if self._plane.settled(endpoint):
            # Envoy has it already, so there will be no acknowledgement.
            asyncio.get_running_loop().call_soon(self._changed, (endpoint,))

    def _changed(self, endpoints: Iterable[str]) -> None:
        self._tell(endpoint for endpoint in endpoints if self._look(endpoint))

    def _connected(self) -> None:
        for endpoint in self._seen:
            self._look(endpoint)
        if self._plane.live:
            self._looking = asyncio.create_task(self._first_look(self._looking))
        self._tell(tuple(self._seen))

    def _process(self, seen: ProcessSeen) -> None:
        self._process_changed(seen)
        self._tell(tuple(self._seen))

    def _tell(self, endpoints: Iterable[str]) -> None:
        for endpoint in endpoints:
            for changed in self._subscribers:
                changed(endpoint)

    def _look(self, endpoint: str) -> bool:
        """Take in what Envoys say of an endpoint now; return whether that is news."""
        entry, before = self._desired.entries.get(endpoint), self._seen.get(endpoint)
        if entry is None or before is None:
            return False
        acknowledged = before.acknowledged if self._plane.live else 0
        if self._plane.settled(endpoint):
            acknowledged = entry.generation
            self._desired.confirmed(endpoint, self._clock())
        after = RouteSeen(entry.route, entry.generation, acknowledged, self._plane.rejection(endpoint))
        self._seen[endpoint] = after
        return after != before

    async def _first_look(self, previous: asyncio.Task[None] | None) -> None:
        """Ask an Envoy that has just come for its in-flight counts until it answers; `seen` needs them."""
        if previous is not None:
            await asyncio.wait([previous])
        while self._plane.live:
            try:
                await self.refresh()
            except TransientError:
                # In a hot restart nobody answers between two Envoys.
                await asyncio.sleep(_LOOK_AGAIN_S)
            else:
                self._tell(tuple(self._seen))
                return


def _unheard(_batch: Sequence[Attempt]) -> None:
    """Nobody listens."""


def _unwatched(_seen: ProcessSeen) -> None:
    """Nobody watches."""


def _missing(found: Shown, resource: Resource) -> bool:
    if resource.type_url == names.CLUSTER:
        return found.clusters.get(resource.name) != resource.version
    return resource.name not in found.scopes


def _envoy_settings(settings: RouterSettings) -> EnvoySettings:
    return EnvoySettings(
        directory=settings.directory,
        admin_socket=settings.admin_socket,
        binary=settings.envoy_bin,
        options=Options(concurrency=settings.workers),
        ports=((settings.address, settings.port),),
        access_log=Rotation(settings.access_log) if settings.access_log else None,
    )


def _bootstrap(settings: RouterSettings) -> dict[str, Any]:
    return bootstrap(settings.installation, Sockets(admin=settings.admin_socket, xds=settings.xds_socket))
