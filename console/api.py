"""The HTTP API under /v1: what a running Headgate answers, over its private socket or with a token."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console import routes
from console.service import MissingError, RefusedError, Service
from console.shapes import Fault
from spec.errors import HeadgateError, StalledError, TransientError

MAX_BODY = 64 * 1024
"""Bytes: no other request of this API needs more."""
MAX_PROPOSAL = 32 * 1024 * 1024
"""Bytes of a catalog to plan: more than ten thousand endpoints take."""
DESCRIPTION = "Read and steer one installation of Headgate: its endpoints, keys, plan, events and logs."


@dataclass(frozen=True, slots=True)
class Api:
    """The application, and the event that ends its streams."""

    app: ASGIApp
    fastapi: FastAPI
    closing: asyncio.Event = field(default_factory=asyncio.Event)


def create_api(service: Service, version: str) -> Api:
    """The API of one service."""
    app = FastAPI(
        title="Headgate",
        version=version,
        description=DESCRIPTION,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    closing = asyncio.Event()
    app.state.service = service
    app.state.closing = closing
    app.include_router(routes.router)
    app.add_exception_handler(HeadgateError, _on_headgate_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)
    return Api(app=limit_body(app), fastapi=app, closing=closing)


def problem(status: int, title: str, detail: str) -> JSONResponse:
    """One fault as problem+json."""
    fault = Fault(title=title, status=status, detail=detail)
    return JSONResponse(fault.model_dump(), status, media_type="application/problem+json")


def _classify(error: Exception) -> tuple[int, str]:
    match error:
        case MissingError():
            return 404, "Not found"
        case RefusedError() | StalledError():
            return 409, "Refused"
        case TransientError():
            return 503, "Try again"
        case _:
            return 400, "Not possible"


async def _on_headgate_error(_: Request, error: Exception) -> JSONResponse:
    status, title = _classify(error)
    return problem(status, title, str(error))


async def _on_invalid(_: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    parts = (f"{'.'.join(str(part) for part in item['loc'][1:])}: {item['msg']}" for item in found)
    return problem(422, "Invalid request", "; ".join(parts))


async def _on_http(_: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = str(error.detail) if isinstance(error, HTTPException) else ""
    return problem(status, "Not found" if status == 404 else "Not possible", detail)  # noqa: PLR2004


async def _on_bug(_: Request, error: Exception) -> JSONResponse:
    return problem(500, "Fault in Headgate", f"{type(error).__name__}; the log of Headgate says more.")


def limit_body(app: ASGIApp) -> ASGIApp:
    """Answer 413 to a body over its route's limit in bytes, whether or not its length was announced."""

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        most = MAX_PROPOSAL if (scope["method"], scope["path"]) == ("POST", "/v1/plan") else MAX_BODY
        body = await _read_body(scope, receive, most)
        if body is None:
            detail = f"This request's body may have {most} bytes at most."
            return await problem(413, "Too large", detail)(scope, receive, send)
        whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        return await app(scope, replay, send)

    return limited


async def _read_body(scope: Scope, receive: Receive, most: int) -> bytes | None:
    """The whole body, or None if it is over `most` bytes or is said to be."""
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if not announced.isdigit() or int(announced) > most:
        return None
    body = bytearray()
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > most:
            return None
        if not message.get("more_body", False):
            return bytes(body)


Refusal = Callable[[Scope, Receive, Send], Awaitable[None]]


def guard(app: ASGIApp, token: str, hosts: frozenset[str]) -> ASGIApp:
    """Let through only requests that name one of `hosts` (any port) and carry the bearer token."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        refusal = _refuse(scope, token, hosts)
        await (refusal or app)(scope, receive, send)

    return guarded


def _refuse(scope: Scope, token: str, hosts: frozenset[str]) -> Refusal | None:
    named = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    if len(named) != 1 or _hostname(named[0]) not in hosts:
        return problem(421, "Wrong host", "This API does not answer to that Host name; see the setting api_hosts.")
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) != 1 or not hmac.compare_digest(given[0], b"Bearer " + token.encode()):
        refusal = problem(401, "Unauthorized", "Send `Authorization: Bearer` with the token of the file api-token.")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal
    return None


def _hostname(host: str) -> str:
    """The Host header without its port, in lower case."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()
