import asyncio
import http.server
import io
import shutil
import ssl
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from console.api import create_api
from console.cli import main
from console.options import SETTINGS
from console.paths import Paths, prepare
from console.plans import PlanShape, Proposal
from console.rollouts import Explanation, OrderAnswer, OrderBody, OrderName, Reason, RolloutShape
from console.server import serve
from console.service import EventQuery, LogQuery, MissingError, RefusedError
from console.settings import Settings
from console.shapes import (
    Access,
    Condition,
    Confirmation,
    DeploymentDetail,
    DeploymentStatus,
    EndpointDetail,
    EndpointStatus,
    EventShape,
    HeldRemoval,
    Keys,
    KeyType,
    LogLine,
    ReplicaShape,
    SourceShape,
    Status,
    Token,
)
from router import tls
from tests.console.planned import committed_examples

COMMIT = "3f2a9c41d0e7b5a6c8f9e0d1a2b3c4d5e6f70819"
OLDER = "0badc0ffee" * 4
NOW = datetime(2026, 11, 22, 3, 0, 0, tzinfo=UTC)


def condition(
    kind: str, status: str = "True", reason: str = "Serving", message: str = "", commit: str = COMMIT
) -> Condition:
    return Condition(type=kind, status=status, reason=reason, message=message, observed_commit=commit)


def endpoint(name: str, *conditions: Condition, state: str = "Succeeded") -> EndpointStatus:
    return EndpointStatus(
        name=name,
        scoring_uri=f"https://127.0.0.1:8443/endpoints/{name}/score",
        auth_mode="key",
        provisioning_state=state,
        traffic={"blue": 100},
        split={"blue@3f2a9c41d0e7": 100.0},
        conditions=conditions or (condition("Ready", message="blue 100%"),),
        deployments=(
            DeploymentStatus(
                name="blue", provisioning_state=state, release="blue@3f2a9c41d0e7", instance_count=2, ready=2
            ),
        ),
    )


def source(**changes: object) -> SourceShape:
    known = {"repository": "/srv/models", "branch": "main", "attempted_commit": COMMIT, "applied_commit": COMMIT}
    return SourceShape.model_validate({**known, "checked_at": NOW, **changes})


@dataclass
class FakeService:
    """A Service whose answers tests set; `tell` makes a new status known."""

    state: Status = field(default_factory=lambda: Status(source=source(), endpoints=(endpoint("iris"),)))
    plan_answer: PlanShape = field(default_factory=lambda: PlanShape(commit=COMMIT))
    history: list[EventShape] = field(default_factory=list)
    log: dict[str, list[LogLine]] = field(default_factory=dict)
    samples: dict[str, bytes] = field(default_factory=dict)
    accesses: dict[str, Access] = field(default_factory=dict)
    moves: list[RolloutShape] = field(default_factory=lambda: [RolloutShape(endpoint="iris", state="settled")])
    refusal: str = ""
    error: Exception | None = None
    calls: list[tuple[object, ...]] = field(default_factory=list)
    count: int = 0
    ended: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _change: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, state: Status) -> None:
        self.state = state
        self.count += 1
        self._change.set()
        self._change = asyncio.Event()

    def known(self, name: str) -> EndpointStatus:
        found = self.state.endpoint(name)
        if found is None:
            raise MissingError(f"There is no endpoint {name}; there are: iris.")
        return found

    async def status(self) -> Status:
        if self.error:
            raise self.error
        return self.state

    async def endpoint(self, name: str) -> EndpointDetail:
        found = self.known(name)
        replica = ReplicaShape(id="iris-blue-1", state="ready", release="blue@3f2a9c41d0e7", since=NOW)
        details = tuple(DeploymentDetail(**d.model_dump(), replicas=(replica,)) for d in found.deployments)
        return EndpointDetail(**{**found.model_dump(), "deployments": details, "file": "iris/endpoint.yml"})

    def revision(self) -> int:
        return self.count

    async def changed(self, since: int) -> None:
        while self.count <= since:
            await self._change.wait()

    async def plan(self, revision: str | None = None, *, edits: bool = False) -> PlanShape:
        self.calls.append(("plan", revision, edits))
        return self.plan_answer

    async def propose(self, proposal: Proposal) -> PlanShape:
        self.calls.append(("propose", proposal))
        return self.plan_answer

    async def sync(self) -> str:
        self.calls.append(("sync",))
        if self.error:
            raise self.error
        return self.state.source.attempted_commit or COMMIT

    async def confirm(self, commit: str | None) -> Confirmation:
        held = self.state.source.held
        if held is None or (commit is not None and commit != held.commit):
            raise RefusedError("No removal is held.")
        self.calls.append(("confirm", commit))
        self.tell(self.state.model_copy(update={"source": source()}))
        return Confirmation(commit=held.commit, removes=held.removes)

    async def keys(self, name: str) -> Keys:
        self.known(name)
        return Keys(primary="first-key", secondary="second-key")

    async def rotate(self, name: str, key_type: KeyType) -> Keys:
        self.known(name)
        self.calls.append(("rotate", name, key_type))
        return Keys(primary="new-key", secondary="second-key")

    async def token(self, name: str) -> Token:
        if self.known(name).auth_mode == "key":
            raise RefusedError(f"{name} uses keys, not tokens: headgate keys show {name}")
        return Token(access_token="a.b.c", expiry_time_utc=2000, refresh_after_time_utc=1600)  # noqa: S106 (a fake)

    async def access(self, name: str) -> Access:
        self.known(name)
        return self.accesses[name]

    async def sample(self, name: str) -> bytes | None:
        return self.samples.get(self.known(name).name)

    async def events(self, query: EventQuery) -> AsyncIterator[EventShape]:
        self.calls.append(("events", query))
        for event in self.history[-query.limit :] if query.limit else []:
            yield event
        if query.follow:
            try:
                await asyncio.Event().wait()
            finally:
                self.ended = True
                self.over.set()

    async def logs(self, query: LogQuery) -> AsyncIterator[LogLine]:
        self.calls.append(("logs", query))
        if query.deployment not in self.log:
            raise MissingError(f"{query.endpoint} has no deployment {query.deployment}; it has: blue.")
        for line in self.log[query.deployment]:
            yield line
        if query.follow:
            try:
                await asyncio.Event().wait()
            finally:
                self.ended = True
                self.over.set()

    async def rollout(self, name: str) -> RolloutShape:
        self.known(name)
        return self.moves[0]

    async def follow_rollout(self, name: str) -> AsyncIterator[RolloutShape]:
        self.known(name)
        for found in self.moves:
            yield found

    async def order(self, name: str, kind: OrderName, body: OrderBody) -> OrderAnswer:
        self.known(name)
        if self.refusal:
            raise RefusedError(self.refusal)
        self.calls.append(("order", name, kind))
        return OrderAnswer(id=body.id or "o1", done=True, message="going on", rollout=self.moves[0])

    async def explain(self, name: str) -> Explanation:
        self.known(name)
        return Explanation(
            endpoint=name,
            commit=COMMIT,
            asked={"blue@2": 100.0},
            ready=Reason(reason="StepRunning", message="until 03:00:09 UTC at least"),
            rollout=self.moves[0],
            events=tuple(self.history),
        )

    async def down(self) -> None:
        self.calls.append(("down",))


