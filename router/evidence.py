"""Evidence of moves: the access log service that Envoy sends the entries of endpoints with releases on trial to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

import grpc
import grpc.aio

from router.attempts import Attempt, Reader
from router.messages import message

_SERVICE: Final = "envoy.service.accesslog.v3."


class Evidence:
    """The access log service; `heard` gets each batch on the event loop.

    Records of one Envoy worker come in one stream, in their order.
    """

    def __init__(self, heard: Callable[[Sequence[Attempt]], None]) -> None:
        self.records = 0
        """Entries received so far: what Envoys counted as written, unless some were lost."""
        self._heard = heard
        self._serving: set[asyncio.Task[Any]] = set()

    @property
    def handler(self) -> grpc.GenericRpcHandler:
        """What the control plane's server needs to offer this service."""
        method = grpc.stream_unary_rpc_method_handler(
            self._serve,
            request_deserializer=message(f"{_SERVICE}StreamAccessLogsMessage").FromString,
            response_serializer=message(f"{_SERVICE}StreamAccessLogsResponse").SerializeToString,
        )
        return grpc.method_handlers_generic_handler(f"{_SERVICE}AccessLogService", {"StreamAccessLogs": method})

    async def ended(self) -> None:
        """Return once no stream is open; for after the server has stopped."""
        while self._serving:
            await asyncio.wait(tuple(self._serving))

    async def _serve(self, messages: AsyncIterator[Any], _context: grpc.aio.ServicerContext[Any, Any]) -> Any:  # noqa: ANN401 - its class exists only at run time
        self._note_serving(asyncio.current_task())
        reader = Reader()
        async for received in messages:
            entries = received.http_logs.log_entry
            self.records += len(entries)
            if batch := reader.read(entries):
                self._heard(batch)
        return message(f"{_SERVICE}StreamAccessLogsResponse")()

    def _note_serving(self, task: asyncio.Task[Any] | None) -> None:
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
