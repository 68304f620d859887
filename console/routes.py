"""The routes of the API, one function each."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, Field

from console.outcome import await_outcome, judge
from console.plans import PlanShape, Proposal
from console.rollouts import Explanation, OrderAnswer, OrderBody, OrderName, RolloutShape
from console.service import Container, EventQuery, LogQuery, MissingError, Service
from console.shapes import (
    Access,
    Confirmation,
    EndpointDetail,
    Events,
    Keys,
    Rotation,
    Shape,
    Status,
    SyncOutcome,
    Token,
)

router = APIRouter(prefix="/v1")
NDJSON = "application/x-ndjson"
MAX_WAIT = 86400.0


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Ask = Annotated[Service, Depends(_service)]
Name = Annotated[str, AfterValidator(str.lower)]
"""Names are lower-cased when they are loaded, and people may write them as they stand in Git."""


@router.get("/status")
async def read_status(service: Ask) -> Status:
    """Everything: the source and every endpoint."""
    return await service.status()


@router.get("/endpoints/{name}")
async def read_endpoint(service: Ask, name: Name) -> EndpointDetail:
    """One endpoint with its replicas."""
    return await service.endpoint(name)


@router.get("/plan")
async def read_plan(
    service: Ask,
    *,
    revision: Annotated[str | None, Query(min_length=1, max_length=256)] = None,
    edits: bool = False,
) -> PlanShape:
    """Desired against live: of `revision`, else with `edits` of uncommitted edits, else of the newest commit."""
    return await service.plan(revision, edits=edits)


@router.post("/plan")
async def propose_plan(service: Ask, proposal: Proposal) -> PlanShape:
    """Desired against live, of a catalog that the caller has loaded; nothing is read or kept for it."""
    return await service.propose(proposal)


@router.post("/sync")
async def sync(
    service: Ask,
    *,
    wait: bool = False,
    timeout: Annotated[float, Query(gt=0, le=MAX_WAIT)] = 600.0,  # noqa: ASYNC109 (the caller's own limit)
) -> SyncOutcome:
    """Look at the source now; with `wait`, answer once the outcome is known or `timeout` seconds are over."""
    if wait:
        return await await_outcome(service, timeout)
    commit = await service.sync()
    return judge(await service.status(), commit)


class ConfirmBody(Shape):
    """Which commit's removals to confirm; None: whichever is held."""

    commit: str | None = None


@router.post("/confirm")
async def confirm(service: Ask, body: ConfirmBody) -> Confirmation:
    """Let held removals happen."""
    return await service.confirm(body.commit)


@router.get("/endpoints/{name}/keys")
async def read_keys(service: Ask, name: Name) -> Keys:
    """Both keys."""
    return await service.keys(name)


@router.post("/endpoints/{name}/keys/rotate")
async def rotate_key(service: Ask, name: Name, body: Rotation) -> Keys:
    """Replace one key; as in Azure, the body says which."""
    return await service.rotate(name, body.key_type)


@router.post("/endpoints/{name}/token")
async def create_token(service: Ask, name: Name) -> Token:
    """A fresh token."""
    return await service.token(name)


@router.get("/endpoints/{name}/access")
async def read_access(service: Ask, name: Name) -> Access:
    """All that a caller on this machine needs to score."""
    return await service.access(name)


@router.get("/endpoints/{name}/sample", response_class=Response)
async def read_sample(service: Ask, name: Name) -> Response:
    """The endpoint's sample request; 404 where its folder has none."""
    found = await service.sample(name)
    if found is None:
        raise MissingError(f"The folder of {name} has no sample-request.json.")
    return Response(found, media_type="application/json")


@router.get("/events")
async def read_events(
    request: Request,
    service: Ask,
    *,
    endpoint: Name = "",
    limit: Annotated[int, Query(ge=0, le=10_000)] = 100,
    follow: bool = False,
) -> Response:
    """Events, oldest first; with `follow`, one JSON object a line until the caller leaves."""
    query = EventQuery(endpoint=endpoint, limit=limit, follow=follow)
    if follow:
        return await _stream(request, service.events(query))
    found = tuple([event async for event in service.events(query)])
    return Response(Events(events=found).model_dump_json(by_alias=True), media_type="application/json")


class LogParameters(Shape):
    """The query of a log."""

    container: Container = "inference-server"
    lines: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    follow: bool = False
    release: Annotated[Name, Field(max_length=256)] = ""
    replica: Annotated[str, Field(max_length=256)] = ""
    access: bool = True
    previous: bool = False


@router.get("/endpoints/{name}/deployments/{deployment}/logs")
async def read_logs(
    request: Request,
    name: Name,
    deployment: Name,
    query: Annotated[LogParameters, Query()],
) -> Response:
    """Log lines of a deployment's replicas, one JSON object a line."""
    wanted = LogQuery(name, deployment, **query.model_dump())
    return await _stream(request, _service(request).logs(wanted))


@router.get("/endpoints/{name}/rollout")
async def read_rollout(service: Ask, name: Name) -> RolloutShape:
    """Where the endpoint's move is, what judges it, and what was refused."""
    return await service.rollout(name)


@router.get("/endpoints/{name}/rollout/watch", response_class=Response)
async def watch_rollout(request: Request, service: Ask, name: Name) -> Response:
    """The same again at each change, one JSON object a line, until the caller leaves."""
    return await _stream(request, service.follow_rollout(name))


@router.post("/endpoints/{name}/rollout/{order}")
async def order_rollout(service: Ask, name: Name, order: OrderName, body: OrderBody | None = None) -> OrderAnswer:
    """Promote, pause, resume, abort, retry or undo; answered once it is carried out and remembered."""
    return await service.order(name, order, body or OrderBody())


@router.get("/endpoints/{name}/explain")
async def explain_endpoint(service: Ask, name: Name) -> Explanation:
    """The chain from what Git asks for to what is live."""
    return await service.explain(name)


@router.post("/down", status_code=202)
async def down(service: Ask) -> dict[Literal["message"], str]:
    """Stop Envoy, every replica, and then Headgate."""
    await service.down()
    return {"message": "Envoy, every replica and Headgate are being stopped."}


async def _stream(request: Request, items: AsyncIterator[Shape]) -> Response:
    """Stream items as lines; the first is awaited before the status is sent, unless it takes long."""
    closing: asyncio.Event = request.app.state.closing
    first = asyncio.ensure_future(anext(items, None))
    await asyncio.wait({first}, timeout=0.2)
    if first.done() and (error := first.exception()):
        raise error
    return StreamingResponse(_lines(first, items, closing), media_type=NDJSON)


async def _lines(
    first: "asyncio.Future[Shape | None]", items: AsyncIterator[Shape], closing: asyncio.Event
) -> AsyncIterator[bytes]:
    stop = asyncio.ensure_future(closing.wait())
    coming = first
    try:
        while True:
            await asyncio.wait(_both(coming, stop), return_when=asyncio.FIRST_COMPLETED)
            if not coming.done() or (item := coming.result()) is None:
                return
            yield item.model_dump_json(by_alias=True).encode() + b"\n"
            coming = asyncio.ensure_future(anext(items, None))
    finally:
        stop.cancel()
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        if isinstance(items, AsyncGenerator):
            await items.aclose()


def _both(coming: "asyncio.Future[Shape | None]", stop: "asyncio.Future[Literal[True]]") -> set[asyncio.Future[Any]]:
    return {coming, stop}