def held(*names: str) -> HeldRemoval:
    return HeldRemoval(commit=COMMIT, removes=names, message="too many")


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """No setting of the machine reaches a test, nor does a test reach the user's own files."""
    for setting in SETTINGS:
        monkeypatch.delenv(setting.variable, raising=False)
    for name in ("HEADGATE_CONFIG", "ENVOY_BIN", "XDG_RUNTIME_DIR", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.chdir(home)


@pytest.fixture
def home() -> Iterator[Path]:
    """A short folder, for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="hg"))
    yield folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def paths(home: Path) -> Paths:
    found = Paths(home / "s")
    prepare(found)
    return found


@contextmanager
def running(service: FakeService, settings: Settings, paths: Paths) -> Iterator[asyncio.AbstractEventLoop]:
    """The API of a fake Headgate, served from a thread so that blocking clients can ask it."""
    started, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def main() -> None:
        async with serve(create_api(service, "1.2.3"), settings, paths):
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    assert started.wait(20)
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()
        assert not thread.is_alive()


@pytest.fixture
def live(service: FakeService, paths: Paths) -> Iterator[FakeService]:
    """A fake Headgate that answers on its unix socket."""
    settings = Settings(state_dir=paths.state)
    with running(service, settings, paths):
        yield service


@dataclass
class Model:
    """An endpoint that records what it is sent and answers what it is told."""

    port: int
    ca: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    told: Callable[[], object] = lambda: None

    def access(self, **changes: object) -> Access:
        known = {
            "scoring_uri": f"https://127.0.0.1:{self.port}/endpoints/iris/score",
            "auth_mode": "key",
            "credential": "first-key",
            "ca_certificate": self.ca,
        }
        return Access.model_validate({**known, **changes})


@pytest.fixture
def model(home: Path) -> Iterator[Model]:
    made = tls.ensure(home / "tls", ("127.0.0.1", "iris.models.example"), datetime.now(UTC))
    (home / "server.pem").write_bytes(as_bytes(made.certificate_pem) + as_bytes(made.key_pem))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(home / "server.pem")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(found.status)
            answer = b'{"answer": 42}'
            for name, value in {**found.headers, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)
            found.told()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        found = Model(server.server_port, str(made.ca_path))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def as_bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


@pytest.fixture
def run(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., SimpleNamespace]:
    """Run a command on the test's installation as the shell would."""
    monkeypatch.setenv("HEADGATE_STATE_DIR", str(paths.state))

    def call(*arguments: str, stdin: str = "") -> SimpleNamespace:
        monkeypatch.setattr(sys, "argv", ["headgate", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as end:
            main()
        text, errors = capsys.readouterr()
        return SimpleNamespace(code=end.value.code, out=text, err=errors)

    return call


@pytest.fixture
def given() -> SimpleNamespace:
    """Makers of answers, and a server for them."""
    return SimpleNamespace(
        COMMIT=COMMIT,
        OLDER=OLDER,
        NOW=NOW,
        condition=condition,
        endpoint=endpoint,
        source=source,
        held=held,
        running=running,
    )


@pytest.fixture
def models(home: Path) -> Path:
    """A working copy of the example repository with one commit."""
    return committed_examples(home / "models")
