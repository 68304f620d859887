"""Another hand at a running Envoy: a control plane of one answer, where Headgate's was."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from router import names
from router.messages import message
from router.resources import encode
from router.routes import scopes
from router.settings import MAX_REQUEST_BYTES
from router.table import EndpointRoute

DISCOVERY = "envoy.service.discovery.v3."
NONCE = "by hand"


@contextmanager
def edited(socket: Path, route: EndpointRoute) -> Iterator[None]:
    """While Headgate is dead: give its Envoy this route of the endpoint, and nothing else."""
    taken = threading.Event()
    fields = scopes(route, by_host=False, max_request_bytes=MAX_REQUEST_BYTES)[route.endpoint]
    response = message(f"{DISCOVERY}DeltaDiscoveryResponse")(type_url=names.SCOPE, nonce=NONCE)
    response.resources.add().MergeFromString(encode(names.SCOPE, route.endpoint, fields).body)

    def serve(requests: Iterator[Any], _: grpc.ServicerContext) -> Iterator[Any]:
        for request in requests:
            if request.response_nonce == NONCE:
                assert not request.HasField("error_detail"), request.error_detail
                taken.set()
            elif request.type_url == names.SCOPE:
                yield response

    method = grpc.stream_stream_rpc_method_handler(
        serve,
        request_deserializer=message(f"{DISCOVERY}DeltaDiscoveryRequest").FromString,
        response_serializer=lambda found: found.SerializeToString(),
    )
    service = f"{DISCOVERY}AggregatedDiscoveryService"
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service, {"DeltaAggregatedResources": method})]
    )
    socket.unlink(missing_ok=True)
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    try:
        assert taken.wait(60)
        yield
    finally:
        server.stop(None).wait()
