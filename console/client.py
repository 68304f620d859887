"""Asking a running Headgate: HTTP over its private socket, never through a proxy."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from console.hints import paste
from console.lock import find_holder
from console.paths import Paths
from console.plans import PlanShape, Proposal
from console.rollouts import Explanation, OrderAnswer, OrderName, RolloutShape
from console.shapes import (
    Access,
    Confirmation,
    EndpointDetail,
    Events,
    EventShape,
    Keys,
    KeyType,
    LogLine,
    Shape,
    Status,
    SyncOutcome,
    Token,
)
from spec.errors import HeadgateError

Answer = TypeVar("Answer", bound=Shape)
TIMEOUT = 60.0
PLANNING = 900.0
"""Seconds: a plan may have to fetch a revision first."""
JSON = {"Content-Type": "application/json"}
STARTING = 30.0
"""Seconds that a Headgate may take between its lock and its first answer."""


class NotRunningError(HeadgateError):
    """No Headgate answers for this state directory."""


class AnswerError(HeadgateError):
    """Headgate answered with a fault; `status` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """One installation's API; every method raises `NotRunningError` or `AnswerError`."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        transport = httpx.HTTPTransport(uds=str(paths.api_socket))
        self._http = httpx.Client(
            transport=transport,
            base_url="http://headgate/v1/",
            timeout=httpx.Timeout(TIMEOUT, connect=5),
            trust_env=False,
        )

    @property
    def paths(self) -> Paths:
        """The installation that is asked."""
        return self._paths

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def status(self) -> Status:
        """Everything."""
        return self._ask(Status, "GET", "status")

    def endpoint(self, name: str) -> EndpointDetail:
        """One endpoint with what explains its state."""
        return self._ask(EndpointDetail, "GET", f"endpoints/{_part(name)}")

    def plan(self, revision: str | None, *, edits: bool) -> PlanShape:
        """Desired against live: of a revision, of uncommitted edits if there are some, or of the newest commit."""
        query = {"edits": str(edits).lower(), **({"revision": revision} if revision is not None else {})}
        return self._ask(PlanShape, "GET", "plan", params=query, timeout=httpx.Timeout(PLANNING, connect=5))

    def propose(self, proposal: Proposal) -> PlanShape:
        """Desired against live, of a catalog loaded here."""
        body = proposal.model_dump_json(by_alias=True)
        patience = httpx.Timeout(PLANNING, connect=5)
        return self._ask(PlanShape, "POST", "plan", content=body, timeout=patience, headers=JSON)

    def sync(self, *, wait: bool, timeout: float) -> SyncOutcome:
        """Look at the source; with `wait`, return once the outcome is known or `timeout` seconds are over."""
        query = {"wait": str(wait).lower(), "timeout": str(timeout)}
        patience = httpx.Timeout(timeout + 30, connect=5)
        return self._ask(SyncOutcome, "POST", "sync", params=query, timeout=patience)

    def confirm(self, commit: str | None) -> Confirmation:
        """Let held removals happen."""
        return self._ask(Confirmation, "POST", "confirm", json={"commit": commit})

    def keys(self, name: str) -> Keys:
        """Both keys."""
        return self._ask(Keys, "GET", f"endpoints/{_part(name)}/keys")

    def rotate(self, name: str, key_type: KeyType) -> Keys:
        """Replace one key."""
        return self._ask(Keys, "POST", f"endpoints/{_part(name)}/keys/rotate", json={"key_type": key_type})

    def token(self, name: str) -> Token:
        """A fresh token."""
        return self._ask(Token, "POST", f"endpoints/{_part(name)}/token")

    def access(self, name: str) -> Access:
        """All that is needed to score."""
        return self._ask(Access, "GET", f"endpoints/{_part(name)}/access")

    def sample(self, name: str) -> bytes | None:
        """The endpoint's sample request, if its folder has one."""
        with self._running():
            answer = self._http.get(f"endpoints/{_part(name)}/sample")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return _checked(answer).content

    def events(self, endpoint: str, limit: int) -> Events:
        """The last events, oldest first."""
        return self._ask(Events, "GET", "events", params={"endpoint": endpoint, "limit": limit})

    def follow_events(self, endpoint: str, limit: int) -> Iterator[EventShape]:
        """The last events and then every new one, until Headgate ends."""
        query = {"endpoint": endpoint, "limit": limit, "follow": "true"}
        return self._stream(EventShape, "events", query)

    def logs(self, name: str, deployment: str, query: dict[str, Any]) -> Iterator[LogLine]:
        """Log lines; `query` has the members of `LogQuery` but for whose they are."""
        return self._stream(LogLine, f"endpoints/{_part(name)}/deployments/{_part(deployment)}/logs", query)

    def rollout(self, name: str) -> RolloutShape:
        """Where the endpoint's move is."""
        return self._ask(RolloutShape, "GET", f"endpoints/{_part(name)}/rollout")

    def watch(self, name: str) -> Iterator[RolloutShape]:
        """The same again at each change, until Headgate ends."""
        return self._stream(RolloutShape, f"endpoints/{_part(name)}/rollout/watch", {})

    def order(self, name: str, kind: OrderName, by: str) -> OrderAnswer:
        """Give an order."""
        return self._ask(OrderAnswer, "POST", f"endpoints/{_part(name)}/rollout/{kind}", json={"by": by[:64]})

    def explain(self, name: str) -> Explanation:
        """Why the endpoint is as it is."""
        return self._ask(Explanation, "GET", f"endpoints/{_part(name)}/explain")

    def down(self) -> None:
        """Stop everything."""
        with self._running():
            _checked(self._http.post("down"))

    def _ask(self, shape: type[Answer], method: str, path: str, **request: Any) -> Answer:  # noqa: ANN401 (httpx's)
        with self._running():
            answer = self._http.request(method, path, **request)
        return shape.model_validate_json(_checked(answer).content)

    def _stream(self, shape: type[Answer], path: str, query: dict[str, Any]) -> Iterator[Answer]:
        patience = httpx.Timeout(None, connect=5)
        with self._running(), self._http.stream("GET", path, params=query, timeout=patience) as answer:
            if answer.is_error:
                answer.read()
            for line in _checked(answer).iter_lines():
                yield shape.model_validate_json(line)

    @contextmanager
    def _running(self) -> Iterator[None]:
        self._knock()
        try:
            yield
        except httpx.ReadTimeout as error:
            raise AnswerError("Headgate did not answer in time; its log says what it is doing.", 504) from error
        except httpx.TransportError as error:
            raise NotRunningError(f"Headgate on {self._paths.state} ended before it answered.") from error

    def _knock(self) -> None:
        """Wait while a Headgate is starting. Raises `NotRunningError` if nobody listens."""
        until = time.monotonic() + STARTING
        while not _listens(self._paths.api_socket):
            holder = find_holder(self._paths.lock_file)
            state = self._paths.state
            if holder is None:
                raise NotRunningError(
                    f"Headgate is not running on {state}.\nStart it with: {paste('up', 'REPO', state=state)}"
                )
            if time.monotonic() > until:
                raise NotRunningError(
                    f"Headgate (pid {holder.pid}) on {state} is starting or ending, and did not answer in "
                    f"{STARTING:g} s. Its log: {self._paths.log_file}"
                )
            time.sleep(0.1)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except PermissionError as error:
            raise NotRunningError(f"{path} belongs to another user.") from error
        except OSError:
            return False
    return True


def _part(name: str) -> str:
    return quote(name, safe="")


def _checked(answer: httpx.Response) -> httpx.Response:
    if not answer.is_error:
        return answer
    try:
        detail = str(json.loads(answer.content)["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"Headgate answered {answer.status_code}."
    raise AnswerError(detail, answer.status_code)
