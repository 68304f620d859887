"""The control plane's gRPC server: delta ADS on a unix socket, for any number of Envoys."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from router.bootstrap import GRPC_SERVER_OPTIONS
from router.credentials import redact
from router.desired import Desired
from router.messages import message
from router.sequence import Push, Stream
from router.subscription import Request

_SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_DISCOVERY: Final = "envoy.service.discovery.v3."
_UNLIMITED: Final = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


@dataclass(slots=True)
class Sent:
    """What went out to Envoys so far."""

    responses: int = 0
    bytes: int = 0


@dataclass(slots=True, eq=False)
class _Session:
    """One connected Envoy."""

    stream: Stream
    outbox: asyncio.Queue[Push] = field(default_factory=asyncio.Queue)


class ControlPlane:
    """Serves `desired` to every Envoy that connects; does not listen before `open`.

    Both callbacks run on the event loop: `changed` with endpoints that an Envoy's answer said something about,
    `connected` after an Envoy came (and said which routes it has) or went.
    """

    def __init__(
        self, desired: Desired, changed: Callable[[Iterable[str]], None], connected: Callable[[], None]
    ) -> None:
        self.desired = desired
        self.sent = Sent()
        self._changed = changed
        self._connected = connected
        self._sessions: list[_Session] = []
        self._serving: set[asyncio.Task[Any]] = set()
        self._server: grpc.aio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def live(self) -> tuple[Stream, ...]:
        """The streams of Envoys that said which routes they have."""
        return tuple(session.stream for session in self._sessions if session.stream.live)

    async def open(self, socket: Path, handlers: Sequence[grpc.GenericRpcHandler] = ()) -> None:
        """Listen on the unix socket (mode 0600); `handlers` are further services on it."""
        server = grpc.aio.server(options=[*GRPC_SERVER_OPTIONS, *_UNLIMITED])
        server.add_generic_rpc_handlers([self._handler(), *handlers])
        await asyncio.to_thread(socket.unlink, missing_ok=True)
        server.add_insecure_port(f"unix:{socket}")
        self._server = server
        await server.start()
        await asyncio.to_thread(socket.chmod, 0o600)

    async def close(self) -> None:
        """End all streams; Envoys keep what they have and try to connect again."""
        if self._timer is not None:
            self._timer.cancel()
        if self._server is None:
            return
        await self._server.stop(grace=None)
        self._server = None
        # gRPC has only asked its calls to end: a loop that is closed before they have shows their cancellation.
        while self._serving:
            await asyncio.wait(tuple(self._serving))

    def flush(self) -> None:
        """Send what changed in `desired`, as far as each Envoy is ready for it."""
        if self._server is None:
            return
        now = asyncio.get_running_loop().time()
        self.desired.expire(now)
        changes, self.desired.changed = self.desired.changed, set()
        for session in self._sessions:
            session.stream.look_at(changes)
            self._advance(session, now)
        self._schedule()

    def settled(self, endpoint: str) -> bool:
        """Whether there is an Envoy, and every Envoy has confirmed the endpoint's whole route."""
        live = self.live
        return bool(live) and all(stream.settled(endpoint) for stream in live)

    def rejection(self, endpoint: str) -> str | None:
        """Why an Envoy refuses the endpoint's route; None: none does."""
        return next(filter(None, (stream.rejection(endpoint) for stream in self.live)), None)

    def resend(self, type_url: str, name: str) -> None:
        """Have every Envoy get this resource anew with the next `flush`."""
        for stream in self.live:
            stream.resend(type_url, name)

    def _handler(self) -> grpc.GenericRpcHandler:
        method = grpc.stream_stream_rpc_method_handler(
            self._serve,
            request_deserializer=message(f"{_DISCOVERY}DeltaDiscoveryRequest").FromString,
            response_serializer=_serialise,
        )
        return grpc.method_handlers_generic_handler(_SERVICE, {"DeltaAggregatedResources": method})

    async def _serve(self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._note_serving(asyncio.current_task())
        session = _Session(Stream(self.desired))
        self._sessions.append(session)
        writer = asyncio.create_task(self._write(session, context))
        try:
            async for request in requests:
                self._receive(session, _request(request))
        finally:
            self._sessions.remove(session)
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError, grpc.RpcError):
                await writer
            if session.stream.live:
                self._connected()

    def _note_serving(self, task: asyncio.Task[Any] | None) -> None:
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    def _receive(self, session: _Session, request: Request) -> None:
        now = asyncio.get_running_loop().time()
        was_live = session.stream.live
        touched = session.stream.receive(request, now)
        self._advance(session, now)
        if session.stream.live:
            self._changed(touched)
            if not was_live:
                self._connected()
        self.flush()

    def _advance(self, session: _Session, now: float) -> None:
        for push in session.stream.advance(now):
            session.outbox.put_nowait(push)

    async def _write(self, session: _Session, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        while True:
            response = _response(await session.outbox.get())
            self.sent.responses += 1
            self.sent.bytes += response.ByteSize()
            await context.write(response)

    def _schedule(self) -> None:
        """Wake when something that waits for its time is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        streams = [session.stream.next_due() for session in self._sessions]
        due = min(filter(None, (self.desired.next_due(), *streams)), default=None)
        if due is not None:
            self._timer = asyncio.get_running_loop().call_at(due, self.flush)


def _request(received: Any) -> Request:  # noqa: ANN401 - its class exists only at run time
    return Request(
        type_url=received.type_url,
        subscribe=tuple(received.resource_names_subscribe),
        unsubscribe=tuple(received.resource_names_unsubscribe),
        initial=dict(received.initial_resource_versions),
        nonce=received.response_nonce,
        # Envoy repeats what it refuses, with the keys of the endpoint.
        error=redact(received.error_detail.message) if received.HasField("error_detail") else None,
    )


def _response(push: Push) -> Any:  # noqa: ANN401 - its class exists only at run time
    response = message(f"{_DISCOVERY}DeltaDiscoveryResponse")(
        type_url=push.type_url, nonce=push.nonce, removed_resources=push.removed
    )
    for resource in push.resources:
        response.resources.add().MergeFromString(resource.body)
    if len(push.resources) == 1:
        response.system_version_info = push.resources[0].version
    return response


def _serialise(response: Any) -> bytes:  # noqa: ANN401 - its class exists only at run time
    content: bytes = response.SerializeToString()
    return content
